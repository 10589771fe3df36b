#include "format/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/error.h"
#include "format/bytes.h"
#include "format/tensor_bytes.h"

namespace aitune {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeaderBytes = 1 << 16;

struct DescrRow {
  DType dtype;
  std::string_view descr;
};
constexpr DescrRow kDescr[] = {
    {DType::u8, "|u1"},  {DType::i8, "|i1"},    {DType::i16, "<i2"}, {DType::i32, "<i4"},
    {DType::i64, "<i8"}, {DType::f16, "<f2"},   {DType::f32, "<f4"}, {DType::f64, "<f8"},
    {DType::c64, "<c8"}, {DType::c128, "<c16"}, {DType::b8, "|b1"},  {DType::bf16, "<V2"},
};

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

// Parses the Python dictionary literal of the header: exactly the keys descr, fortran_order and shape.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  Header parse() {
    Header header;
    bool seen[3] = {};
    expect('{');
    while (!take('}')) {
      const std::string key = string();
      expect(':');
      const int index = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (index < 0 || std::exchange(seen[index], true)) fail(fmt::format("unexpected key '{}'", key));
      if (index == 0) header.descr = descr();
      if (index == 1) header.fortran_order = boolean();
      if (index == 2) header.shape = shape();
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("something follows the dictionary");
    if (!seen[0] || !seen[1] || !seen[2]) fail("descr, fortran_order or shape is missing");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Corrupt(fmt::format("the .npy header is damaged at byte {}: {}", at_, what), std::string(where_));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(fmt::format("'{}' is missing", c));
  }
  std::string string() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') fail("a string is missing");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a string has no end");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  std::string descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      throw Unsupported("the array holds records (a structured dtype)", std::string(where_),
                        "save each field by itself");
    }
    return string();
  }
  bool boolean() {
    skip_space();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("True or False is missing");
  }
  Shape shape() {
    Shape sizes;
    expect('(');
    while (!take(')')) {
      if (sizes.size() == kMaxFileDims) fail("too many dimensions");
      sizes.push_back(integer());
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }
  std::int64_t integer() {
    skip_space();
    std::int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) fail("a size is not a number that fits");
    at_ += static_cast<std::size_t>(end - begin);
    take('L');  // Python 2 wrote long integers so
    return value;
  }

  std::string_view text_, where_;
  std::size_t at_ = 0;
};

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, 40));
  std::replace_if(shown.begin(), shown.end(), [](char c) { return c < 32 || c > 126; }, '?');
  return shown;
}

DType parse_descr(std::string_view descr, std::string_view where) {
  const std::string place(where);
  if (descr.size() < 2) throw Corrupt("the .npy header has an empty dtype", place);
  const char order = descr[0];
  std::string_view kind = descr;
  if (order == '<' || order == '|' || order == '=' || order == '>') kind.remove_prefix(1);
  const bool one_byte = kind == "u1" || kind == "i1" || kind == "b1";
  if (kind.starts_with('O')) {
    throw Unsupported("the array holds Python objects, which only pickle could read", place,
                      "save it with a numeric dtype, such as array.astype('float32')");
  }
  if (order == '>' && !one_byte) {
    throw Unsupported("the array is big-endian", place, "save array.astype(array.dtype.newbyteorder('<'))");
  }
  for (const DescrRow& row : kDescr) {
    if (kind == row.descr.substr(1)) return row.dtype;
  }
  throw Unsupported(fmt::format("the array has dtype '{}', which aitune does not have", printable(descr)), place,
                    "convert it, for example to float32 or int64");
}

Tensor from_fortran_order(DType dtype, const Shape& shape, std::span<const std::byte> data, std::string_view where) {
  const Shape reversed(shape.rbegin(), shape.rend());
  const Tensor transposed = tensor_from_bytes(dtype, reversed, data, nullptr, where);
  Shape strides(transposed.strides().rbegin(), transposed.strides().rend());
  return Tensor(dtype, shape, std::move(strides), transposed.owner(), transposed.data()).clone();
}

}  // namespace

Tensor read_npy(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner, std::string_view where) {
  const std::string place(where);
  if (bytes.size() < 10 || as_text(bytes).substr(0, kMagic.size()) != kMagic) {
    throw Corrupt("not a .npy file: its first bytes are not \\x93NUMPY", place);
  }
  const auto major = std::to_integer<unsigned>(bytes[6]);
  if (major < 1 || major > 3) {
    throw Unsupported(fmt::format("version {} of .npy is not known", major), place, "save it with numpy.save");
  }
  const std::size_t prefix = major == 1 ? 10 : 12;
  if (bytes.size() < prefix) throw Corrupt("the .npy header is cut short", place);
  const std::size_t length =
      major == 1 ? load_le<std::uint16_t>(bytes.data() + 8) : load_le<std::uint32_t>(bytes.data() + 8);
  if (length > kMaxHeaderBytes || !fits(prefix, length, bytes.size())) {
    throw Corrupt(fmt::format("the .npy header claims {} bytes", length), place);
  }
  const Header header = HeaderParser(as_text(bytes.subspan(prefix, length)), where).parse();
  const DType dtype = parse_descr(header.descr, where);
  const auto data = bytes.subspan(prefix + length);
  if (header.fortran_order && header.shape.size() > 1) return from_fortran_order(dtype, header.shape, data, where);
  return tensor_from_bytes(dtype, header.shape, data, owner, where);
}

std::string npy_header(DType dtype, std::span<const std::int64_t> shape) {
  const auto* const row =
      std::find_if(std::begin(kDescr), std::end(kDescr), [&](const DescrRow& r) { return r.dtype == dtype; });
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", row->descr,
                                 fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const std::size_t total = align_up(10 + dict.size() + 1, 64);
  dict.append(total - 10 - dict.size() - 1, ' ');
  dict += '\n';
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

void write_npy(ByteSink& sink, const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  sink.write(npy_header(flat.dtype(), flat.shape()));
  sink.write(contiguous_bytes(flat));
}

}  // namespace aitune
