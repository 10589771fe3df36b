#include "format/zip_writer.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "format/bytes.h"
#include "format/crc32.h"
#include "format/zip_layout.h"

namespace aitune {

namespace {

using namespace zip;

constexpr std::uint16_t kVersionPlain = 20, kVersionZip64 = 45;
constexpr std::uint16_t kMadeBy = 45;
constexpr std::uint16_t kDosTime = 0;
constexpr std::uint16_t kDosDate = (0 << 9) | (1 << 5) | 1;  // 1980-01-01, the first day that zip knows

// Fields of one record in order.
class Record {
 public:
  template <typename... Values>
  explicit Record(Values... values) {
    (append(values), ...);
  }
  template <typename T>
  void append(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    store_le(bytes_.data() + at, value);
  }
  void append_text(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void append_padding(std::size_t count) { bytes_.resize(bytes_.size() + count, std::byte{'Z'}); }
  std::size_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

constexpr std::uint16_t u16(std::uint64_t value) { return static_cast<std::uint16_t>(value); }
constexpr std::uint32_t saturate32(std::uint64_t value) {
  return value >= kMax32 ? kMax32 : static_cast<std::uint32_t>(value);
}

}  // namespace

bool is_entry_name(std::string_view name) {
  if (name.empty() || name.size() > 4000 || name.front() == '/' || name.back() == '/') return false;
  if (name.size() > 1 && name[1] == ':') return false;
  for (const char c : name) {
    if (c == '\\' || static_cast<unsigned char>(c) < 32 || c == 127) return false;
  }
  const std::string framed = fmt::format("/{}/", name);
  return framed.find("/../") == std::string::npos && framed.find("//") == std::string::npos;
}

ZipWriter::ZipWriter(ByteSink& sink, std::string_view top) : sink_(sink), top_(top) {
  if (!top_.empty()) top_ += '/';
}

void ZipWriter::add(std::string_view name, std::span<const std::byte> content) {
  add(name, std::span<const std::span<const std::byte>>(&content, 1));
}

void ZipWriter::add(std::string_view name, std::string_view content) {
  add(name, std::as_bytes(std::span(content.data(), content.size())));
}

void ZipWriter::add(std::string_view name, std::span<const std::span<const std::byte>> pieces) {
  if (finished_) throw InternalError("entry added to a finished zip archive", std::string(name));
  Written entry{top_ + std::string(name), written_, 0, 0};
  if (!is_entry_name(entry.name)) {
    throw InvalidArgument(fmt::format("'{}' cannot be the name of an entry", entry.name), {},
                          "use a relative path with forward slashes");
  }
  if (!names_.insert(entry.name).second) throw InvalidArgument(fmt::format("two entries are named '{}'", entry.name));
  for (const auto piece : pieces) {
    entry.size += piece.size();
    entry.crc = crc32(piece, entry.crc);
  }
  put_local_header(entry);
  for (const auto piece : pieces) put(piece);
  entries_.push_back(std::move(entry));
}

void ZipWriter::put_local_header(const Written& entry) {
  const bool wide = entry.size >= kMax32;
  const std::uint64_t wide_bytes = wide ? 20 : 0;
  const std::uint64_t unpadded = written_ + kLocalBytes + entry.name.size() + wide_bytes + 4;
  const std::uint64_t padding = align_up(unpadded, kAlignment) - unpadded;
  Record header(kLocalSignature, wide ? kVersionZip64 : kVersionPlain, kFlagUtf8, kStored, kDosTime, kDosDate,
                entry.crc, saturate32(entry.size), saturate32(entry.size), u16(entry.name.size()),
                u16(wide_bytes + 4 + padding));
  header.append_text(entry.name);
  if (wide) {
    header.append(kExtraZip64);
    header.append(u16(16));
    header.append(entry.size);
    header.append(entry.size);
  }
  header.append(kExtraPadding);
  header.append(u16(padding));
  header.append_padding(padding);
  put(header.bytes());
}

void ZipWriter::put_central_header(const Written& entry) {
  Record extra;
  if (entry.size >= kMax32) {
    extra.append(entry.size);
    extra.append(entry.size);
  }
  if (entry.offset >= kMax32) extra.append(entry.offset);
  const bool wide = extra.size() > 0;
  Record header(kCentralSignature, kMadeBy, wide ? kVersionZip64 : kVersionPlain, kFlagUtf8, kStored, kDosTime,
                kDosDate, entry.crc, saturate32(entry.size), saturate32(entry.size), u16(entry.name.size()),
                u16(wide ? extra.size() + 4 : 0), std::uint16_t{0}, std::uint16_t{0}, std::uint16_t{0},
                std::uint32_t{0}, saturate32(entry.offset));
  header.append_text(entry.name);
  put(header.bytes());
  if (!wide) return;
  put(Record(kExtraZip64, u16(extra.size())).bytes());
  put(extra.bytes());
}

void ZipWriter::finish() {
  if (finished_) throw InternalError("zip archive finished twice");
  finished_ = true;
  const std::uint64_t directory_offset = written_;
  for (const Written& entry : entries_) put_central_header(entry);
  put_end(directory_offset);
}

void ZipWriter::put_end(std::uint64_t directory_offset) {
  const std::uint64_t end_offset = written_, directory_size = end_offset - directory_offset;
  const std::uint64_t count = entries_.size();
  if (count >= kMax16 || directory_size >= kMax32 || directory_offset >= kMax32) {
    put(Record(kEnd64Signature, kEnd64Bytes - 12, kMadeBy, kVersionZip64, std::uint32_t{0}, std::uint32_t{0}, count,
               count, directory_size, directory_offset)
            .bytes());
    put(Record(kLocator64Signature, std::uint32_t{0}, end_offset, std::uint32_t{1}).bytes());
  }
  const std::uint16_t small_count = count >= kMax16 ? kMax16 : u16(count);
  put(Record(kEndSignature, std::uint16_t{0}, std::uint16_t{0}, small_count, small_count, saturate32(directory_size),
             saturate32(directory_offset), std::uint16_t{0})
          .bytes());
}

void ZipWriter::put(std::span<const std::byte> bytes) {
  sink_.write(bytes);
  written_ += bytes.size();
}

}  // namespace aitune
