#include "format/plan_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/bytes.h"
#include "format/digest.h"

namespace aitune {
namespace {

void check_section(const PlanSection& section, const PlanHeader& header, std::string_view name,
                   std::string_view where) {
  if (section.offset % kPlanAlignment != 0 || section.offset < sizeof(PlanHeader) ||
      !fits(section.offset, section.size, header.total_bytes)) {
    throw Corrupt(fmt::format("the plan's {} section claims bytes {}+{} of {}", name, section.offset, section.size,
                              header.total_bytes),
                  std::string(where));
  }
}

}  // namespace

std::uint64_t combine_piece_hashes(std::span<const std::uint64_t> hashes) { return xxh3_64(std::as_bytes(hashes)); }

std::uint64_t section_hash(std::span<const std::byte> bytes) {
  std::vector<std::uint64_t> hashes;
  for (std::size_t at = 0; at < bytes.size(); at += kHashPiece) {
    hashes.push_back(xxh3_64(bytes.subspan(at, std::min(kHashPiece, bytes.size() - at))));
  }
  return combine_piece_hashes(hashes);
}

PlanHeader read_plan_header(std::span<const std::byte> bytes, std::string_view where) {
  const std::string at(where);
  if (bytes.size() < sizeof(PlanHeader) || std::memcmp(bytes.data(), kPlanMagic.data(), kPlanMagic.size()) != 0) {
    throw Corrupt("this is not a plan: its first bytes are not those of a plan header", at);
  }
  PlanHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.major > kPlanMajor) {
    throw Incompatible(fmt::format("the plan has format version {}.{}, and this aitune reads up to {}.x", header.major,
                                   header.minor, kPlanMajor),
                       at, "Install a newer aitune, or tune the model again with this one");
  }
  if (header.major == 0) throw Corrupt("the plan header has format version 0", at);
  const auto hashed = bytes.first(sizeof(PlanHeader) - sizeof header.header_hash);
  if (header.header_bytes != sizeof(PlanHeader) || header.header_hash != xxh3_64(hashed)) {
    throw Corrupt("the plan header does not match its checksum", at, "Copy the file again from where it was made");
  }
  if (header.total_bytes != bytes.size()) {
    throw Corrupt(fmt::format("the plan holds {} bytes, its header says {}", bytes.size(), header.total_bytes), at);
  }
  check_section(header.description, header, "description", where);
  check_section(header.code, header, "code", where);
  check_section(header.constants, header, "constants", where);
  if (header.description.offset + header.description.size > header.code.offset ||
      header.code.offset + header.code.size > header.constants.offset) {
    throw Corrupt("the plan's sections overlap or are out of order", at);
  }
  return header;
}

std::size_t plan_head_bytes(const PlanHeader& header) { return header.code.offset + header.code.size; }

}  // namespace aitune
