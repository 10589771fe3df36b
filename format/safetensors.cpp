#include "format/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>

#include "base/error.h"
#include "format/bytes.h"
#include "format/tensor_bytes.h"

namespace aitune {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;  // the reference implementation's limit
constexpr std::string_view kMetadata = "__metadata__";
constexpr int kMaxHeaderDepth = 8;

struct NameRow {
  DType dtype;
  std::string_view name;
};
constexpr NameRow kNames[] = {
    {DType::f64, "F64"}, {DType::f32, "F32"}, {DType::f16, "F16"}, {DType::bf16, "BF16"},
    {DType::i64, "I64"}, {DType::i32, "I32"}, {DType::i16, "I16"}, {DType::i8, "I8"},
    {DType::u8, "U8"},   {DType::b8, "BOOL"}, {DType::c64, "C64"},
};

struct Item {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin, end;
};

Json parse_header(std::string_view text, const std::string& where) {
  std::set<std::string> keys;
  bool twice = false, deep = false;
  const auto callback = [&](int depth, Json::parse_event_t event, Json& value) {
    deep = deep || depth > kMaxHeaderDepth;
    if (event == Json::parse_event_t::key && depth == 1) {
      twice = twice || !keys.insert(value.get_ref<const std::string&>()).second;
    }
    return !deep;
  };
  const Json header = Json::parse(text, callback, /*allow_exceptions=*/false);
  if (header.is_discarded() || !header.is_object() || deep) {
    throw Corrupt("the header of the .safetensors is not the JSON that it should be", where);
  }
  if (twice) throw Corrupt("two tensors of the .safetensors have one name", where);
  return header;
}

DType parse_dtype_name(const Json& value, const std::string& where) {
  if (!value.is_string()) throw Corrupt("a tensor has no dtype", where);
  const auto& name = value.get_ref<const std::string&>();
  for (const NameRow& row : kNames) {
    if (row.name == name) return row.dtype;
  }
  throw Unsupported(fmt::format("dtype {} is not one that aitune has", name.substr(0, 20)), where,
                    "convert the tensor, for example to float32");
}

template <typename T>
std::vector<T> parse_numbers(const Json& value, std::size_t limit, const std::string& where) {
  if (!value.is_array() || value.size() > limit) throw Corrupt("a shape or offset is not a short list", where);
  std::vector<T> numbers;
  for (const Json& number : value) {
    if (!number.is_number_unsigned() || number.get<std::uint64_t>() > INT64_MAX) {
      throw Corrupt("a size or offset is not a whole number", where);
    }
    numbers.push_back(number.get<T>());
  }
  return numbers;
}

Item parse_item(const std::string& name, const Json& value, std::string_view file) {
  const std::string where = fmt::format("{}: {}", file, name.substr(0, 200));
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets")) {
    throw Corrupt("a tensor lacks dtype, shape or data_offsets", where);
  }
  Item item{name, parse_dtype_name(value["dtype"], where),
            parse_numbers<std::int64_t>(value["shape"], kMaxFileDims, where), 0, 0};
  const auto offsets = parse_numbers<std::uint64_t>(value["data_offsets"], 2, where);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) throw Corrupt("data_offsets are not a begin and an end", where);
  item.begin = offsets[0];
  item.end = offsets[1];
  return item;
}

std::string_view dtype_text(const std::string& tensor, DType dtype) {
  for (const NameRow& row : kNames) {
    if (row.dtype == dtype) return row.name;
  }
  throw Unsupported(fmt::format("tensor '{}' is {}, which .safetensors cannot hold", tensor, dtype_name(dtype)), {},
                    "save it as .npz");
}

std::string dump_header(const nlohmann::ordered_json& header) {
  try {
    return header.dump();
  } catch (const nlohmann::json::exception&) {
    throw InvalidArgument("the name of a tensor is not UTF-8, which .safetensors needs", {}, "rename the tensor");
  }
}

}  // namespace

NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                              std::string_view where) {
  const std::string place(where);
  if (bytes.size() < 8) throw Corrupt("not a .safetensors file: it is too short", place);
  const auto length = load_le<std::uint64_t>(bytes.data());
  if (length > kMaxSafetensorsHeader || !fits(8, length, bytes.size())) {
    throw Corrupt(fmt::format("not a .safetensors file, or cut short: its header claims {} bytes", length), place);
  }
  const Json header = parse_header(as_text(bytes.subspan(8, length)), place);
  const auto data = bytes.subspan(8 + length);
  std::vector<Item> items;
  for (const auto& [name, value] : header.items()) {
    if (name != kMetadata) items.push_back(parse_item(name, value, where));
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  NamedTensors tensors;
  std::uint64_t at = 0;
  for (Item& item : items) {
    if (item.begin != at || !fits(item.begin, item.end - item.begin, data.size())) {
      throw Corrupt(fmt::format("tensor '{}' overlaps another, leaves a hole or lies outside of the file", item.name),
                    place, "the file is damaged or cut short; write it again");
    }
    at = item.end;
    const std::string tensor_place = fmt::format("{}: {}", where, item.name);
    tensors.emplace_back(
        item.name, tensor_from_bytes(item.dtype, std::move(item.shape), data.subspan(item.begin, item.end - item.begin),
                                     owner, tensor_place));
  }
  if (at != data.size()) throw Corrupt("bytes follow the last tensor of the .safetensors", place);
  return tensors;
}

void write_safetensors(ByteSink& sink, std::span<const std::pair<std::string, Tensor>> tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const std::size_t size_a = dtype_size(tensors[a].second.dtype()), size_b = dtype_size(tensors[b].second.dtype());
    return size_a != size_b ? size_a > size_b : a < b;
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::uint64_t at = 0;
  for (const std::size_t i : order) {
    const auto& [name, tensor] = tensors[i];
    if (name == kMetadata) throw InvalidArgument(fmt::format("a tensor may not be named '{}'", name));
    if (header.contains(name)) throw InvalidArgument(fmt::format("two tensors are named '{}'", name));
    const std::uint64_t end = at + tensor.byte_size();
    header[name] = {
        {"dtype", dtype_text(name, tensor.dtype())}, {"shape", tensor.shape()}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = dump_header(header);
  text.append(align_up(text.size(), 8) - text.size(), ' ');
  const std::uint64_t length = text.size();
  sink.write(std::as_bytes(std::span(&length, 1)));
  sink.write(text);
  for (const std::size_t i : order) sink.write(contiguous_bytes(tensors[i].second.contiguous()));
}

}  // namespace aitune
