// Convolutions.

#include <fmt/format.h>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

struct Geometry {
  bool transposed = false;
  SymShape stride, padding_total, dilation, output_padding;  // one for each spatial dimension
};

/// A list of one element stands for all spatial dimensions.
SymShape spread(const Call& call, SymShape list, std::size_t n, std::string_view name) {
  if (list.size() == 1 && n > 1) list.resize(n, list[0]);
  if (list.size() != n) call.fail(fmt::format("{} has {} elements, expected {}", name, list.size(), n));
  return list;
}

Geometry geometry(const Call& call, std::size_t n) {
  Geometry g;
  g.transposed = call.has("output_padding") && (!call.has("transposed") || call.boolean("transposed"));
  g.stride = spread(call, call.sym_list("stride"), n, "stride");
  g.dilation = spread(call, call.sym_list("dilation"), n, "dilation");
  for (const SymInt& s : g.stride) call.require(!s.is(0), "a stride of 0");
  if (g.transposed) g.output_padding = spread(call, call.sym_list("output_padding"), n, "output_padding");
  if (!std::holds_alternative<std::string>(call["padding"])) {
    g.padding_total = spread(call, call.sym_list("padding"), n, "padding");
    for (SymInt& p : g.padding_total) p *= 2;
    return g;
  }
  const std::string& mode = call["padding"].string();
  if (mode != "valid" && mode != "same") call.fail("padding is neither 'valid' nor 'same': " + mode);
  const SymShape& weight = call.shape("weight");
  for (std::size_t i = 0; i < n; ++i)
    g.padding_total.push_back(mode == "same" ? g.dilation[i] * (weight[i + 2] - 1) : SymInt(0));
  return g;
}

SymInt output_size(const Geometry& g, std::size_t i, const SymInt& size, const SymInt& kernel) {
  if (!g.transposed) return window_size(size, g.padding_total[i], g.dilation[i], kernel, g.stride[i]);
  return (size - 1) * g.stride[i] - g.padding_total[i] + g.dilation[i] * (kernel - 1) + g.output_padding[i] + 1;
}

/// The result's shape, whatever the dtypes.
SymShape convolution_shape(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymShape& weight = call.shape("weight");
  call.require(weight.size() >= 3 && weight.size() <= 5, "the weight needs one to three spatial dimensions");
  const std::size_t n = weight.size() - 2;
  const bool batched = input.shape.size() == n + 2;
  if (!batched && input.shape.size() != n + 1)
    call.fail(
        fmt::format("the input {} does not fit the weight {}", to_string(input), to_string(call.tensor("weight"))));

  const Geometry g = geometry(call, n);
  const SymInt groups = call.sym("groups");
  call.require(!groups.is(0), "groups must be positive");
  const SymInt in_channels = input.shape[batched ? 1 : 0];
  const SymInt out_channels = g.transposed ? weight[1] * groups : weight[0];
  unify(call, in_channels, g.transposed ? weight[0] : weight[1] * groups);
  for (const char* name : {"bias", "scale", "offset"}) {
    if (!call.given(name)) continue;
    call.require(!call.shape(name).empty(), "what is added or multiplied by channel has no elements");
    unify(call, out_channels, call.shape(name)[0]);
  }

  SymShape shape;
  if (batched) shape.push_back(input.shape[0]);
  shape.push_back(out_channels);
  for (std::size_t i = 0; i < n; ++i)
    shape.push_back(output_size(g, i, input.shape[i + (batched ? 2 : 1)], weight[i + 2]));
  return shape;
}

Types convolution(const Call& call) {
  const TensorType &input = call.tensor("input"), &weight = call.tensor("weight");
  SymShape shape = convolution_shape(call);
  if (input.dtype != weight.dtype)
    call.fail(fmt::format("input {} and weight {} have different dtypes", to_string(input), to_string(weight)));
  return {{input.dtype, std::move(shape)}};
}

/// The gradients of input, weight and bias; nothing for those that are not asked for.
Types convolution_backward(const Call& call) {
  const TensorType &input = call.tensor("input"), &weight = call.tensor("weight"), &out = call.tensor("grad_output");
  const SymShape shape = convolution_shape(call);
  call.require(input.dtype == weight.dtype && out.dtype == input.dtype, "the operands have different dtypes");
  call.require(input.shape.size() == weight.shape.size() && out.shape.size() == shape.size(),
               "the gradient or the input has another rank");
  for (std::size_t d = 0; d < shape.size(); ++d) unify(call, shape[d], out.shape[d]);
  const auto asked = [&](std::size_t i, const SymShape& of) {
    return TensorType{input.dtype, call["output_mask"].list().at(i).boolean() ? of : SymShape{0}};
  };
  return {asked(0, input.shape), asked(1, weight.shape), asked(2, {shape[1]})};
}

Types quantised_convolution(const Call& call) {
  require_quantised(call);
  return {{DType::f32, convolution_shape(call)}};
}

}  // namespace

void add_conv_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_conv1d_default, aten_conv1d_padding, aten_conv2d_default, aten_conv2d_padding, aten_conv3d_default,
             aten_conv3d_padding, aten_convolution_default, aten_conv_transpose1d_default, aten_conv_transpose2d_input,
             aten_conv_transpose3d_input},
            convolution);
  table.add({aten_convolution_backward_default}, convolution_backward);
  table.add({aitune_quantised_convolution_default}, quantised_convolution);
}

}  // namespace aitune::infer
