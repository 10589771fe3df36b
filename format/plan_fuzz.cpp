// Any bytes at all may claim to be a plan: reading one ends in a plan that was verified, or in an error.

#include "format/fuzz.h"
#include "format/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const auto first = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(first.begin(), first.end());
  mend_plan(bytes);
  survives([&] { read_plan(bytes, "fuzz"); });
  return 0;
}
