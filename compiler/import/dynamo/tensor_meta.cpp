#include "compiler/import/dynamo/tensor_meta.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/error.h"
#include "compiler/import/dynamo/sympy.h"

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxRank = 64;
constexpr std::int64_t kStridedLayout = 7;

void check_layout(const JsonView& meta) {
  if (const auto layout = meta.find("layout"); layout && layout->integer() != kStridedLayout)
    layout->unsupported(fmt::format("a sparse or otherwise special tensor layout ({})", layout->integer()),
                        "make the tensor dense before exporting");
}

Shape read_numbers(const JsonView& sizes) {
  Shape result;
  for (const JsonView& item : sizes.items()) {
    const auto value = read_size(item).as_constant();
    if (!value) item.corrupt("a symbolic size where a number must be");
    if (*value < 0) item.corrupt(fmt::format("the negative size {}", *value));
    result.push_back(*value);
  }
  if (result.size() > kMaxRank) sizes.corrupt(fmt::format("a tensor of {} dimensions", result.size()));
  return result;
}

}  // namespace

DType read_dtype(const JsonView& number) {
  using enum DType;
  static constexpr std::array<std::optional<DType>, 14> types = {std::nullopt, u8,  i8,           i16, i32,  i64, f16,
                                                                 f32,          f64, std::nullopt, c64, c128, b8,  bf16};
  const std::int64_t value = number.integer();
  if (value <= 0 || value > 100) number.corrupt(fmt::format("no dtype has the number {}", value));
  if (const auto i = static_cast<std::size_t>(value); i < types.size() && types[i]) return *types[i];
  number.unsupported(fmt::format("the dtype with torch.export's number {} (float8, unsigned or half complex)", value),
                     "convert the model to a common dtype before exporting");
}

SymInt read_size(const JsonView& size) {
  const auto [kind, value] = size.tagged();
  if (kind == "as_int") return value.integer();
  if (kind != "as_expr") size.corrupt(fmt::format("\"{}\" where a size must be", printable(kind)));
  const JsonView text = value.at("expr_str");
  try {
    return parse_sympy(text.string());
  } catch (const Corrupt& error) {
    text.corrupt(error.problem());
  } catch (const Unsupported& error) {
    text.unsupported(error.problem());
  }
}

TensorType read_tensor_type(const JsonView& meta) {
  check_layout(meta);
  TensorType type{.dtype = read_dtype(meta.at("dtype")), .shape = {}};
  const JsonView sizes = meta.at("sizes");
  for (const JsonView& size : sizes.items()) {
    type.shape.push_back(read_size(size));
    if (const auto constant = type.shape.back().as_constant(); constant && *constant < 0)
      size.corrupt(fmt::format("the negative size {}", *constant));
  }
  if (type.shape.size() > kMaxRank) sizes.corrupt(fmt::format("a tensor of {} dimensions", type.shape.size()));
  return type;
}

PayloadMeta read_payload_meta(const JsonView& meta) {
  check_layout(meta);
  PayloadMeta result{.dtype = read_dtype(meta.at("dtype")),
                     .sizes = read_numbers(meta.at("sizes")),
                     .strides = read_numbers(meta.at("strides"))};
  if (result.sizes.size() != result.strides.size())
    meta.corrupt(fmt::format("{} sizes and {} strides", result.sizes.size(), result.strides.size()));
  const auto offset = read_size(meta.at("storage_offset")).as_constant();
  if (!offset || *offset < 0) meta.at("storage_offset").corrupt("no number of elements");
  result.offset = *offset;
  return result;
}

}  // namespace aitune::dynamo
