#include "compiler/import/pickle/torch_storage.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "format/tensor_bytes.h"

namespace aitune {

namespace {

// Copying a tensor that repeats its storage more than this would be a memory bomb.
constexpr std::uint64_t kFreeBytes = std::uint64_t{1} << 30;

struct StorageRow {
  DType dtype;
  std::string_view name;
};
constexpr StorageRow kStorages[] = {
    {DType::f64, "torch.DoubleStorage"},       {DType::f32, "torch.FloatStorage"},
    {DType::f16, "torch.HalfStorage"},         {DType::bf16, "torch.BFloat16Storage"},
    {DType::i64, "torch.LongStorage"},         {DType::i32, "torch.IntStorage"},
    {DType::i16, "torch.ShortStorage"},        {DType::i8, "torch.CharStorage"},
    {DType::u8, "torch.ByteStorage"},          {DType::b8, "torch.BoolStorage"},
    {DType::c64, "torch.ComplexFloatStorage"}, {DType::c128, "torch.ComplexDoubleStorage"},
};

struct RebuildRow {
  std::string_view name;
  std::size_t min_arguments;
};
// storage, offset, size, stride, requires_grad, hooks, ...
constexpr RebuildRow kRebuilds[] = {
    {"torch._utils._rebuild_tensor", 4},
    {"torch._utils._rebuild_tensor_v2", 6},
    {"torch._utils._rebuild_tensor_v3", 7},  // and the dtype, over an untyped storage
};
constexpr std::size_t kGradientArgument = 4;
constexpr std::size_t kDtypeArgument = 6;

[[noreturn]] void refuse_quantised_tensor(std::string_view where) {
  throw Unsupported(
      "a tensor of PyTorch's old quantisation (torch.quantize_per_tensor and its kin), which aitune does not have",
      std::string(where), std::string(kQuantisationFix));
}

// Tensors that are recognised for a message of their own.
struct RefusedRow {
  std::string_view name;
  void (*refuse)(std::string_view where);
};
constexpr RefusedRow kRefused[] = {
    {"torch._utils._rebuild_meta_tensor_no_storage", refuse_meta_tensor},
    {"torch._utils._rebuild_qtensor", refuse_quantised_tensor},
};

const RefusedRow* refused_row(const PickleValue& value) {
  const auto* const row = std::find_if(std::begin(kRefused), std::end(kRefused),
                                       [&](const RefusedRow& r) { return value.is_call(r.name); });
  return row == std::end(kRefused) ? nullptr : row;
}

bool is_rebuild(const PickleValue& value) {
  return value.is(PickleKind::call) && std::any_of(std::begin(kRebuilds), std::end(kRebuilds),
                                                   [&](const RebuildRow& row) { return value.text == row.name; });
}

bool is_parameter(const PickleValue& value) {
  return (value.is_call("torch._utils._rebuild_parameter") ||
          value.is_call("torch._utils._rebuild_parameter_with_state") ||
          value.is_call("torch.nn.parameter.Parameter")) &&
         !value.items.empty();
}

// One step from a wrapper to what it wraps; null for anything else. _rebuild_from_type_v2(rebuild, type, arguments,
// state) is a call in data form, so that one is handled by its reader.
const PickleValue* unwrap(const PickleValue& value) { return is_parameter(value) ? value.items[0] : nullptr; }

bool is_typed_rebuild(const PickleValue& value) {
  return value.is_call("torch._tensor._rebuild_from_type_v2") && value.items.size() == 4 &&
         value.items[0]->is(PickleKind::global) && value.items[2]->is(PickleKind::tuple);
}

Shape read_sizes(const PickleValue& value, std::string_view what, std::string_view where) {
  const PickleValue* list = &value;
  if (value.is_call("torch.Size") && value.items.size() == 1) list = value.items[0];
  if (!list->is(PickleKind::tuple) && !list->is(PickleKind::list)) {
    throw Corrupt(fmt::format("a tensor's {} is not a tuple", what), std::string(where));
  }
  if (list->items.size() > kMaxFileDims) {
    throw Unsupported(fmt::format("a tensor has {} dimensions", list->items.size()), std::string(where));
  }
  Shape sizes;
  for (const PickleValue* const item : list->items) {
    if (!item->is(PickleKind::integer) || item->integer < 0) {
      throw Corrupt(fmt::format("a tensor's {} has an entry that is not a whole number", what), std::string(where));
    }
    sizes.push_back(item->integer);
  }
  return sizes;
}

DType read_dtype(const PickleValue& rebuild, std::span<const PickleValue* const> arguments, const PickleValue& type,
                 std::string_view where) {
  const bool third = rebuild.text == "torch._utils._rebuild_tensor_v3";
  const PickleValue& named = third ? *arguments[kDtypeArgument] : type;
  if (!named.is(PickleKind::global)) throw Corrupt("a tensor's element type is not a name", std::string(where));
  const auto dtype = third ? parse_dtype(named.text) : storage_dtype(named.text);
  if (dtype) return *dtype;
  throw Unsupported(fmt::format("a tensor of {} elements, which aitune does not have", named.text.substr(0, 100)),
                    std::string(where), "convert it, for example to float32 or int64");
}

TensorRecord read_rebuild(const PickleValue& rebuild, std::span<const PickleValue* const> arguments,
                          std::string_view where) {
  const std::string place(where);
  const auto* const row = std::find_if(std::begin(kRebuilds), std::end(kRebuilds),
                                       [&](const RebuildRow& r) { return rebuild.text == r.name; });
  if (row == std::end(kRebuilds)) {
    throw Unsupported(fmt::format("a tensor made by {}", rebuild.text.substr(0, 100)), place,
                      "save plain dense tensors");
  }
  if (arguments.size() < row->min_arguments) throw Corrupt("a tensor lacks some of its description", place);
  const PickleValue& storage = *arguments[0];
  if (storage.is(PickleKind::persistent) && storage.items[0]->is(PickleKind::string)) {
    throw Unsupported("the file was saved with pickle protocol 0, which cannot name storages", place,
                      "save with pickle_protocol=2");
  }
  if (!storage.is(PickleKind::persistent) || !storage.items[0]->is(PickleKind::tuple) ||
      storage.items[0]->items.size() < 2) {
    throw Corrupt("a tensor has no storage", place);
  }
  TensorRecord record;
  record.storage = &storage;
  record.dtype = read_dtype(rebuild, arguments, *storage.items[0]->items[1], where);
  if (!arguments[1]->is(PickleKind::integer) || arguments[1]->integer < 0) {
    throw Corrupt("a tensor's offset is not a whole number", place);
  }
  record.offset = arguments[1]->integer;
  record.requires_grad = arguments.size() > kGradientArgument && arguments[kGradientArgument]->boolean;
  record.shape = read_sizes(*arguments[2], "shape", where);
  record.strides = read_sizes(*arguments[3], "strides", where);
  if (record.shape.size() != record.strides.size()) {
    throw Corrupt(fmt::format("a tensor has {} sizes, but {} strides", record.shape.size(), record.strides.size()),
                  place);
  }
  return record;
}

}  // namespace

std::optional<DType> storage_dtype(std::string_view global) noexcept {
  for (const StorageRow& row : kStorages) {
    if (row.name == global) return row.dtype;
  }
  return std::nullopt;
}

std::string_view storage_name(DType dtype) noexcept {
  for (const StorageRow& row : kStorages) {
    if (row.dtype == dtype) return row.name;
  }
  return {};
}

bool is_tensor_record(const PickleValue& value) noexcept {
  const PickleValue* at = &value;
  while (const PickleValue* const inner = unwrap(*at)) at = inner;
  return is_rebuild(*at) || is_typed_rebuild(*at) || refused_row(*at) != nullptr;
}

TensorRecord read_tensor_record(const PickleValue& value, std::string_view where) {
  const PickleValue* at = &value;
  while (const PickleValue* const inner = unwrap(*at)) at = inner;
  if (const RefusedRow* const row = refused_row(*at)) row->refuse(where);
  if (is_typed_rebuild(*at)) return read_rebuild(*at->items[0], at->items[2]->items, where);
  if (is_rebuild(*at)) return read_rebuild(*at, at->items, where);
  throw Corrupt(fmt::format("the value made at offset {} is not a tensor", at->offset), std::string(where));
}

void refuse_meta_tensor(std::string_view where) {
  throw Unsupported("the tensor is on the meta device and has no values", std::string(where),
                    "load its values before saving: model.to_empty(device=\"cpu\"), then load_state_dict");
}

void check_tensor_bounds(const TensorRecord& record, std::uint64_t storage_bytes, std::string_view where) {
  const std::string place(where);
  const auto item = static_cast<std::int64_t>(dtype_size(record.dtype));
  const auto outside = [&] {
    throw Corrupt(fmt::format("{} at offset {} lies outside of its storage of {} bytes",
                              describe(record.dtype, record.shape), record.offset, storage_bytes),
                  place, "the file is damaged; save it again");
  };
  const auto bytes = tensor_bytes(record.dtype, record.shape);
  if (!bytes) throw Corrupt("a tensor's shape is too large", place);
  if (*bytes == 0) return;
  std::int64_t last = record.offset;
  for (std::size_t d = 0; d < record.shape.size(); ++d) {
    std::int64_t step = 0;
    if (__builtin_mul_overflow(record.shape[d] - 1, record.strides[d], &step)) outside();
    if (__builtin_add_overflow(last, step, &last)) outside();
  }
  if (static_cast<std::uint64_t>(last) >= storage_bytes / static_cast<std::uint64_t>(item)) outside();
  if (*bytes > std::max(kFreeBytes, 16 * storage_bytes)) {
    throw Unsupported(
        fmt::format("{} repeats a storage of {} bytes", describe(record.dtype, record.shape), storage_bytes), place,
        "make the tensor contiguous before saving");
  }
}

}  // namespace aitune
