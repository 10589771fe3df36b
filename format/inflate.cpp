#include "format/inflate.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string>

#include "base/error.h"

namespace aitune {

namespace {

// Deflate cannot expand by more than this (RFC 1951: 258 bytes from two bits, less the overhead of a block).
constexpr std::uint64_t kMaxRatio = 1032;
constexpr std::uint64_t kSlack = 64;
constexpr std::uint64_t kFirstBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kChunk = std::uint64_t{1} << 30;

class Inflater {
 public:
  Inflater() {
    if (::inflateInit2(&stream_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace

std::vector<std::byte> inflate_raw(std::span<const std::byte> stream, std::uint64_t size, std::string_view where) {
  const auto corrupt = [&](std::string what) -> Corrupt { return Corrupt(std::move(what), std::string(where)); };
  if (size / kMaxRatio > stream.size() + kSlack) {
    throw corrupt(fmt::format("{} compressed bytes cannot hold {} bytes", stream.size(), size));
  }
  std::vector<std::byte> out(std::min(size, kFirstBytes));
  Inflater inflater;
  z_stream& z = inflater.stream();
  std::size_t taken = 0, given = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    // zlib counts in 32 bits; one spare byte of output shows a stream that is longer than it says.
    std::byte spare{};
    if (given == out.size() && given < size) out.resize(std::min<std::uint64_t>(size, 2 * out.size()));
    const bool full = given == size;
    const auto in_chunk = static_cast<uInt>(std::min<std::uint64_t>(stream.size() - taken, kChunk));
    const auto out_chunk = full ? uInt{1} : static_cast<uInt>(std::min<std::uint64_t>(out.size() - given, kChunk));
    z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(stream.data() + taken));
    z.avail_in = in_chunk;
    z.next_out = reinterpret_cast<Bytef*>(full ? &spare : out.data() + given);
    z.avail_out = out_chunk;
    status = ::inflate(&z, Z_NO_FLUSH);
    if (full && z.avail_out == 0) throw corrupt("the compressed bytes give more than their header says");
    taken += in_chunk - z.avail_in;
    given += full ? 0 : out_chunk - z.avail_out;
  }
  if (status != Z_STREAM_END || given != size) throw corrupt("the compressed bytes are damaged");
  return out;
}

}  // namespace aitune
