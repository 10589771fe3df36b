// Elements chosen by position: gather, padding that repeats elements, interpolation, triangles, reversal, rotation.

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"
#include "engines/cpu/compile/scalar.h"

namespace aitune::cpu {
namespace {

/// The result's own index along a dim.
Scalar index_along(std::size_t dim, std::size_t rank) {
  Affine map{0, std::vector<SymInt>(rank, SymInt(0))};
  map.strides[dim] = 1;
  return make_index(std::move(map));
}

/// A size that is known now, or when the plan runs.
Scalar extent(const SymInt& size, std::size_t rank) {
  if (const auto known = size.as_constant()) return make_integer(*known);
  return make_index({size, std::vector<SymInt>(rank, SymInt(0))});
}

/// An element of memory over the domain of a result: along some dims where the result stands, along others where an
/// integer expression says.
class Picker {
 public:
  Picker(View memory, std::size_t result_rank)
      : memory_(std::move(memory)), map_{memory_.map.offset, std::vector<SymInt>(result_rank, SymInt(0))} {}

  void follow(std::size_t dim, std::size_t result_dim) { map_.strides[result_dim] += memory_.map.strides[dim]; }
  /// `position` is inside [0, size).
  void pick(std::size_t dim, const Scalar& position) {
    const SymInt& stride = memory_.map.strides[dim];
    const Scalar term = stride.is(1) ? position : position * extent(stride, map_.strides.size());
    at_ = at_ ? (Scalar(at_) + term).expr : term.expr;
    extent_ += (memory_.shape[dim] - 1) * stride;
  }
  Scalar element() const {
    const View view{memory_.buffer, memory_.dtype, memory_.shape, map_};
    return at_ ? make_gather(view, at_, 1, extent_) : make_load(view);
  }

 private:
  View memory_;
  Affine map_;
  LazyPtr at_;
  SymInt extent_ = 1;
};

void define(Lowering& lowering, const Node& node, const Scalar& expr) {
  lowering.define_expression(node.output(), expr, nullptr, {&node});
}

// ---- chosen by data

/// gather(self, dim, index), take_along_dim(self, indices, dim): the others of the operands' dims are broadcast.
void lower_gather(Lowering& lowering, const Node& node, std::size_t index_arg, std::size_t dim_arg) {
  const Value *x = node.args[0].value(), *index = node.args[index_arg].value();
  const SymShape& shape = node.output()->type.shape;
  const std::size_t rank = shape.size(), dim = wrap(node.args[dim_arg].integer(), rank);
  const View memory = lowering.in_memory(x);
  if (lowering.state(index).root) lowering.in_memory(index);
  const LazyPtr at = lowering.expression(index, shape, nullptr);
  Picker picker(memory, rank);
  for (std::size_t d = 0; d < rank; ++d)
    if (d != dim && (!x->type.shape[d].is(1) || shape[d].is(1))) picker.follow(d, d);
  const Scalar own = cast(at, ExprType::i64);
  picker.pick(dim, node.op_name() == "aten.gather.default"
                       ? own
                       : select(own < 0, own + extent(x->type.shape[dim], rank), own));
  define(lowering, node, picker.element());
}

Support check_gather(const Node& node, std::size_t index_arg, std::size_t dim_arg) {
  const SymShape &x = node.args[0].value()->type.shape, &index = node.args[index_arg].value()->type.shape;
  if (x.empty() || x.size() != index.size()) return Support::no("0-dim tensors");
  if (node.args[dim_arg].is_none()) return Support::no("no dimension");
  return Support::yes();
}

// ---- padding that repeats elements

using Repeat = Scalar (*)(const Scalar& position, const Scalar& size);

Scalar reflected(const Scalar& p, const Scalar& size) {
  const Scalar last = size - 1;
  return last - abs(last - abs(p));
}
Scalar replicated(const Scalar& p, const Scalar& size) { return min(max(p, p.number(0)), size - 1); }
Scalar circular(const Scalar& p, const Scalar& size) { return binary(ExprOp::remainder, p, size); }

Repeat repeat_of(const Node& node) {
  const std::string_view name = node.op_name();
  const std::string mode = name == "aten.pad.default" ? node.args[2].string() : "";
  if (mode == "reflect" || name.starts_with("aten.reflection")) return reflected;
  if (mode == "replicate" || name.starts_with("aten.replication")) return replicated;
  return mode == "circular" || name.starts_with("aten._pad_circular") ? circular : nullptr;
}

void lower_repeating_pad(Lowering& lowering, const Node& node) {
  const Value* x = node.args[0].value();
  const std::size_t rank = x->type.shape.size();
  const auto pads = node.args[1].int_list();
  Picker picker(lowering.in_memory(x), rank);
  for (std::size_t d = 0; d < rank; ++d) {
    const std::size_t p = 2 * (rank - 1 - d);
    if (p + 1 >= pads.size() || (pads[p] == 0 && pads[p + 1] == 0)) {
      picker.follow(d, d);
      continue;
    }
    const Scalar position = index_along(d, rank) - static_cast<double>(pads[p]);
    picker.pick(d, repeat_of(node)(position, extent(x->type.shape[d], rank)));
  }
  define(lowering, node, picker.element());
}

Support check_repeating_pad(const Node& node) {
  if (!repeat_of(node)) return Support::no("this padding mode is not compiled");
  for (const Arg& pad : node.args[1].list())
    if (!pad.sym().is_constant() || pad.integer() < 0) return Support::no("negative or symbolic padding");
  return Support::yes();
}

// ---- interpolation

enum class Mode { nearest, nearest_exact, linear, cubic };

/// Source positions along one dim, with their weights.
struct Tap {
  Scalar position, weight;
};

/// Input elements for each output element, as PyTorch computes it: in the compute type where sizes are known when the
/// plan runs.
Scalar scale_of(const Node& node, std::size_t i, const SymInt& in, const SymInt& out, bool align_corners,
                ExprType type) {
  const std::size_t rank = node.output()->type.shape.size();
  const Scalar from = cast(extent(in, rank), type), to = cast(extent(out, rank), type);
  const bool known = in.is_constant() && out.is_constant();
  if (align_corners && known)
    return from.number(
        out.constant() > 1 ? static_cast<double>(in.constant() - 1) / static_cast<double>(out.constant() - 1) : 0);
  if (align_corners) return select(to > 1, (from - 1) / max(to - 1, to.number(1)), to.number(0));
  const std::size_t n = node.output()->type.shape.size() - 2;
  const Arg* factors = nullptr;
  for (std::size_t a = 0; a < node.op->args.size(); ++a) {
    const std::string& name = node.op->args[a].name;
    constexpr std::array<std::string_view, 3> kNames = {"scales_d", "scales_h", "scales_w"};
    if (name == "scale_factors" || name == (n == 1 ? std::string_view("scales") : kNames[3 - n + i]))
      factors = &node.args[a];
  }
  if (factors && !factors->is_none()) {
    const double factor = factors->is_list() ? factors->list().at(i).number() : factors->number();
    if (factor > 0) return from.number(1 / factor);
  }
  if (known) return from.number(static_cast<double>(in.constant()) / static_cast<double>(out.constant()));
  return from / to;
}

/// Coordinates are computed in the compute type, as in PyTorch: where they round decides which element is nearest.
std::vector<Tap> taps_of(const Scalar& index, const Scalar& scale, const Scalar& size, Mode mode, bool align_corners,
                         ExprType type) {
  const Scalar i = cast(index, type);
  const auto inside = [&](const Scalar& p) { return replicated(p, size); };
  const auto whole = [](const Scalar& p) { return cast(p, ExprType::i64); };
  if (mode == Mode::nearest || mode == Mode::nearest_exact)
    return {{inside(whole(floor((mode == Mode::nearest ? i : i + 0.5) * scale))), i.number(1)}};
  Scalar at = align_corners ? i * scale : (i + 0.5) * scale - 0.5;
  if (mode == Mode::linear) {
    at = max(at, at.number(0));
    const Scalar low = inside(whole(at));
    const Scalar part = min(max(at - cast(low, type), at.number(0)), at.number(1));
    return {{low, 1.0 - part}, {inside(low + 1), part}};
  }
  constexpr double kA = -0.75;
  const Scalar low = floor(at), x = at - low;
  const auto near = [](const Scalar& d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
  const auto far = [](const Scalar& d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
  const Scalar first = whole(low);
  return {{inside(first - 1), far(x + 1)},
          {inside(first), near(x)},
          {inside(first + 1), near(1.0 - x)},
          {inside(first + 2), far(2.0 - x)}};
}

/// The sum over all combinations of one tap of each spatial axis: elements, times the product of their weights.
Scalar weighted_sum(const View& memory, std::size_t rank, const std::vector<std::vector<Tap>>& axes, bool weighted) {
  LazyPtr sum;
  const auto add = [&](const std::vector<const Tap*>& taps) {
    Picker picker(memory, rank);
    picker.follow(0, 0);
    picker.follow(1, 1);
    for (std::size_t d = 2; d < rank; ++d) picker.pick(d, taps[d - 2]->position);
    Scalar term = picker.element();
    if (weighted)
      for (const Tap* tap : taps) term = term * tap->weight;
    sum = sum ? (Scalar(sum) + term).expr : term.expr;
  };
  std::vector<const Tap*> chosen;
  const std::function<void(std::size_t)> choose = [&](std::size_t axis) {
    if (axis == axes.size()) return add(chosen);
    for (const Tap& tap : axes[axis]) {
      chosen.push_back(&tap);
      choose(axis + 1);
      chosen.pop_back();
    }
  };
  choose(0);
  return sum;
}

bool aligns_corners(const Node& node) {
  for (std::size_t a = 0; a < node.op->args.size(); ++a)
    if (node.op->args[a].name == "align_corners") return node.args[a].boolean();
  return false;
}

void lower_upsample(Lowering& lowering, const Node& node, Mode mode) {
  const Value* x = node.args[0].value();
  const SymShape &in = x->type.shape, &out = node.output()->type.shape;
  const std::size_t rank = in.size();
  const ExprType type = arithmetic_type(x->type.dtype) == ExprType::f64 ? ExprType::f64 : ExprType::f32;
  const View memory = lowering.in_memory(x);
  std::vector<std::vector<Tap>> axes;
  for (std::size_t d = 2; d < rank; ++d) {
    const bool corners = aligns_corners(node);
    const Scalar scale = scale_of(node, d - 2, in[d], out[d], corners, type);
    axes.push_back(taps_of(index_along(d, rank), scale, extent(in[d], rank), mode, corners, type));
  }
  define(lowering, node, weighted_sum(memory, rank, axes, mode == Mode::linear || mode == Mode::cubic));
}

Support check_upsample(const Node& node, Mode mode) {
  const TensorType& x = node.args[0].value()->type;
  if ((mode == Mode::linear || mode == Mode::cubic) && !is_floating(x.dtype))
    return Support::no("interpolation of integers is not compiled");
  return Support::yes();
}

// ---- sampling where a grid says

/// Elements around a coordinate along a dim of `size`; what lies outside weighs nothing, or is the border's.
std::vector<Tap> sampled(const Scalar& coordinate, const Scalar& size, bool nearest, bool border, bool corners) {
  const Scalar n = cast(size, coordinate.type());
  Scalar at = corners ? (coordinate + 1) * ((n - 1) * 0.5) : ((coordinate + 1) * n - 1) * 0.5;
  if (border) at = min(max(at, at.number(0)), n - 1);
  std::vector<Tap> taps;
  const auto add = [&](const Scalar& place, const Scalar& weight) {
    const Scalar inside = both(place >= 0, place <= n - 1);
    const Scalar clamped = select(inside, place, place.number(0));
    taps.push_back({cast(clamped, ExprType::i64), select(inside, weight, weight.number(0))});
  };
  if (nearest) {
    add(unary(ExprOp::round, at), at.number(1));
    return taps;
  }
  const Scalar low = floor(at);
  add(low, low + 1 - at);
  add(low + 1, at - low);
  return taps;
}

void lower_grid_sampler(Lowering& lowering, const Node& node) {
  const Value *x = node.args[0].value(), *grid = node.args[1].value();
  const SymShape& in = x->type.shape;
  const std::size_t rank = in.size();
  const ExprType type = arithmetic_type(x->type.dtype);
  const bool nearest = node.args[2].integer() == 1, border = node.args[3].integer() == 1;
  const View memory = lowering.in_memory(x), places = lowering.in_memory(grid);
  std::vector<std::vector<Tap>> axes;
  for (std::size_t d = 2; d < rank; ++d) {  // the grid has the last dim first
    View at = places;
    at.map.offset += places.map.strides.back() * static_cast<std::int64_t>(rank - 1 - d);
    at.map.strides = {places.map.strides[0], 0};
    for (std::size_t i = 1; i + 1 < rank; ++i) at.map.strides.push_back(places.map.strides[i]);
    axes.push_back(sampled(cast(make_load(at), type), extent(in[d], rank), nearest, border, node.args[4].boolean()));
  }
  define(lowering, node, weighted_sum(memory, rank, axes, true));
}

Support check_grid_sampler(const Node& node) {
  if (node.args[2].integer() > 1) return Support::no("bicubic sampling is not compiled");
  if (node.args[3].integer() > 1) return Support::no("sampling with reflection is not compiled");
  return Support::yes();
}

// ---- triangles, reversal, rotation

void lower_triangle(Lowering& lowering, const Node& node, bool lower) {
  const SymShape& shape = node.output()->type.shape;
  const std::size_t rank = shape.size();
  const Value* x = node.args[0].value();
  if (lowering.state(x).root) lowering.in_memory(x);
  const Scalar element = lowering.expression(x, shape, nullptr);
  const Scalar right = index_along(rank - 1, rank) - index_along(rank - 2, rank);  // of the main diagonal
  const auto diagonal = static_cast<double>(node.args[1].integer());
  define(lowering, node, select(lower ? right <= diagonal : right >= diagonal, element, element.number(0)));
}

void lower_flip(Lowering& lowering, const Node& node) {
  const Value* x = node.args[0].value();
  View view = lowering.in_memory(x);
  for (const auto d : node.args[1].int_list()) {
    const std::size_t dim = wrap(d, view.shape.size());
    view.map.offset += (view.shape[dim] - 1) * view.map.strides[dim];
    view.map.strides[dim] = view.map.strides[dim] * -1;
  }
  define(lowering, node, make_load(view));
}

/// What a rotation cuts out of its operand, and where it goes.
struct Piece {
  Affine from, to;
  SymShape shape;
};

/// Element by element, where a size is known when the plan runs.
void lower_roll_by_position(Lowering& lowering, const Node& node, const View& memory) {
  const std::size_t rank = memory.shape.size();
  const auto shifts = node.args[1].int_list(), dims = node.args[2].int_list();
  Picker picker(memory, rank);
  for (std::size_t d = 0; d < rank; ++d) {
    const auto at = std::ranges::find_if(dims, [&](std::int64_t dim) { return wrap(dim, rank) == d; });
    if (at == dims.end()) {
      picker.follow(d, d);
      continue;
    }
    const auto shift = static_cast<double>(shifts[static_cast<std::size_t>(at - dims.begin())]);
    picker.pick(d, circular(index_along(d, rank) - shift, extent(memory.shape[d], rank)));
  }
  define(lowering, node, picker.element());
}

void lower_roll(Lowering& lowering, const Node& node) {
  const Value* x = node.args[0].value();
  const View memory = lowering.in_memory(x);
  const std::size_t rank = memory.shape.size();
  const auto moves = [&](std::int64_t dim) { return !memory.shape[wrap(dim, rank)].is_constant(); };
  if (std::ranges::any_of(node.args[2].int_list(), moves)) return lower_roll_by_position(lowering, node, memory);
  std::vector<int> order;
  for (std::size_t d = 0; d < rank; ++d) order.push_back(static_cast<int>(d));
  const View whole = lowering.fresh(memory.shape, lowering.storage_type(node.output()), order);
  std::vector<Piece> pieces = {{memory.map, whole.map, memory.shape}};
  const auto shifts = node.args[1].int_list(), dims = node.args[2].int_list();
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::size_t dim = wrap(dims[i], rank);
    const std::int64_t size = memory.shape[dim].constant(), shift = ((shifts[i] % size) + size) % size;
    if (shift == 0) continue;
    std::vector<Piece> cut;
    for (const Piece& piece : pieces) {
      const auto part = [&](std::int64_t from, std::int64_t to, std::int64_t count) {
        Piece p{slice(piece.from, static_cast<std::int64_t>(dim), from, 1),
                slice(piece.to, static_cast<std::int64_t>(dim), to, 1), piece.shape};
        p.shape[dim] = count;
        cut.push_back(std::move(p));
      };
      part(size - shift, 0, shift);
      part(0, shift, size - shift);
    }
    pieces = std::move(cut);
  }
  for (const Piece& p : pieces)
    lowering.store(make_load({memory.buffer, memory.dtype, p.shape, p.from}), nullptr,
                   {whole.buffer, whole.dtype, p.shape, p.to}, p.shape, {&node});
  lowering.define_view(node.output(), whole, {&node});
}

Support check_roll(const Node& node) {
  const auto dims = node.args[2].int_list();
  const SymShape& shape = node.args[0].value()->type.shape;
  if (dims.empty() || dims.size() != node.args[1].list().size()) return Support::no("a rotation of the flat tensor");
  std::vector<std::size_t> seen;
  for (const auto d : dims) {
    const std::size_t dim = wrap(d, shape.size());
    if (std::ranges::find(seen, dim) != seen.end()) return Support::no("a dimension twice");
    seen.push_back(dim);
  }
  for (const Arg& shift : node.args[1].list())
    if (!shift.sym().is_constant()) return Support::no("a symbolic shift");
  return Support::yes();
}

Support constant_diagonal(const Node& node) {
  return node.args[1].sym().is_constant() ? Support::yes() : Support::no("a symbolic diagonal");
}

}  // namespace

void add_indexing_rules(RuleTable& table) {
  const auto gather = [&](const char* name, std::size_t index, std::size_t dim) {
    table[name] = {[=](Lowering& l, const Node& n) { lower_gather(l, n, index, dim); },
                   [=](const Node& n) { return check_gather(n, index, dim); }};
  };
  gather("aten.gather.default", 2, 1);
  gather("aten.take_along_dim.default", 1, 2);
  for (const char* name :
       {"aten.reflection_pad1d.default", "aten.reflection_pad2d.default", "aten.reflection_pad3d.default",
        "aten.replication_pad1d.default", "aten.replication_pad2d.default", "aten.replication_pad3d.default",
        "aten._pad_circular.default", "aten.pad.default"})
    table[name] = {lower_repeating_pad, check_repeating_pad};
  const auto upsample = [&](const std::string& name, Mode mode) {
    for (const char* overload : {".default", ".vec"})
      table["aten." + name + overload] = {[=](Lowering& l, const Node& n) { lower_upsample(l, n, mode); },
                                          [=](const Node& n) { return check_upsample(n, mode); }};
  };
  upsample("upsample_nearest1d", Mode::nearest);
  upsample("upsample_nearest2d", Mode::nearest);
  upsample("upsample_nearest3d", Mode::nearest);
  upsample("_upsample_nearest_exact1d", Mode::nearest_exact);
  upsample("_upsample_nearest_exact2d", Mode::nearest_exact);
  upsample("_upsample_nearest_exact3d", Mode::nearest_exact);
  upsample("upsample_trilinear3d", Mode::linear);
  upsample("upsample_linear1d", Mode::linear);
  upsample("upsample_bilinear2d", Mode::linear);
  upsample("upsample_bicubic2d", Mode::cubic);
  for (const char* name : {"aten.grid_sampler.default", "aten.grid_sampler_2d.default", "aten.grid_sampler_3d.default"})
    table[name] = {lower_grid_sampler, check_grid_sampler};
  table["aten.tril.default"] = {[](Lowering& l, const Node& n) { lower_triangle(l, n, true); }, constant_diagonal};
  table["aten.triu.default"] = {[](Lowering& l, const Node& n) { lower_triangle(l, n, false); }, constant_diagonal};
  table["aten.flip.default"] = {lower_flip, {}};
  table["aten.roll.default"] = {lower_roll, check_roll};
}

}  // namespace aitune::cpu
