#include "base/memory.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace aitune {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

std::optional<std::uint64_t> digits_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::uint64_t limit_in(const char* file) {
  const int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return kNoLimit;
  char text[32];
  const ssize_t size = read(fd, text, sizeof text);
  close(fd);
  const std::string_view line(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  return digits_of(line.substr(0, line.find('\n'))).value_or(kNoLimit);  // "max"
}

}  // namespace

std::uint64_t memory_limit() {
  std::uint64_t limit = kNoLimit;
  struct sysinfo machine = {};
  if (sysinfo(&machine) == 0) {
    const std::uint64_t memory =
        std::min({static_cast<std::uint64_t>(machine.totalram) * machine.mem_unit,
                  limit_in("/sys/fs/cgroup/memory.max"), limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes")});
    limit = memory + static_cast<std::uint64_t>(machine.totalswap) * machine.mem_unit;
  }
  struct rlimit space = {};
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
    limit = std::min<std::uint64_t>(limit, space.rlim_cur);
  if (const char* const taken = std::getenv("AITUNE_MEMORY"); taken && *taken) {
    const auto bytes = digits_of(taken);
    if (!bytes)
      throw InvalidArgument(std::string("'") + taken + "' is no number of bytes", "AITUNE_MEMORY",
                            "Give the bytes in digits, or unset it");
    limit = std::min(limit, *bytes);
  }
  return limit;
}

}  // namespace aitune
