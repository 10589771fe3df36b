// Transposed convolutions as plain ones with a channel for every place between two inputs, which then move into place
// (Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016).

#include <algorithm>

#include "compiler/passes/fuse.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// A transposed convolution along each of its spatial dims: out[o] = sum over i of x[i] w[o + padding - i stride]. With
/// t = o + padding = q stride + r, the place r between inputs is an output channel of a convolution with `taps` taps:
/// full[q, r] = sum over j of x[q - j] w[r + j stride].
struct Axis {
  SymInt size;
  std::int64_t window, stride, padding, extra;
  std::int64_t taps = 1;  ///< of the plain convolution

  SymInt out() const { return (size - 1) * stride - 2 * padding + window + extra; }
  SymInt full() const { return (size + taps - 1) * stride; }
  /// Whether the output ends beyond what the taps give.
  bool is_short() const { return window + extra - padding > taps * stride; }
};

std::optional<std::vector<Axis>> axes_of(const Node& node) {
  const SymShape& shape = operand(node, 0)->type.shape;
  const SymShape& window = operand(node, 1)->type.shape;
  const std::size_t spatial = window.size() - 2;
  if (shape.size() != window.size()) return std::nullopt;
  const auto all = [&](std::size_t i) {
    auto list = node.args.at(i).int_list();
    if (list.size() == 1) list.resize(spatial, list.front());
    return list;
  };
  const auto strides = all(3), padding = all(4), dilation = all(5), extra = all(7);
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < spatial; ++i) {
    if (dilation[i] != 1) return std::nullopt;
    Axis axis{shape[i + 2], window[i + 2].constant(), strides[i], padding[i], extra[i]};
    axis.taps = (axis.window + axis.stride - 1) / axis.stride;
    // What output_padding adds may lie beyond the last tap: one more, of zeros.
    if (axis.is_short()) ++axis.taps;
    if (axis.is_short() || axis.out().as_constant().value_or(1) < 1) return std::nullopt;
    axes.push_back(axis);
  }
  return axes;
}

/// [in, out, window...] as [groups out places..., in, taps...], the taps reversed.
Value* places_kernel(Inserter& insert, Value* weight, const std::vector<Axis>& axes, std::int64_t groups) {
  const std::int64_t inputs = weight->type.shape[0].constant() / groups, outputs = weight->type.shape[1].constant();
  std::vector<std::int64_t> pads, order = {0, 2}, reversed;
  SymShape split = {groups, inputs, outputs};
  std::int64_t channels = groups * outputs;
  for (const Axis& axis : axes) {
    pads.insert(pads.begin(), {0, axis.taps * axis.stride - axis.window});
    split.emplace_back(axis.taps);
    split.emplace_back(axis.stride);
    channels *= axis.stride;
  }
  SymShape merged = {channels, inputs};
  for (std::size_t i = 0; i < axes.size(); ++i) order.push_back(static_cast<std::int64_t>(4 + 2 * i));
  order.push_back(1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    order.push_back(static_cast<std::int64_t>(3 + 2 * i));
    reversed.push_back(static_cast<std::int64_t>(2 + i));
    merged.emplace_back(axes[i].taps);
  }
  Value* padded = insert.call("aten.constant_pad_nd.default", {weight, to_args(pads), 0.0});
  Value* kernel = insert.view(insert.permute(insert.view(padded, split), order), merged);
  return insert.call("aten.flip.default", {kernel, to_args(reversed)});
}

/// [N, out places..., q...] with the places moved between neighbours, cut to what the layer keeps.
Value* into_place(Inserter& insert, Value* full, const std::vector<Axis>& axes) {
  std::int64_t places = 1;
  for (const Axis& axis : axes) places *= axis.stride;
  const SymInt batch = full->type.shape[0];
  const std::int64_t channels = full->type.shape[1].constant() / places;
  SymShape split = {batch, channels}, merged = split;
  std::vector<std::int64_t> order = {0, 1};
  const auto spatial = static_cast<std::int64_t>(axes.size());
  for (const Axis& axis : axes) split.emplace_back(axis.stride);
  for (std::int64_t i = 0; i < spatial; ++i) {
    const Axis& axis = axes[static_cast<std::size_t>(i)];
    split.push_back(axis.size + axis.taps - 1);
    merged.push_back(axis.full());
    order.push_back(2 + spatial + i);
    order.push_back(2 + i);
  }
  Value* result = insert.view(insert.permute(insert.view(full, split), order), merged);
  for (std::int64_t i = 0; i < spatial; ++i) {
    const Axis& axis = axes[static_cast<std::size_t>(i)];
    result = insert.slice(result, 2 + i, axis.padding, axis.padding + axis.out());
  }
  return result;
}

Replacement plain_convolution(Inserter& insert, Node& node) {
  if (!is_op(node, "aten.convolution.default") || !node.args.at(6).boolean()) return std::nullopt;
  Value* weight = operand(node, 1);
  if (!is_weight(weight) || !is_floating(weight->type.dtype)) return std::nullopt;
  const auto axes = axes_of(node);
  if (!axes) return std::nullopt;
  const std::int64_t groups = node.args.at(8).integer();
  std::vector<std::int64_t> ones(axes->size(), 1), none(axes->size(), 0), around;
  for (const Axis& axis : *axes) around.push_back(axis.taps - 1);
  Value* full = insert.call("aten.convolution.default",
                            {node.args[0], places_kernel(insert, weight, *axes, groups), None{}, to_args(ones),
                             to_args(around), to_args(ones), false, to_args(none), SymInt(groups)});
  Value* result = into_place(insert, full, *axes);
  if (!node.args[2].is_none()) {
    SymShape by_channel(axes->size() + 1, SymInt(1));
    by_channel[0] = operand(node, 2)->type.shape[0];
    result = insert.call("aten.add.Tensor", {result, insert.view(operand(node, 2), by_channel)});
  }
  return {{result}};
}

}  // namespace

void untranspose_convolutions(Graph& graph, const PassContext&) { rewrite(graph, plain_convolution); }

}  // namespace aitune
