// Convolutions: as implicit matrix products over haloed channels-last memory, or, where every channel stands alone, as
// a window reduction.

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"

namespace aitune::cpu {
namespace {

bool is_quantised(const Node& node) { return node.op_name() == "aitune.quantised_convolution.default"; }

/// The arguments of aten.convolution.default, or of ours on integers.
struct Convolution {
  const Value* input;
  const Value* weight;
  const Value* bias = nullptr;
  const Value *scale = nullptr, *offset = nullptr;  // of integers
  std::vector<std::int64_t> stride, padding, dilation;
  std::int64_t groups = 1;

  explicit Convolution(const Node& node) : input(node.args[0].value()), weight(node.args[1].value()) {
    const bool quantised = is_quantised(node);
    if (quantised)
      scale = node.args[2].value(), offset = node.args[3].value();
    else
      bias = node.args[2].value_or_null();
    const std::size_t first = quantised ? 4 : 3;
    stride = node.args[first].int_list();
    padding = node.args[first + 1].int_list();
    dilation = node.args[first + 2].int_list();
    groups = node.args[quantised ? 7 : 8].integer();
    const std::size_t spatial = input->type.shape.size() - 2;
    for (auto* list : {&stride, &padding, &dilation})
      if (list->size() == 1) list->resize(spatial, list->front());
  }
  std::size_t spatial() const { return input->type.shape.size() - 2; }
  std::int64_t kernel(std::size_t i) const { return weight->type.shape[i + 2].constant(); }
  std::int64_t out_channels() const { return weight->type.shape[0].constant(); }
  std::int64_t group_channels() const { return weight->type.shape[1].constant(); }
  bool depthwise() const { return group_channels() == 1 && groups > 1 && out_channels() == groups; }
};

/// Memory of the input, and the map of (n, spatial out..., spatial kernel..., channel) over it.
struct Windows {
  View memory;
  SymInt offset;
  std::vector<SymInt> row_strides;     // n, spatial out...
  std::vector<SymInt> kernel_strides;  // spatial kernel...
  SymInt channel_stride;
};

Windows windows_of(const Convolution& conv, View memory) {
  Windows w{std::move(memory), 0, {}, {}, 0};
  const auto& strides = w.memory.map.strides;
  w.offset = w.memory.map.offset;
  w.row_strides.push_back(strides[0]);
  w.channel_stride = strides[1];
  for (std::size_t i = 0; i < conv.spatial(); ++i) {
    w.offset = w.offset - strides[i + 2] * conv.padding[i];
    w.row_strides.push_back(strides[i + 2] * conv.stride[i]);
    w.kernel_strides.push_back(strides[i + 2] * conv.dilation[i]);
  }
  return w;
}

/// What a convolution does to its sums: the bias, or, of integers, scale and offset.
LazyPtr with_bias(Lowering& lowering, LazyPtr sum, const Convolution& conv, const SymShape& shape,
                  std::int64_t first = 0) {
  const auto by_channel = [&](ExprOp op, const Value* constant) {
    const View memory = lowering.in_memory(constant);
    Affine map{memory.map.offset + first, std::vector<SymInt>(shape.size(), SymInt(0))};
    map.strides[1] = 1;
    sum =
        make_binary(op, std::move(sum), make_load({memory.buffer, memory.dtype, shape, std::move(map)}), ExprType::f32);
  };
  if (conv.bias) by_channel(ExprOp::add, conv.bias);
  if (conv.scale) by_channel(ExprOp::mul, conv.scale);
  if (conv.offset) by_channel(ExprOp::add, conv.offset);
  return sum;
}

/// The product of group `group`: rows (n, spatial out...), reduction (spatial kernel..., channels), columns out
/// channels.
RootPtr product_of_group(const Convolution& conv, const Windows& w, const SymShape& out, std::int64_t group,
                         DType type) {
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::gemm;
  root->a = w.memory;
  const std::int64_t columns = conv.out_channels() / conv.groups, channels = conv.group_channels();
  root->shape = out;
  root->shape[1] = columns;
  kernels::GemmKernel kernel;
  kernel.a_type = type;
  kernel.b_type = type == DType::u8 ? DType::i8 : type;
  kernel.a_offset = w.offset + w.channel_stride * (group * channels);
  for (std::size_t d = 0; d < w.row_strides.size(); ++d) {
    const std::size_t dim = d == 0 ? 0 : d + 1;
    kernel.m.push_back(out[dim]);
    kernel.a_strides.push_back(w.row_strides[d]);
    root->dims.push_back(static_cast<int>(dim));
  }
  root->dims.push_back(1);
  kernel.n = columns;
  const Tensor weight = conv.weight->data.contiguous();
  std::int64_t block = channels;
  for (std::size_t i = 0; i < conv.spatial(); ++i) block *= conv.kernel(i);
  std::int64_t stride = block / channels;
  for (std::size_t i = 0; i < conv.spatial(); ++i) {
    stride /= conv.kernel(i);
    if (conv.kernel(i) == 1) continue;
    kernel.k.push_back(conv.kernel(i));
    kernel.a_strides.push_back(w.kernel_strides[i]);
    root->weight_strides.push_back(stride);
  }
  if (channels > 1 || kernel.k.empty()) {
    kernel.k.push_back(channels);
    kernel.a_strides.push_back(w.channel_stride);
    root->weight_strides.push_back(block / channels);
  }
  root->weight_strides.push_back(block);
  const std::size_t skip = static_cast<std::size_t>(group * columns * block) * dtype_size(weight.dtype());
  root->weight = Tensor(weight.dtype(), {columns * block}, {1}, weight.owner(), weight.data() + skip);
  root->gemm = std::move(kernel);
  return root;
}

/// sum over the window of x[n, c, ...] * weight[window, c], with the weights turned channel-innermost.
void lower_depthwise(Lowering& lowering, const Node& node, const Convolution& conv, const Windows& w) {
  const SymShape& out = node.output()->type.shape;
  const std::int64_t channels = conv.out_channels();
  const Tensor weight = conv.weight->data.contiguous();
  const std::int64_t window = weight.numel() / channels;
  Tensor turned(DType::f32, {window, channels});
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t i = 0; i < window; ++i) turned.as<float>()[i * channels + c] = weight.as<float>()[c * window + i];

  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::nest;
  root->shape = out;
  Affine x{w.offset, {}}, f{0, {}};
  const auto loop = [&](const SymInt& extent, const SymInt& x_stride, const SymInt& f_stride, int dim) {
    (dim >= 0 ? root->outer : root->inner).push_back(extent);
    x.strides.push_back(x_stride);
    f.strides.push_back(f_stride);
    if (dim >= 0) root->dims.push_back(dim);
  };
  loop(out[0], w.row_strides[0], 0, 0);
  for (std::size_t i = 0; i < conv.spatial(); ++i) loop(out[i + 2], w.row_strides[i + 1], 0, static_cast<int>(i + 2));
  loop(channels, w.channel_stride, 1, 1);
  std::int64_t f_stride = window * channels;
  for (std::size_t i = 0; i < conv.spatial(); ++i) {
    f_stride /= conv.kernel(i);
    loop(conv.kernel(i), w.kernel_strides[i], f_stride, -1);
  }
  View filter = lowering.constant(turned);
  filter.map = f;
  View input = w.memory;
  input.map = x;
  root->reductions.push_back(
      {kernels::ReduceOp::sum, make_binary(ExprOp::mul, make_load(input), make_load(filter), ExprType::f32)});
  lowering.define_expression(node.output(), with_bias(lowering, make_temp(0), conv, out), root, {&node});
}

void lower_grouped(Lowering& lowering, const Node& node, const Convolution& conv, const Windows& w, DType type) {
  const Value* result = node.output();
  const SymShape& out = result->type.shape;
  std::vector<int> order = {0};
  for (std::size_t i = 0; i < conv.spatial(); ++i) order.push_back(static_cast<int>(i + 2));
  order.push_back(1);
  const Halo halo = lowering.wanted_halo(result);
  const View whole = lowering.fresh(out, lowering.storage_type(result), order, halo);
  const std::int64_t columns = conv.out_channels() / conv.groups;
  for (std::int64_t g = 0; g < conv.groups; ++g) {
    const RootPtr root = product_of_group(conv, w, out, g, type);
    root->product = &node;
    const View part{whole.buffer, whole.dtype, root->shape, slice(whole.map, 1, g * columns, 1)};
    lowering.store(with_bias(lowering, make_accumulator(), conv, root->shape, g * columns), root, part, root->shape,
                   {&node});
  }
  lowering.define_view(result, whole, {&node});
  lowering.state(result).halo = halo;
}

/// The input channels-last with this many channels (what is added is zero), so that products can read it in pairs or
/// quads.
View widened_channels(Lowering& lowering, const Convolution& conv, const Halo& halo, DType type,
                      std::int64_t channels) {
  const SymShape& shape = conv.input->type.shape;
  const LazyPtr expr = lowering.expression(conv.input, shape, nullptr);
  SymShape wide = shape;
  wide[1] = channels;
  std::vector<int> order = {0};
  for (std::size_t i = 0; i < conv.spatial(); ++i) order.push_back(static_cast<int>(i + 2));
  order.push_back(1);
  Halo zeroed = halo;
  if (zeroed.none()) zeroed.low.assign(conv.spatial(), 0), zeroed.high.assign(conv.spatial(), 1);
  View padded = lowering.fresh(wide, type, order, zeroed);
  View inside = padded;
  inside.shape = shape;
  lowering.store(expr, nullptr, inside, shape, lowering.state(conv.input).sources);
  return padded;
}

/// Weights [out channels, channels, window...] with more channels, which are zero.
template <typename T>
Tensor widened_weights(const Convolution& conv, std::int64_t channels) {
  const Tensor old = conv.weight->data.contiguous();
  const std::int64_t before = conv.group_channels(), window = old.numel() / conv.out_channels() / before;
  Tensor wide(old.dtype(), {conv.out_channels() * channels * window});
  std::fill_n(wide.as<T>(), wide.numel(), T(0));
  for (std::int64_t o = 0; o < conv.out_channels(); ++o)
    std::copy_n(old.as<T>() + o * before * window, before * window, wide.as<T>() + o * channels * window);
  return wide;
}

/// A convolution without groups whose channels are rounded up, in the input and in the weights. Only stems (one or
/// three channels) come this way.
void lower_widened(Lowering& lowering, const Node& node, const Convolution& conv, const Halo& halo, DType type,
                   std::int64_t channels) {
  const SymShape& out = node.output()->type.shape;
  const Windows w = windows_of(conv, widened_channels(lowering, conv, halo, type, channels));
  RootPtr root = product_of_group(conv, w, out, 0, type);
  root->product = &node;
  root->weight =
      type == DType::u8 ? widened_weights<std::int8_t>(conv, channels) : widened_weights<float>(conv, channels);
  const std::int64_t window = root->weight.numel() / conv.out_channels() / channels;
  root->weight_strides.back() = channels * window;
  if (conv.group_channels() == 1 && window > 1) {
    root->gemm->k.push_back(channels);
    root->gemm->a_strides.push_back(w.channel_stride);
    root->weight_strides.insert(root->weight_strides.end() - 1, window);
  } else {
    root->gemm->k.back() = channels;
  }
  lowering.define_expression(node.output(), with_bias(lowering, make_accumulator(), conv, out), root, {&node});
}

View channels_last(Lowering& lowering, const Convolution& conv, const View& memory, DType type, const Halo& halo) {
  std::vector<int> order = {0};
  for (std::size_t i = 0; i < conv.spatial(); ++i) order.push_back(static_cast<int>(i + 2));
  order.push_back(1);
  View converted = lowering.fresh(memory.shape, type, order, halo);
  lowering.store(make_load(memory), nullptr, converted, memory.shape, lowering.state(conv.input).sources);
  return converted;
}

void lower_quantised_convolution(Lowering& lowering, const Node& node) {
  const Convolution conv(node);
  const Halo halo = halo_of_node(node);
  const std::int64_t channels = conv.group_channels();
  if (channels % 4 != 0) return lower_widened(lowering, node, conv, halo, DType::u8, (channels + 3) / 4 * 4);
  View memory = lowering.in_memory_with_halo(conv.input, halo);
  if (!memory.map.strides[1].is(1)) memory = channels_last(lowering, conv, memory, DType::u8, halo);
  const Windows w = windows_of(conv, memory);
  if (conv.groups > 1) return lower_grouped(lowering, node, conv, w, DType::u8);
  const SymShape& out = node.output()->type.shape;
  RootPtr root = product_of_group(conv, w, out, 0, DType::u8);
  root->product = &node;
  lowering.define_expression(node.output(), with_bias(lowering, make_accumulator(), conv, out), root, {&node});
}

void lower_convolution(Lowering& lowering, const Node& node) {
  const Convolution conv(node);
  const Halo halo = halo_of_node(node);
  const SymShape& out = node.output()->type.shape;
  const DType type = lowering.product_type(node);
  if (conv.depthwise()) {
    lower_depthwise(lowering, node, conv, windows_of(conv, lowering.in_memory_with_halo(conv.input, halo)));
    return;
  }
  if (type == DType::bf16 && conv.group_channels() % 2 != 0)
    return lower_widened(lowering, node, conv, halo, type, conv.group_channels() + 1);
  View memory = type == DType::bf16 ? lowering.in_narrow_memory(conv.input, true, halo)
                                    : lowering.in_memory_with_halo(conv.input, halo);
  if (memory.dtype != type) memory = channels_last(lowering, conv, memory, type, halo);
  const Windows w = windows_of(conv, memory);
  if (conv.groups > 1) return lower_grouped(lowering, node, conv, w, type);
  RootPtr root = product_of_group(conv, w, out, 0, type);
  root->product = &node;
  lowering.define_expression(node.output(), with_bias(lowering, make_accumulator(), conv, out), root, {&node});
}

Support check_channels(const Node& node) {
  return node.args[0].value()->type.shape.at(1).is_constant() ? Support::yes() : Support::no("symbolic channels");
}

Support check_quantised_convolution(const Node& node) {
  for (const std::size_t i : {1U, 2U, 3U})
    if (node.args[i].value()->kind != ValueKind::weight) return Support::no("its weights are no constants");
  const Convolution conv(node);
  if (conv.input->type.shape.size() != conv.weight->type.shape.size()) return Support::no("an image without a batch");
  if (conv.groups > 1 && conv.group_channels() % 4 != 0)
    return Support::no("groups of channels that are no multiple of 4");
  return check_channels(node);
}

Support check_convolution(const Node& node) {
  const Value* weight = node.args[1].value();
  if (node.args[6].boolean()) return Support::no("transposed convolutions are not compiled yet");
  if (weight->kind != ValueKind::weight) return Support::no("its weight is not a constant");
  if (weight->type.dtype != DType::f32 || node.args[0].value()->type.dtype != DType::f32)
    return Support::no("convolutions are compiled for float32");
  if (node.args[2].value_or_null() && node.args[2].value()->kind != ValueKind::weight)
    return Support::no("its bias is not a constant");
  return check_channels(node);
}

}  // namespace

Halo halo_of_node(const Node& node) {
  Halo halo;
  const bool quantised = is_quantised(node);
  const bool convolution = quantised || node.op_name() == "aten.convolution.default";
  const bool pooling = node.op_name() == "aten.max_pool2d.default" || node.op_name() == "aten.avg_pool2d.default";
  if (!convolution && !pooling) return halo;
  const auto& shape = node.args[0].value()->type.shape;
  const auto& out = node.output()->type.shape;
  const std::size_t spatial = convolution ? shape.size() - 2 : 2;
  const std::size_t first = shape.size() - spatial;
  if (convolution && !quantised && node.args[6].boolean()) return halo;
  const auto list = [&](const Arg& arg, std::int64_t missing) {
    auto values = arg.int_list();
    if (values.empty()) values.push_back(missing);
    if (values.size() == 1) values.resize(spatial, values.front());
    return values;
  };
  std::vector<std::int64_t> kernel, stride, padding, dilation;
  if (convolution) {
    for (std::size_t i = 0; i < spatial; ++i) {
      const auto size = node.args[1].value()->type.shape[i + 2].as_constant();
      if (!size) return halo;
      kernel.push_back(*size);
    }
    const std::size_t at = quantised ? 4 : 3;
    stride = list(node.args[at], 1), padding = list(node.args[at + 1], 0), dilation = list(node.args[at + 2], 1);
  } else {
    kernel = list(node.args[1], 1), padding = list(node.args[3], 0);
    stride = node.args[2].int_list().empty() ? kernel : list(node.args[2], 1);
    dilation =
        node.op_name() == "aten.max_pool2d.default" ? list(node.args[4], 1) : std::vector<std::int64_t>(spatial, 1);
  }
  const std::size_t ceil = node.op_name() == "aten.max_pool2d.default" ? 5 : 4;
  const bool hangs_over = pooling && node.args[ceil].boolean();
  for (std::size_t i = 0; i < spatial; ++i) {
    const auto size = shape[first + i].as_constant(), result = out[first + i].as_constant();
    halo.low.push_back(padding[i]);
    if (!size || !result) {
      // The last window ends within the padding; rounded up, it begins there at the latest.
      halo.high.push_back(padding[i] + (hangs_over ? stride[i] - 1 : 0));
      continue;
    }
    const std::int64_t last = (*result - 1) * stride[i] + dilation[i] * (kernel[i] - 1) - padding[i];
    halo.high.push_back(std::max<std::int64_t>(0, last - (*size - 1)));
  }
  return halo;
}

void add_convolution_rules(RuleTable& table) {
  table["aitune.quantised_convolution.default"] = {lower_quantised_convolution, check_quantised_convolution};
  table["aten.convolution.default"] = {lower_convolution, check_convolution};
}

}  // namespace aitune::cpu
