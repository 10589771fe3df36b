#include "format/zip_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "format/bytes.h"
#include "format/crc32.h"
#include "format/inflate.h"
#include "format/zip_layout.h"

namespace aitune {

namespace {

using namespace zip;

constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxCommentBytes = 0xffff;
constexpr std::uint64_t kMaxNameBytes = 4096;

std::uint16_t u16(const std::byte* at) { return load_le<std::uint16_t>(at); }
std::uint32_t u32(const std::byte* at) { return load_le<std::uint32_t>(at); }
std::uint64_t u64(const std::byte* at) { return load_le<std::uint64_t>(at); }

// The body of one extra field, or nothing. Damage inside the extra area ends the search.
std::optional<std::span<const std::byte>> find_extra(std::span<const std::byte> extra, std::uint16_t id) {
  while (extra.size() >= 4) {
    const std::uint16_t field = u16(extra.data()), size = u16(extra.data() + 2);
    if (size > extra.size() - 4) return std::nullopt;
    if (field == id) return extra.subspan(4, size);
    extra = extra.subspan(4 + size);
  }
  return std::nullopt;
}

// Replaces each saturated value by the next 64-bit number of the ZIP64 field; false if the field ends too early.
bool widen(std::span<const std::byte> extra, std::span<std::uint64_t* const> values) {
  if (std::none_of(values.begin(), values.end(), [](const std::uint64_t* v) { return *v == kMax32; })) return true;
  auto field = find_extra(extra, kExtraZip64);
  if (!field) return false;
  for (std::uint64_t* const value : values) {
    if (*value != kMax32) continue;
    if (field->size() < 8) return false;
    *value = u64(field->data());
    *field = field->subspan(8);
  }
  return true;
}

}  // namespace

ZipReader::ZipReader(std::span<const std::byte> bytes, std::string where, std::shared_ptr<const void> owner)
    : bytes_(bytes), where_(std::move(where)), owner_(std::move(owner)) {
  read_entries(find_directory());
  check_overlaps();
  index_names();
  find_top();
}

ZipReader::ZipReader(const MappedFile& file) : ZipReader(file.bytes(), file.path(), file.owner()) {}

void ZipReader::corrupt(const std::string& what) const {
  throw Corrupt(what, where_, "the file is damaged or not what its name says; copy or export it again");
}

ZipReader::Directory ZipReader::find_directory() const {
  if (bytes_.size() < kEndBytes) corrupt(fmt::format("not a zip archive: {} bytes are too few", bytes_.size()));
  const std::uint64_t last = bytes_.size() - kEndBytes;
  const std::uint64_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
  for (std::uint64_t at = last + 1; at-- > first;) {
    const std::byte* const end = bytes_.data() + at;
    if (u32(end) != kEndSignature || u16(end + 20) != last - at) continue;
    if (u16(end + 4) != 0 || u16(end + 6) != 0 || u16(end + 8) != u16(end + 10)) {
      throw Unsupported("the zip archive spans several disks", where_);
    }
    Directory found{u32(end + 16), u32(end + 12), u16(end + 10)};
    if (at >= kLocator64Bytes && u32(end - kLocator64Bytes) == kLocator64Signature) {
      found = read_zip64_directory(at - kLocator64Bytes, found);
    }
    if (!fits(found.offset, found.size, at)) corrupt("the zip directory lies outside of the file");
    if (found.count > kMaxEntries || found.count * kCentralBytes > found.size) {
      corrupt(fmt::format("the zip directory of {} bytes claims {} entries", found.size, found.count));
    }
    return found;
  }
  corrupt("not a zip archive, or cut short: it has no end record");
}

ZipReader::Directory ZipReader::read_zip64_directory(std::uint64_t locator, const Directory& small) const {
  const std::uint64_t at = u64(bytes_.data() + locator + 8);
  if (!fits(at, kEnd64Bytes, locator)) corrupt("the ZIP64 end record lies outside of the file");
  const std::byte* const end = bytes_.data() + at;
  if (u32(end) != kEnd64Signature) corrupt("the ZIP64 end record has a wrong signature");
  if (u32(end + 16) != 0 || u32(end + 20) != 0 || u64(end + 24) != u64(end + 32)) {
    throw Unsupported("the zip archive spans several disks", where_);
  }
  const Directory large{u64(end + 48), u64(end + 40), u64(end + 32)};
  if ((small.count != kMax16 && small.count != large.count) || (small.size != kMax32 && small.size != large.size) ||
      (small.offset != kMax32 && small.offset != large.offset)) {
    corrupt("the two end records of the zip archive disagree");
  }
  if (!fits(large.offset, large.size, at)) corrupt("the zip directory lies outside of the file");
  return large;
}

void ZipReader::read_entries(const Directory& directory) {
  entries_.reserve(directory.count);
  std::uint64_t at = directory.offset;
  for (std::uint64_t i = 0; i < directory.count; ++i) at = read_central_header(at, directory);
  if (at != directory.offset + directory.size) corrupt("the zip directory is longer than its entries");
}

std::uint64_t ZipReader::read_central_header(std::uint64_t at, const Directory& directory) {
  const std::uint64_t end = directory.offset + directory.size;
  const std::byte* const header = bytes_.data() + at;
  if (!fits(at, kCentralBytes, end) || u32(header) != kCentralSignature) {
    corrupt(fmt::format("entry {} of the zip directory is damaged", entries_.size()));
  }
  const std::uint64_t name_bytes = u16(header + 28), extra_bytes = u16(header + 30), comment_bytes = u16(header + 32);
  if (!fits(at + kCentralBytes, name_bytes + extra_bytes + comment_bytes, end)) {
    corrupt(fmt::format("entry {} of the zip directory is cut short", entries_.size()));
  }
  ZipEntry entry;
  entry.name = as_text(bytes_.subspan(at + kCentralBytes, name_bytes));
  check_name(entry.name);
  entry.crc = u32(header + 16);
  entry.stored_size = u32(header + 20);
  entry.size = u32(header + 24);
  entry.header_offset = u32(header + 42);
  const std::array<std::uint64_t*, 3> wide{&entry.size, &entry.stored_size, &entry.header_offset};
  if (!widen(bytes_.subspan(at + kCentralBytes + name_bytes, extra_bytes), wide)) {
    corrupt(fmt::format("entry '{}' lacks its ZIP64 sizes", entry.name));
  }
  if (u16(header + 34) != 0) throw Unsupported("the zip archive spans several disks", where_);
  read_local_header(entry, u16(header + 8), u16(header + 10), directory.offset);
  entries_.push_back(std::move(entry));
  return at + kCentralBytes + name_bytes + extra_bytes + comment_bytes;
}

void ZipReader::read_local_header(ZipEntry& entry, std::uint16_t flags, std::uint16_t method, std::uint64_t end) const {
  if ((flags & (kFlagEncrypted | kFlagStrongEncryption | kFlagMasked)) != 0) {
    throw Unsupported(fmt::format("entry '{}' is encrypted", entry.name), where_, "save it without a password");
  }
  if (method != kStored && method != kDeflated) {
    throw Unsupported(fmt::format("entry '{}' uses compression method {}", entry.name, method), where_,
                      "save it stored or deflated");
  }
  entry.deflated = method == kDeflated;
  if (!entry.deflated && entry.size != entry.stored_size) {
    corrupt(
        fmt::format("entry '{}' is stored, yet has two sizes: {} and {}", entry.name, entry.stored_size, entry.size));
  }
  const std::byte* const local = bytes_.data() + entry.header_offset;
  if (!fits(entry.header_offset, kLocalBytes, end) || u32(local) != kLocalSignature) {
    corrupt(fmt::format("entry '{}' does not start where the zip directory says", entry.name));
  }
  const std::uint64_t name_bytes = u16(local + 26), extra_bytes = u16(local + 28);
  const std::uint64_t name_at = entry.header_offset + kLocalBytes;
  if (!fits(name_at, name_bytes + extra_bytes, end)) corrupt(fmt::format("entry '{}' is cut short", entry.name));
  entry.offset = name_at + name_bytes + extra_bytes;
  if (!fits(entry.offset, entry.stored_size, end)) {
    corrupt(fmt::format("entry '{}' of {} bytes runs past the end of the entries", entry.name, entry.stored_size));
  }
  std::uint64_t stored_size = u32(local + 18), size = u32(local + 22);
  const std::array<std::uint64_t*, 2> wide{&size, &stored_size};
  const bool wide_ok = widen(bytes_.subspan(name_at + name_bytes, extra_bytes), wide);
  // A writer that streams leaves the local CRC and sizes empty and repeats them in a descriptor after the data.
  const bool empty = (u16(local + 6) & kFlagDescriptor) != 0 && u32(local + 14) == 0 &&
                     (u32(local + 18) == 0 || u32(local + 18) == kMax32) &&
                     (u32(local + 22) == 0 || u32(local + 22) == kMax32);
  const bool same_sizes =
      wide_ok && stored_size == entry.stored_size && size == entry.size && u32(local + 14) == entry.crc;
  if (as_text(bytes_.subspan(name_at, name_bytes)) != entry.name || u16(local + 8) != method ||
      (u16(local + 6) & kFlagEncrypted) != 0 || (!empty && !same_sizes)) {
    corrupt(fmt::format("the two headers of entry '{}' disagree", entry.name));
  }
}

void ZipReader::check_name(const std::string& name) const {
  const auto bad = [&](std::string_view why) {
    std::string shown;
    for (const char c : name.substr(0, 200)) shown += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
    corrupt(fmt::format("entry '{}' has an unsafe name: {}", shown, why));
  };
  if (name.empty()) bad("it is empty");
  if (name.size() > kMaxNameBytes) bad("it is too long");
  if (name.front() == '/' || (name.size() > 1 && name[1] == ':')) bad("it is absolute");
  for (const char c : name) {
    if (c == '\\') bad("it holds a backslash");
    if (static_cast<unsigned char>(c) < 32 || c == 127) bad("it holds a control character");
  }
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t slash = std::min(name.find('/', start), name.size());
    if (std::string_view(name).substr(start, slash - start) == "..") bad("it leaves its folder");
    start = slash + 1;
  }
}

void ZipReader::check_overlaps() const {
  std::vector<std::size_t> order(entries_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return entries_[a].header_offset < entries_[b].header_offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const ZipEntry &before = entries_[order[i - 1]], &after = entries_[order[i]];
    if (before.offset + before.stored_size > after.header_offset) {
      corrupt(fmt::format("entries '{}' and '{}' overlap", before.name, after.name));
    }
  }
}

void ZipReader::index_names() {
  by_name_.reserve(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!by_name_.emplace(entries_[i].name, i).second) {
      corrupt(fmt::format("two entries are named '{}'", entries_[i].name));
    }
  }
}

void ZipReader::find_top() {
  if (entries_.empty()) return;
  const std::string_view first = entries_.front().name;
  const std::size_t slash = first.find('/');
  if (slash == std::string_view::npos) return;
  const std::string_view folder = first.substr(0, slash + 1);
  if (std::all_of(entries_.begin(), entries_.end(), [&](const ZipEntry& e) { return e.name.starts_with(folder); })) {
    top_ = folder;
  }
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

const ZipEntry* ZipReader::find_in_top(std::string_view name) const { return find(top_ + std::string(name)); }

const ZipEntry& ZipReader::at(std::string_view name) const {
  if (const ZipEntry* const entry = find_in_top(name)) return *entry;
  throw NotFound(fmt::format("the archive has no entry '{}{}'", top_, name), where_);
}

std::span<const std::byte> ZipReader::bytes(const ZipEntry& entry) const {
  if (entry.deflated) {
    throw Unsupported(fmt::format("entry '{}' is compressed, so it cannot be used in place", entry.name), where_,
                      "save the archive without compression, as PyTorch does");
  }
  return bytes_.subspan(entry.offset, entry.stored_size);
}

std::string_view ZipReader::text(const ZipEntry& entry) const { return as_text(bytes(entry)); }

std::vector<std::byte> ZipReader::read(const ZipEntry& entry, std::uint64_t limit) const {
  if (entry.size > limit) {
    corrupt(fmt::format("entry '{}' claims {} bytes, more than the {} allowed here", entry.name, entry.size, limit));
  }
  const auto stored = bytes_.subspan(entry.offset, entry.stored_size);
  if (!entry.deflated) return {stored.begin(), stored.end()};
  const std::string place = fmt::format("{}: {}", where_, entry.name);
  std::vector<std::byte> content = inflate_raw(stored, entry.size, place);
  if (crc32(content) != entry.crc) corrupt(fmt::format("entry '{}' does not match its checksum", entry.name));
  return content;
}

void ZipReader::verify_crc(const ZipEntry& entry) const {
  if (crc32(bytes(entry)) != entry.crc) corrupt(fmt::format("entry '{}' does not match its checksum", entry.name));
}

}  // namespace aitune
