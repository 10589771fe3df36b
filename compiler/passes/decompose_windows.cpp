// Windows of images and volumes: unfolding and folding, pooling of volumes, adaptive maxima, and the grids of affine
// maps.

#include <algorithm>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

using Extents = std::vector<std::int64_t>;

/// Windows of more elements than this are left to the reference engine: each element is a slice of its own.
constexpr std::int64_t kMostOfWindow = 64;
/// Maxima over windows of different sizes are single slices, so many at most.
constexpr std::int64_t kMostUnevenWindows = 64;

/// A list argument of one element for each dimension.
Extents extents(const Node& node, std::string_view name, std::size_t count) {
  Extents list = argument(node, name).int_list();
  if (list.size() == 1) list.resize(count, list[0]);
  return list;
}

struct Windows {
  Extents kernel, dilation, padding, stride;
  explicit Windows(const Node& node)
      : kernel(extents(node, "kernel_size", 2)),
        dilation(extents(node, "dilation", 2)),
        padding(extents(node, "padding", 2)),
        stride(extents(node, "stride", 2)) {}
  std::int64_t size() const { return kernel[0] * kernel[1]; }
};

/// torch.nn.functional.unfold: for each element of the window, the image that it sees.
Replacement unfold_image(Inserter& insert, Node& node) {
  const Windows w(node);
  Value* x = operand(node);
  const SymShape& out = node.output()->type.shape;
  if (w.size() > kMostOfWindow || w.size() < 1) return std::nullopt;
  const std::size_t lead = rank(x) - 3;
  SymShape count;  // of windows along height and width
  for (std::size_t d = 0; d < 2; ++d) {
    const auto size = x->type.shape[lead + 1 + d].as_constant();
    if (!size) return std::nullopt;
    const std::int64_t reach = *size + 2 * w.padding[d] - w.dilation[d] * (w.kernel[d] - 1) - 1;
    count.emplace_back(reach / w.stride[d] + 1);
  }
  if (w.padding[0] != 0 || w.padding[1] != 0) {
    const Extents around = {w.padding[1], w.padding[1], w.padding[0], w.padding[0]};
    x = insert.call("aten.constant_pad_nd.default", {x, to_args(around), 0.0});
  }
  ArgList pieces;
  for (std::int64_t i = 0; i < w.kernel[0]; ++i)
    for (std::int64_t j = 0; j < w.kernel[1]; ++j) {
      Value* piece = x;
      const Extents start = {i * w.dilation[0], j * w.dilation[1]};
      for (std::size_t d = 0; d < 2; ++d) {
        const SymInt end = start[d] + (count[d].constant() - 1) * w.stride[d] + 1;
        piece = insert.call("aten.slice.Tensor", {piece, SymInt(static_cast<std::int64_t>(lead + 1 + d)),
                                                  SymInt(start[d]), end, SymInt(w.stride[d])});
      }
      pieces.emplace_back(piece);
    }
  Value* all = insert.call("aten.stack.default", {pieces, SymInt(static_cast<std::int64_t>(lead + 1))});
  return {{insert.view(all, out)}};
}

/// Zeros between the elements of a dimension: `step` - 1 after each but the last.
Value* spread(Inserter& insert, Value* x, std::size_t dim, std::int64_t step) {
  if (step == 1) return x;
  SymShape split = x->type.shape, merged = split;
  const SymInt size = split[dim];
  split.insert(split.begin() + static_cast<std::ptrdiff_t>(dim) + 1, SymInt(1));
  merged[dim] = size * step;
  Extents pads(2 * (split.size() - dim - 1), 0);
  pads.back() = step - 1;
  Value* apart = insert.call("aten.constant_pad_nd.default", {insert.view(x, split), to_args(pads), 0.0});
  return insert.slice(insert.view(apart, merged), static_cast<std::int64_t>(dim), 0, size * step - step + 1);
}

/// Windows of one row that lie at its beginning and are not dilated: a signal's.
bool are_frames(const Windows& w, const SymInt& height) {
  return w.kernel[0] == 1 && height.is(1) && w.padding == Extents{0, 0} && w.dilation[1] == 1 && w.stride[0] == 1;
}

/// fold of a signal's frames, of which there may be any number.
Replacement fold_frames(Inserter& insert, Node& node, const Windows& w) {
  Value* x = operand(node);
  const SymShape& out = node.output()->type.shape;
  const SymInt count = x->type.shape.back();
  const auto rest = (out.back() - ((count - 1) * w.stride[1] + w.kernel[1])).as_constant();
  if (!rest || *rest < 0) return std::nullopt;
  SymShape split(out.begin(), out.end() - 2);
  split.insert(split.end(), {SymInt(w.kernel[1]), count});
  std::vector<std::int64_t> order(split.size());
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  Value* sum = overlap_add(insert, insert.permute(insert.view(x, split), order), w.stride[1]);
  if (sum == nullptr) return std::nullopt;
  if (*rest != 0) sum = insert.call("aten.constant_pad_nd.default", {sum, to_args(Extents{0, *rest}), 0.0});
  return {{insert.view(sum, out)}};
}

/// torch.nn.functional.fold: the sum of what the elements of the windows put at their places.
Replacement fold_image(Inserter& insert, Node& node) {
  const Windows w(node);
  Value* x = operand(node);
  const SymShape& out = node.output()->type.shape;
  const std::size_t lead = out.size() - 3;
  if (are_frames(w, out[lead + 1]))
    if (Replacement folded = fold_frames(insert, node, w)) return folded;
  const auto height = out[lead + 1].as_constant(), width = out[lead + 2].as_constant();
  if (!height || !width || w.size() > kMostOfWindow || w.size() < 1) return std::nullopt;
  const Extents size = {*height, *width};
  SymShape split(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(lead) + 1);
  split.insert(split.end(), {SymInt(w.kernel[0]), SymInt(w.kernel[1])});
  for (std::size_t d = 0; d < 2; ++d)
    split.emplace_back((size[d] + 2 * w.padding[d] - w.dilation[d] * (w.kernel[d] - 1) - 1) / w.stride[d] + 1);
  Value* windows = insert.view(x, split);
  const auto dim = static_cast<std::int64_t>(lead + 1);
  Value* sum = nullptr;
  for (std::int64_t i = 0; i < w.kernel[0]; ++i)
    for (std::int64_t j = 0; j < w.kernel[1]; ++j) {
      Value* piece = insert.call("aten.select.int", {windows, SymInt(dim), SymInt(i)});
      piece = insert.call("aten.select.int", {piece, SymInt(dim), SymInt(j)});
      const Extents start = {i * w.dilation[0], j * w.dilation[1]};
      Extents pads;
      for (std::size_t d = 2; d-- > 0;) {
        piece = spread(insert, piece, lead + 1 + d, w.stride[d]);
        const std::int64_t whole = size[d] + 2 * w.padding[d];
        const std::int64_t length = piece->type.shape[lead + 1 + d].constant();
        pads.insert(pads.end(), {start[d], whole - start[d] - length});
      }
      piece = insert.call("aten.constant_pad_nd.default", {piece, to_args(pads), 0.0});
      sum = sum == nullptr ? piece : insert.call("aten.add.Tensor", {sum, piece});
    }
  for (std::size_t d = 0; d < 2; ++d)
    sum = insert.slice(sum, static_cast<std::int64_t>(lead + 1 + d), w.padding[d], w.padding[d] + size[d]);
  return {{sum}};
}

/// Along depth after height and width: maxima of maxima, means of means (the count of a window is the product of its
/// counts along the dimensions).
Value* pooled_volume(Inserter& insert, const Node& node, bool is_max) {
  Value* x = operand(node);
  const SymShape& out = node.outputs[0]->type.shape;
  const std::size_t lead = rank(x) - 3;
  const Extents kernel = extents(node, "kernel_size", 3), padding = extents(node, "padding", 3);
  const Extents given = extents(node, "stride", 3), stride = given.empty() ? kernel : given;
  const Extents dilation = is_max ? extents(node, "dilation", 3) : Extents{};
  // Of height and width, or of depth and what is left of both.
  const auto pool = [&](Value* images, bool along_depth) {
    const auto pair = [&](const Extents& list, std::int64_t otherwise) {
      return to_args(along_depth ? Extents{list[0], otherwise} : Extents{list[1], list[2]});
    };
    ArgList args = {images, pair(kernel, 1), pair(stride, 1), pair(padding, 0)};
    if (is_max) args.emplace_back(pair(dilation, 1));
    args.push_back(argument(node, "ceil_mode"));
    if (!is_max) args.push_back(argument(node, "count_include_pad"));
    return insert.call(is_max ? "aten.max_pool2d.default" : "aten.avg_pool2d.default", std::move(args));
  };
  const SymShape& in = x->type.shape;
  SymInt volumes = 1;
  for (std::size_t d = 0; d < lead; ++d) volumes *= in[d];
  Value* flat = pool(insert.view(x, {volumes, in[lead], in[lead + 1], in[lead + 2]}), false);
  const SymInt area = flat->type.shape[2] * flat->type.shape[3];
  return insert.view(pool(insert.view(flat, {SymInt(1), volumes, in[lead], area}), true), out);
}

Replacement max_pool_volume(Inserter& insert, Node& node) { return {{pooled_volume(insert, node, true)}}; }

Replacement average_pool_volume(Inserter& insert, Node& node) {
  const Arg& divisor = argument(node, "divisor_override");
  // A mean of means of whole numbers would be cut twice.
  if (!divisor.is_none() || !is_floating(node.output()->type.dtype)) return std::nullopt;
  return {{pooled_volume(insert, node, false)}};
}

/// The largest of each of `count` windows along a dimension, as adaptive pooling cuts it.
Value* adaptive_maxima(Inserter& insert, Value* x, std::size_t dim, std::int64_t count) {
  const std::int64_t size = x->type.shape[dim].constant(), at = static_cast<std::int64_t>(dim);
  const auto largest = [&](Value* part, std::int64_t along, bool keep) {
    return insert.call("aten.amax.default", {part, to_args(Extents{along}), keep});
  };
  if (size == count) return x;
  if (size % count == 0) {
    SymShape split = x->type.shape;
    split[dim] = count;
    split.insert(split.begin() + static_cast<std::ptrdiff_t>(dim) + 1, SymInt(size / count));
    return largest(insert.view(x, split), at + 1, false);
  }
  ArgList parts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = i * size / count, end = ((i + 1) * size + count - 1) / count;
    parts.emplace_back(largest(insert.slice(x, at, begin, end), at, true));
  }
  return insert.call("aten.cat.default", {parts, SymInt(at)});
}

/// Where the positions of the maxima are not read.
Replacement adaptive_max_pool(Inserter& insert, Node& node) {
  if (!has_no_use(insert.graph(), node.outputs[1])) return std::nullopt;
  Value* x = operand(node);
  const SymShape& out = node.outputs[0]->type.shape;
  const std::size_t spatial = node.args.at(1).list().size();
  std::int64_t windows = 0;
  for (std::size_t d = rank(x) - spatial; d < rank(x); ++d) {
    const auto in = x->type.shape[d].as_constant(), count = out[d].as_constant();
    if (!in || !count || *in == 0 || *count == 0) return std::nullopt;
    windows += *in % *count == 0 ? 0 : *count;
  }
  if (windows > kMostUnevenWindows) return std::nullopt;
  for (std::size_t d = rank(x) - spatial; d < rank(x); ++d) x = adaptive_maxima(insert, x, d, out[d].constant());
  return std::vector<Value*>{x, nullptr};
}

Replacement max_pool_volume_alone(Inserter& insert, Node& node) {
  return first_output(insert.graph(), node, [&] { return pooled_volume(insert, node, true); });
}

/// Centres of pixels from -1 to 1, or, with corners that are not aligned, of pixels that fill it.
double grid_position(std::int64_t i, std::int64_t count, bool align_corners) {
  if (count <= 1) return 0;
  const auto n = static_cast<double>(count);
  const double position = -1 + 2 * static_cast<double>(i) / (n - 1);
  return align_corners ? position : position * (n - 1) / n;
}

/// Every pixel's (x, y[, z], 1) times the map.
Replacement affine_grid(Inserter& insert, Node& node) {
  constexpr std::int64_t kMostPixels = std::int64_t{1} << 22;
  Value* map = operand(node);
  const SymShape& out = node.output()->type.shape;  // [N, (D,) H, W, 2 or 3]
  const std::size_t spatial = out.size() - 2;
  const bool align = argument(node, "align_corners").boolean();
  std::int64_t pixels = 1;
  Extents sizes;
  for (std::size_t d = 1; d <= spatial; ++d) {
    const auto size = out[d].as_constant();
    if (!size || *size <= 0 || *size > kMostPixels) return std::nullopt;
    pixels *= *size;
    if (pixels > kMostPixels) return std::nullopt;
    sizes.push_back(*size);
  }
  std::vector<double> base;
  base.reserve(static_cast<std::size_t>(pixels) * (spatial + 1));
  for (std::int64_t p = 0; p < pixels; ++p) {
    std::int64_t rest = p;
    for (std::size_t d = spatial; d-- > 0;) {
      base.push_back(grid_position(rest % sizes[d], sizes[d], align));
      rest /= sizes[d];
    }
    base.push_back(1);
  }
  const auto columns = static_cast<std::int64_t>(spatial) + 1;
  Value* points = insert.constant(from_doubles(map->type.dtype, {1, pixels, columns}, base), "grid");
  Value* product = insert.call("aten.bmm.default", {insert.expand(points, {out[0], SymInt(pixels), SymInt(columns)}),
                                                    insert.permute(map, {0, 2, 1})});
  return {{insert.view(product, out)}};
}

}  // namespace

// Each frame as pieces of one step: the pieces of the same place are a sequence of the frames' length, and these are
// added up, one step later each.
Value* overlap_add(Inserter& insert, Value* frames, std::int64_t step) {
  const SymShape shape = frames->type.shape;
  const auto dims = static_cast<std::int64_t>(shape.size());
  const auto size = shape.back().as_constant();
  if (!size || *size < 1 || step < 1) return nullptr;
  const std::int64_t pieces = (*size + step - 1) / step;
  if (pieces > kMostOfWindow) return nullptr;
  if (pieces * step != *size)
    frames = insert.call("aten.constant_pad_nd.default", {frames, to_args(Extents{0, pieces * step - *size}), 0.0});
  SymShape split = shape;
  split.back() = pieces;
  split.emplace_back(step);
  frames = insert.view(frames, split);
  Value* sum = nullptr;
  for (std::int64_t i = 0; i < pieces; ++i) {
    Value* piece = insert.call("aten.select.int", {frames, SymInt(dims - 1), SymInt(i)});
    piece = insert.call("aten.constant_pad_nd.default", {piece, to_args(Extents{0, 0, i, pieces - 1 - i}), 0.0});
    sum = sum == nullptr ? piece : insert.call("aten.add.Tensor", {sum, piece});
  }
  SymShape line(shape.begin(), shape.end() - 1);
  const SymInt count = line.back();
  line.back() = (count + (pieces - 1)) * step;
  return insert.slice(insert.view(sum, line), dims - 2, 0, (count - 1) * step + *size);
}

void add_window_rules(DecomposeRules& rules) {
  rules["aten.im2col.default"] = unfold_image;
  rules["aten.col2im.default"] = fold_image;
  rules["aten.max_pool3d.default"] = max_pool_volume;
  rules["aten.max_pool3d_with_indices.default"] = max_pool_volume_alone;
  rules["aten.avg_pool3d.default"] = average_pool_volume;
  for (const auto* name :
       {"aten.adaptive_max_pool1d.default", "aten.adaptive_max_pool2d.default", "aten.adaptive_max_pool3d.default"})
    rules[name] = adaptive_max_pool;
  rules["aten.affine_grid_generator.default"] = affine_grid;
}

}  // namespace aitune
