// Any bytes at all may claim to be a plan: reading one ends in a plan that was verified, or in an error.

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "format/digest.h"
#include "format/plan.h"
#include "format/plan_header.h"

namespace {

/// Makes the checksums right where the sections lie inside, so that the fuzzer gets past them.
void resign(std::vector<std::byte>& bytes) {
  aitune::PlanHeader header;
  if (bytes.size() < sizeof header) return;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.magic = aitune::kPlanMagic;
  header.header_bytes = sizeof header;
  header.total_bytes = bytes.size();
  for (auto* s : {&header.description, &header.code, &header.constants}) {
    if (s->offset > bytes.size() || s->size > bytes.size() - s->offset) return;
    s->hash = aitune::section_hash(std::span(bytes).subspan(s->offset, s->size));
  }
  const std::size_t hashed = sizeof header - sizeof header.header_hash;
  header.header_hash = aitune::xxh3_64(std::as_bytes(std::span(&header, 1)).first(hashed));
  std::memcpy(bytes.data(), &header, sizeof header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* first = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> bytes(first, first + size);
  resign(bytes);
  try {
    aitune::read_plan(bytes, "fuzz");
  } catch (const aitune::Error& e) {
    if (e.code() == aitune::ErrorCode::internal) __builtin_trap();
  }
  return 0;
}
