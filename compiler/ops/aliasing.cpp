#include "compiler/ops/aliasing.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "compiler/ops/schema.h"

namespace aitune {
namespace {

template <std::size_t N>
bool contains(const std::array<OpId, N>& ids, OpId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

using enum OpId;

constexpr auto kDropouts = std::to_array<OpId>(
    {aten_dropout_default, aten_dropout__default, aten_native_dropout_default, aten_feature_dropout_default,
     aten_feature_dropout__default, aten_alpha_dropout_default, aten_alpha_dropout__default,
     aten_feature_alpha_dropout_default, aten_feature_alpha_dropout__default});

constexpr auto kShapeOnly =
    std::to_array<OpId>({aten_squeeze__default, aten_squeeze__dim, aten_squeeze__dims, aten_unsqueeze__default,
                         aten_transpose__default, aten_t__default, aten_swapdims__default, aten_swapaxes__default});

/// In-place operators whose functional form has another name; pow.Scalar raises a number to the power of a tensor.
constexpr auto kOtherNames = std::to_array<std::pair<OpId, OpId>>({
    {aten___iand___Tensor, aten_bitwise_and_Tensor},
    {aten___ior___Tensor, aten_bitwise_or_Tensor},
    {aten_normal__default, aten_normal_functional_default},
    {aten_bernoulli__float, aten_bernoulli_p},
    {aten_pow__Scalar, aten_pow_Tensor_Scalar},
    {aten_float_power__Scalar, aten_float_power_Tensor_Scalar},
    {aten_float_power__Tensor, aten_float_power_Tensor_Tensor},
    {aten_floor_divide__Tensor, aten_floor_divide_default},
    {aten_ldexp__default, aten_ldexp_Tensor},
    {aten_transpose__default, aten_transpose_int},
});

/// Schemas that promise a view or nothing, where PyTorch hands the operand back.
constexpr auto kSame =
    std::to_array<OpId>({aten_alias_default, aten_detach_default, aten_lift_default, aten_lift_fresh_default,
                         aten_positive_default, aten_resolve_conj_default, aten_resolve_neg_default});

/// The operand itself if the dtype stays.
constexpr auto kCasts =
    std::to_array<OpId>({aten_to_dtype, aten_to_device, aten_to_dtype_layout, aten_to_other, aten_type_as_default});

/// Views whose schemas do not say so.
constexpr auto kViews = std::to_array<OpId>({aten__unsafe_view_default, aten_unsafe_split_Tensor,
                                             aten_unsafe_split_with_sizes_default, aten_unsafe_chunk_default});
constexpr auto kViewsOfEach =
    std::to_array<OpId>({aten_broadcast_tensors_default, aten_meshgrid_default, aten_meshgrid_indexing});

constexpr auto kMaybe = std::to_array<OpId>({aten_reshape_default, aten_reshape_as_default, aten_flatten_using_ints,
                                             aten_contiguous_default, aten_einsum_default, aten_ravel_default});

constexpr auto kAddressesMemory =
    std::to_array<OpId>({aten_as_strided_default, aten_as_strided_copy_default, aten_as_strided_scatter_default});

/// Results in an order of their own, or in that of one operand's strides.
constexpr auto kOtherOrder = std::to_array<OpId>(
    {aten_scaled_dot_product_attention_default, aten_matmul_default, aten_index_Tensor,
     aten__scaled_dot_product_flash_attention_for_cpu_default, aten_repeat_interleave_self_int, aten_as_strided_default,
     aten_empty_strided_default, aten_new_empty_strided_default, aten_empty_permuted_default});

/// "-> Tensor(a)", "-> Tensor(a)[]"
bool result_is_view(const OpInfo& op) { return op.schema.find("(a", op.schema.rfind("->")) != std::string::npos; }

bool flag(const Node& node, std::string_view name) {
  const auto it = std::ranges::find(node.op->args, name, &SchemaArg::name);
  if (it == node.op->args.end()) return false;
  const Arg& arg = node.args.at(static_cast<std::size_t>(it - node.op->args.begin()));
  return !arg.is_none() && arg.boolean();
}

bool changes_format(const Node& node) {
  return std::ranges::any_of(node.args, [](const Arg& arg) {
    const auto* format = std::get_if<MemoryFormat>(&arg);
    return format != nullptr && *format != MemoryFormat::contiguous && *format != MemoryFormat::preserve;
  });
}

Value* first_operand(const Node& node, std::size_t output) {
  if (node.args.empty()) return nullptr;
  const Arg& first = node.args[0];
  if (first.is_value()) return first.value();
  return first.is_list() && output < first.list().size() && first.list()[output].is_value()
             ? first.list()[output].value()
             : nullptr;
}

}  // namespace

const OpInfo* functional_form(const OpInfo& op) {
  const auto other = std::ranges::find(kOtherNames, op.id, &std::pair<OpId, OpId>::first);
  if (other != kOtherNames.end()) return &op_info(other->second);
  const std::size_t dot = op.name.find('.', op.name.find('.') + 1);
  if (dot == std::string::npos || dot == 0 || op.name[dot - 1] != '_') return nullptr;
  return find_op(op.name.substr(0, dot - 1) + op.name.substr(dot));
}

bool changes_only_shape(const OpInfo& op) { return contains(kShapeOnly, op.id); }

bool is_dropout(const Node& node) { return contains(kDropouts, node.op->id); }

Alias alias_of(const Node& node, std::size_t output) {
  const OpId id = node.op->id;
  Value* operand = first_operand(node, output);
  if (operand == nullptr) return {};
  if (node.op->is_inplace() || contains(kSame, id)) return {Aliasing::same, operand};
  if (is_dropout(node)) return output == 0 && !flag(node, "train") ? Alias{Aliasing::same, operand} : Alias{};
  if (contains(kCasts, id)) {
    const bool copies = operand->type.dtype != node.outputs[0]->type.dtype || flag(node, "copy");
    if (copies) return {};
    return {changes_format(node) ? Aliasing::maybe : Aliasing::same, operand};
  }
  if (contains(kMaybe, id)) return {Aliasing::maybe, operand};
  if (contains(kViews, id) || contains(kViewsOfEach, id) || result_is_view(*node.op)) return {Aliasing::view, operand};
  return {};
}

bool addresses_memory(const OpInfo& op) { return contains(kAddressesMemory, op.id); }

bool keeps_row_major(const Node& node) { return !contains(kOtherOrder, node.op->id) && !changes_format(node); }

}  // namespace aitune
