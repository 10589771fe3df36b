#include "format/fuzz.h"

#include <cstring>

#include "format/bytes.h"
#include "format/crc32.h"
#include "format/digest.h"
#include "format/plan_header.h"
#include "format/zip_layout.h"
#include "format/zip_reader.h"

namespace aitune {
namespace {

constexpr std::size_t kLocalCrc = 14, kCentralCrc = 16, kCentralHeader = 42;

/// The central header of the entry whose local header is at `offset`, or the end.
std::size_t central_header_of(std::span<const std::byte> archive, std::uint64_t offset) {
  for (std::size_t at = 0; at + zip::kCentralBytes <= archive.size(); ++at) {
    if (load_le<std::uint32_t>(archive.data() + at) == zip::kCentralSignature &&
        load_le<std::uint32_t>(archive.data() + at + kCentralHeader) == offset) {
      return at;
    }
  }
  return archive.size();
}

}  // namespace

void mend_checksums(std::vector<std::byte>& archive) {
  std::vector<ZipEntry> entries;
  if (!survives([&] { entries = ZipReader(archive, "fuzz").entries(); })) return;
  for (const ZipEntry& entry : entries) {
    const std::size_t central = central_header_of(archive, entry.header_offset);
    if (entry.deflated || central == archive.size()) continue;
    const std::uint32_t crc = crc32(std::span(archive).subspan(entry.offset, entry.stored_size));
    store_le(archive.data() + central + kCentralCrc, crc);
    store_le(archive.data() + entry.header_offset + kLocalCrc, crc);
  }
}

void mend_plan(std::vector<std::byte>& plan) {
  PlanHeader header;
  if (plan.size() < sizeof header) return;
  std::memcpy(&header, plan.data(), sizeof header);
  header.magic = kPlanMagic;
  header.header_bytes = sizeof header;
  header.total_bytes = plan.size();
  for (auto* s : {&header.description, &header.code, &header.constants}) {
    if (!fits(s->offset, s->size, plan.size())) return;
    s->hash = section_hash(std::span(plan).subspan(s->offset, s->size));
  }
  const std::size_t hashed = sizeof header - sizeof header.header_hash;
  header.header_hash = xxh3_64(std::as_bytes(std::span(&header, 1)).first(hashed));
  std::memcpy(plan.data(), &header, sizeof header);
}

}  // namespace aitune
