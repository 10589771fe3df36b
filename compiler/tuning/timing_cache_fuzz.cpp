// Any text is dropped as a timing cache, with a warning, or read.

#include <cstdlib>
#include <string_view>

#include "compiler/tuning/timing_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string warning;
  const auto cache = aitune::TimingCache::parse({reinterpret_cast<const char*>(data), size}, "fuzz", &warning);
  if (!warning.empty() && cache.size() != 0) std::abort();
  return 0;
}
