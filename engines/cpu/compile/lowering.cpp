#include "engines/cpu/compile/lowering.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "compiler/ops/schema.h"
#include "engines/cpu/compile/kernel_writer.h"
#include "engines/cpu/compile/op_rules.h"

namespace aitune::cpu {
namespace {

/// Work below which a value with several users is computed again by each instead of being stored.
constexpr int kCheap = 6;
/// Work beyond which a kernel is no faster for more of it, while LLVM takes longer and longer; and expressions are
/// walked recursively.
constexpr int kMostWork = 2000;

std::vector<int> natural_order(std::size_t rank) {
  std::vector<int> order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

bool is_movement(const Node& node) {
  static constexpr std::array<std::string_view, 5> names = {
      "aten.view.default", "aten.permute.default", "aten.slice.Tensor", "aten.select.int", "aten.expand.default"};
  return std::ranges::find(names, node.op_name()) != names.end();
}

/// Whether the node is a product of its first argument with constant weights. Depthwise convolutions are none.
bool reads_packed_weights(const Node& node) {
  if (node.op_name() == "aten.linear.default" || node.op_name() == "aten.mm.default")
    return node.args[1].value()->kind == ValueKind::weight;
  return node.op_name() == "aten.convolution.default" && !node.args[1].value()->type.shape[1].is(1);
}

/// Whether `node` is such a product and reads `value` as its first argument.
bool multiplies(const Node& node, const Value* value) {
  return reads_packed_weights(node) && node.args[0].is_value() && node.args[0].value() == value;
}

void append_unique(std::vector<const Node*>& list, const std::vector<const Node*>& more) {
  for (const Node* node : more)
    if (std::ranges::find(list, node) == list.end()) list.push_back(node);
}

}  // namespace

bool Halo::none() const {
  return std::ranges::all_of(low, [](auto v) { return v == 0; }) &&
         std::ranges::all_of(high, [](auto v) { return v == 0; });
}

bool Halo::covers(const Halo& other) const {
  if (other.none()) return true;
  if (low.size() != other.low.size()) return false;
  for (std::size_t i = 0; i < low.size(); ++i)
    if (low[i] < other.low[i] || high[i] < other.high[i]) return false;
  return true;
}

void Halo::merge(const Halo& other) {
  if (low.empty()) low.resize(other.low.size()), high.resize(other.high.size());
  for (std::size_t i = 0; i < std::min(low.size(), other.low.size()); ++i) {
    low[i] = std::max(low[i], other.low[i]);
    high[i] = std::max(high[i], other.high[i]);
  }
}

Lowering::Lowering(const Graph& block, const EngineOptions& options)
    : block_(block), options_(options), users_(block.users()) {
  for (const Value* output : block_.outputs) ++uses_[output];
  for (const auto& node : block_.nodes()) {
    for (const Value* operand : node->operands()) ++uses_[operand];
    const Halo halo = halo_of_node(*node);
    if (halo.none()) continue;
    const Value* read = node->args[0].value();
    const bool copy = product_type(*node) == DType::bf16 && storage_type(read) == DType::f32;
    (copy ? narrow_halos_ : halos_)[read].merge(halo);
  }
}

LoweredBlock Lowering::run() {
  const auto outer = [&](const Value* value) {
    LoweredBuffer buffer;
    buffer.kind = LoweredBuffer::Kind::outer;
    buffer.dtype = value->type.dtype;
    buffer.elements = product(value->type.shape);
    buffer.value = value;
    out_.buffers.push_back(buffer);
    View view{static_cast<int>(out_.buffers.size() - 1), value->type.dtype, value->type.shape, {}};
    view.map.strides = contiguous_strides(value->type.shape);
    return view;
  };
  for (const Value* input : block_.inputs) define_view(input, outer(input), {});
  for (const auto& node : block_.nodes()) {
    lower_node(*node);
    for (const Value* operand : node->operands()) --state(operand).uses;
  }
  write_outputs();
  return std::move(out_);
}

void Lowering::lower_node(const Node& node) {
  const auto it = rules().find(node.op_name());
  if (it == rules().end()) fail(node, "the CPU engine has no rule for this operator");
  it->second.rule(*this, node);
}

void Lowering::fail(const Node& node, std::string why) const {
  throw Unsupported(std::move(why),
                    std::string(node.op_name()) + " %" + (node.outputs.empty() ? "" : node.output()->name));
}

Lowering::State& Lowering::state(const Value* value) {
  const auto [it, fresh] = states_.try_emplace(value);
  State& s = it->second;
  if (fresh) {
    s.shape = value->type.shape;
    s.dtype = value->type.dtype;
    if (const auto uses = uses_.find(value); uses != uses_.end()) s.uses = uses->second;
    if (value->kind == ValueKind::weight) s.view = constant(value->data);
  }
  return s;
}

LazyPtr Lowering::expression(const Value* value) {
  State& s = state(value);
  if (s.view) return make_load(*s.view);
  return s.expr;
}

LazyPtr Lowering::expression(const Value* value, const SymShape& shape, const RootPtr& keep_root) {
  State& s = state(value);
  if (!s.view && s.root && (s.root != keep_root || s.shape != shape)) materialise(value);
  LazyPtr expr = expression(value);
  if (s.shape == shape) return expr;
  return remap(expr, [&](const Affine& map) { return std::optional(expand(map, s.shape, shape)); });
}

View Lowering::in_memory(const Value* value) {
  materialise(value);
  return *state(value).view;
}

View Lowering::in_memory_with_halo(const Value* value, const Halo& halo) {
  State& s = state(value);
  if (!s.view && !wanted_halo(value).covers(halo)) halos_[value].merge(halo);
  materialise(value);
  if (s.halo.covers(halo)) return *s.view;
  // What lies in memory without the halo (a caller's input) is copied once for all its convolutions.
  Halo wanted = wanted_halo(value);
  wanted.merge(halo);
  const auto channels = s.shape[1].as_constant();
  std::vector<int> order = natural_order(s.shape.size());
  if (!channels || *channels >= 8) {
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  const View padded = fresh(s.shape, storage_type(value), order, wanted);
  store(make_load(*s.view), nullptr, padded, s.shape, s.sources);
  s.view = padded;
  s.halo = wanted;
  return padded;
}

View Lowering::in_narrow_memory(const Value* value, bool channels_last, const Halo& halo) {
  if (storage_type(value) == DType::bf16) {
    const View view = in_memory_with_halo(value, halo);
    if (view.dtype == DType::bf16) return view;
  }
  State& s = state(value);
  Halo& wanted = narrow_halos_[value];
  wanted.merge(halo);
  materialise(value);
  if (s.narrow && s.narrow_halo.covers(halo)) return *s.narrow;
  // What lies in memory in f32 alone (a caller's input, a concatenation) is copied once for all its products.
  std::vector<int> order = natural_order(s.shape.size());
  if (channels_last) {
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  s.narrow = fresh(s.shape, DType::bf16, order, wanted);
  s.narrow_halo = wanted;
  store(make_load(*s.view), nullptr, *s.narrow, s.shape, s.sources);
  return *s.narrow;
}

View Lowering::copy(const LazyPtr& expr, const SymShape& shape, DType dtype, const std::vector<int>& order,
                    const std::vector<const Node*>& sources) {
  const View view = fresh(shape, dtype, order);
  store(expr, nullptr, view, shape, sources);
  return view;
}

View Lowering::constant(const Tensor& data) {
  const Tensor packed = data.contiguous();
  const auto [it, fresh] = constants_.try_emplace(packed.data(), static_cast<int>(out_.buffers.size()));
  if (fresh) {
    LoweredBuffer buffer;
    buffer.kind = LoweredBuffer::Kind::constant;
    buffer.dtype = packed.dtype();
    buffer.elements = packed.numel();
    buffer.constant = packed;
    out_.buffers.push_back(std::move(buffer));
  }
  View view{it->second, packed.dtype(), {}, {}};
  for (const auto size : packed.shape()) view.shape.emplace_back(size);
  view.map.strides = contiguous_strides(view.shape);
  return view;
}

View Lowering::fresh(const SymShape& shape, DType dtype, const std::vector<int>& order, const Halo& halo) {
  View view{static_cast<int>(out_.buffers.size()), dtype, shape, {}};
  view.map.strides.assign(shape.size(), SymInt(0));
  SymInt stride = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    const auto d = static_cast<std::size_t>(order[i]);
    view.map.strides[d] = stride;
    SymInt extent = shape[d];
    if (d >= 2 && d - 2 < halo.low.size()) {
      view.map.offset += stride * halo.low[d - 2];
      extent += halo.low[d - 2] + halo.high[d - 2];
    }
    stride *= extent;
  }
  LoweredBuffer buffer;
  buffer.dtype = dtype;
  buffer.elements = stride;
  if (!halo.none()) {
    buffer.kind = LoweredBuffer::Kind::zeroed;
    buffer.zero_key = std::string(dtype_name(dtype)) + to_string(shape);
    for (const int d : order) buffer.zero_key += "_" + std::to_string(d);
    for (std::size_t i = 0; i < halo.low.size(); ++i)
      buffer.zero_key += "+" + std::to_string(halo.low[i]) + "," + std::to_string(halo.high[i]);
  }
  out_.buffers.push_back(std::move(buffer));
  return view;
}

DType Lowering::product_type(const Node& node) const {
  if (options_.precision != DType::bf16 || !reads_packed_weights(node)) return DType::f32;
  const Value* x = node.args[0].value();
  if (x->type.dtype != DType::f32 || options_.f32_products.contains(node.output()->name)) return DType::f32;
  // bf16 pairs neighbours of the reduction. Convolutions without groups are given a zero channel where one is missing.
  if (node.op_name() == "aten.convolution.default")
    return node.args[8].integer() == 1 || node.args[1].value()->type.shape[1].constant() % 2 == 0 ? DType::bf16
                                                                                                  : DType::f32;
  return x->type.shape.back().constant() % 2 == 0 ? DType::bf16 : DType::f32;
}

bool Lowering::has_narrow_reader(const Value* value) const {
  const auto users = users_.find(value);
  return users != users_.end() && std::ranges::any_of(users->second, [&](const Node* user) {
           return multiplies(*user, value) && product_type(*user) == DType::bf16;
         });
}

bool Lowering::read_exactly(const Value* value) const {
  if (options_.exact_values && block_.is_output(value)) return true;
  const auto users = users_.find(value);
  return users != users_.end() && std::ranges::any_of(users->second, [&](const Node* user) {
           if (multiplies(*user, value)) return product_type(*user) == DType::f32;
           return is_movement(*user) ? read_exactly(user->output()) : options_.exact_values;
         });
}

DType Lowering::storage_type(const Value* value) const {
  if (value->type.dtype != DType::f32 || options_.precision == DType::f32) return value->type.dtype;
  // Products with packed weights read bf16, so what feeds them is stored so. Everything else (attention's operands,
  // sums of residuals, what depthwise convolutions and norms read) stays exact: it is little of the time, much of the
  // error.
  const std::function<bool(const Value*)> feeds_product = [&](const Value* v) {
    if (has_narrow_reader(v)) return true;
    const auto users = users_.find(v);
    return users != users_.end() && std::ranges::any_of(users->second, [&](const Node* user) {
             return is_movement(*user) && feeds_product(user->output());
           });
  };
  return feeds_product(value) && !read_exactly(value) ? DType::bf16 : DType::f32;
}

void Lowering::define_view(const Value* value, View view, std::vector<const Node*> sources) {
  State& s = state(value);
  if (last_stored_.contains(view.buffer)) out_.tasks.back().values.emplace_back(value, view);
  s.view = std::move(view);
  s.sources = std::move(sources);
}

void Lowering::define_expression(const Value* value, LazyPtr expr, RootPtr root, std::vector<const Node*> sources) {
  State& s = state(value);
  s.expr = std::move(expr);
  s.root = s.expr->has_root || (root && root->kind == Root::Kind::gemm) ? std::move(root) : nullptr;
  s.sources = std::move(sources);
  if ((!s.root && s.uses > 1 && s.expr->cost > kCheap) || s.expr->cost > kMostWork) materialise(value);
}

bool Lowering::is_read(const Value* value) const {
  const auto uses = uses_.find(value);
  return uses != uses_.end() && uses->second > std::ranges::count(block_.outputs, value);
}

bool Lowering::root_is_shared(const Value* value) {
  const State& own = state(value);
  return std::ranges::any_of(states_, [&](const auto& entry) {
    return entry.first != value && entry.second.root == own.root && !entry.second.view && entry.second.uses > 0;
  });
}

Halo Lowering::wanted_halo(const Value* value) const {
  const auto it = halos_.find(value);
  return it == halos_.end() ? Halo{} : it->second;
}

std::optional<std::vector<int>> Lowering::order_of_leaves(const LazyPtr& expr, const SymShape& shape) const {
  std::optional<std::vector<int>> best;
  remap(expr, [&](const Affine& map) {
    if (best) return std::optional(map);
    std::vector<std::int64_t> strides;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (!shape[d].is(1) && map.strides[d].is(0)) return std::optional(map);
      strides.push_back(shape[d].is(1) ? -1 : map.strides[d].evaluate(options_.opt_shape));
    }
    // Size-1 dims stay where they stood; the others are sorted among their places.
    std::vector<int> moving;
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (strides[d] >= 0) moving.push_back(static_cast<int>(d));
    std::vector<int> sorted = moving;
    std::ranges::stable_sort(sorted, [&](int a, int b) {
      return strides[static_cast<std::size_t>(a)] > strides[static_cast<std::size_t>(b)];
    });
    std::vector<int> order = natural_order(shape.size());
    for (std::size_t i = 0; i < moving.size(); ++i) order[static_cast<std::size_t>(moving[i])] = sorted[i];
    best = order;
    return std::optional(map);
  });
  return best;
}

std::vector<int> Lowering::layout_order(const Value* value) {
  const State& s = state(value);
  std::vector<int> order = natural_order(s.shape.size());
  const bool windowed =
      s.root && s.shape.size() >= 3 && !s.root->dims.empty() &&
      (s.root->kind == Root::Kind::gemm ? s.root->dims.back() == 1 : s.root->outer.size() == s.shape.size());
  if (s.root && s.root->kind == Root::Kind::gemm && windowed) {
    order.erase(order.begin() + 1);
    order.push_back(1);
    return order;
  }
  if (s.root && s.root->kind == Root::Kind::nest) {
    for (const auto& reduction : s.root->reductions) {
      SymShape loops = s.root->outer;
      loops.insert(loops.end(), s.root->inner.begin(), s.root->inner.end());
      const auto leaves = order_of_leaves(reduction.value, loops);
      if (!leaves) continue;
      std::vector<int> found;
      for (const int loop : *leaves)
        if (static_cast<std::size_t>(loop) < s.root->dims.size())
          found.push_back(s.root->dims[static_cast<std::size_t>(loop)]);
      if (found.size() == s.shape.size()) return found;
    }
  }
  // A value that is only permuted is best written in the permuted order: what follows then finds it contiguous.
  const auto users = users_.find(value);
  if (users != users_.end() && !block_.is_output(value) && !users->second.empty() &&
      users->second.front()->op_name() == "aten.permute.default" &&
      std::ranges::all_of(users->second, [&](const Node* u) { return u == users->second.front(); })) {
    const auto dims = users->second.front()->args[1].int_list();
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = static_cast<int>(dims[i] < 0 ? dims[i] + static_cast<std::int64_t>(order.size()) : dims[i]);
    return order;
  }
  if (!s.root && s.expr)
    if (auto found = order_of_leaves(s.expr, s.shape)) return *found;
  return order;
}

void Lowering::materialise(const Value* value) {
  if (state(value).view) return;
  if (!state(value).expr)
    throw InternalError("a value was used before it was lowered: %" + value->name, "cpu lowering");
  const RootPtr root = state(value).root;
  std::vector<const Value*> together = {value};
  if (root)
    for (auto& [other, s] : states_)
      if (other != value && s.root == root && !s.view && s.uses > 0) together.push_back(other);
  std::ranges::sort(together.begin() + 1, together.end(), {}, [](const Value* v) { return v->name; });

  std::vector<PendingStore> stores;
  std::vector<const Node*> sources;
  const SymShape shape = state(value).shape;
  for (const Value* v : together) {
    State& s = state(v);
    const Halo halo = wanted_halo(v);
    const auto order = layout_order(v);
    const bool row_major = std::ranges::is_sorted(order);
    View view;
    if (block_.is_output(v) && row_major && halo.none()) {
      LoweredBuffer buffer;
      buffer.kind = LoweredBuffer::Kind::outer;
      buffer.dtype = s.dtype;
      buffer.elements = product(s.shape);
      buffer.value = v;
      out_.buffers.push_back(buffer);
      view = {static_cast<int>(out_.buffers.size() - 1), s.dtype, s.shape, {}};
      view.map.strides = contiguous_strides(s.shape);
    } else {
      view = fresh(s.shape, storage_type(v), order, halo);
    }
    stores.push_back({s.expr, view});
    if (view.dtype == DType::f32 && has_narrow_reader(v)) {
      const auto wanted = narrow_halos_.find(v);
      s.narrow_halo = wanted == narrow_halos_.end() ? Halo{} : wanted->second;
      s.narrow = fresh(s.shape, DType::bf16, order, s.narrow_halo);
      stores.push_back({s.expr, *s.narrow});
    }
    append_unique(sources, s.sources);
    s.view = view;
    s.halo = halo;
  }
  emit(root, shape, stores, sources);
  for (const Value* v : together) out_.tasks.back().values.emplace_back(v, *state(v).view);
  for (const Value* v : together) {
    state(v).root = nullptr;
    state(v).expr = nullptr;
  }
}

void Lowering::store(const LazyPtr& expr, const RootPtr& root, const View& target, const SymShape& shape,
                     const std::vector<const Node*>& sources) {
  emit(root, shape, {{expr, target}}, sources);
}

void Lowering::emit(const RootPtr& root, const SymShape& shape, const std::vector<PendingStore>& stores,
                    const std::vector<const Node*>& sources) {
  KernelTask task;
  task.sources = sources;
  if (root && root->kind == Root::Kind::gemm) {
    kernels::GemmKernel kernel = *root->gemm;
    KernelWriter writer(kernel.accesses, kernel.exprs, task.buffers);
    const auto to_loops = [&](const Affine& map) {
      std::vector<SymInt> strides;
      for (const int d : root->dims) strides.push_back(d < 0 ? SymInt(0) : map.strides[static_cast<std::size_t>(d)]);
      return strides;
    };
    kernel.a_buffer = writer.slot(root->a.buffer);
    // A packed B is a buffer of its own, made when the tile is known: slot 1 is kept for it.
    if (root->weight.defined())
      task.buffers.push_back(-1), kernel.b_buffer = 1;
    else
      kernel.b_buffer = writer.slot(root->b.buffer);
    for (const auto& s : stores) {
      const auto value = writer.expr(s.expr, to_loops);
      kernel.stores.push_back({writer.access(s.target, to_loops), value});
    }
    kernel.buffer_count = static_cast<std::int32_t>(task.buffers.size());
    task.weight = root->weight;
    task.weight_strides = root->weight_strides;
    task.product = root->product;
    task.gemm = std::move(kernel);
  } else {
    kernels::LoopKernel kernel;
    KernelWriter writer(kernel.accesses, kernel.exprs, task.buffers);
    ToLoops to_loops;
    kernels::Stage last;
    std::vector<int> order;
    if (root) {
      kernel.outer = root->outer;
      kernel.inner = root->inner;
      for (const auto& reduction : root->reductions) {
        kernels::Stage stage;
        stage.kind = kernels::Stage::Kind::reduce;
        stage.reduce = reduction.op;
        stage.value = writer.expr(reduction.value, [](const Affine& map) { return map.strides; });
        kernel.stages.push_back(stage);
      }
      writer.begin_domain();
      last.kind = root->inner_in_result ? kernels::Stage::Kind::map : kernels::Stage::Kind::finish;
      to_loops = [&](const Affine& map) {
        std::vector<SymInt> strides(root->outer.size() + root->inner.size(), SymInt(0));
        for (std::size_t i = 0; i < root->dims.size(); ++i)
          if (root->dims[i] >= 0) strides[i] = map.strides[static_cast<std::size_t>(root->dims[i])];
        return strides;
      };
    } else {
      // Loops in the order of the target's layout, the innermost being the one it is dense in.
      order = natural_order(shape.size());
      const auto& strides = stores.front().target.map.strides;
      std::ranges::stable_sort(order, [&](int a, int b) {
        return strides[static_cast<std::size_t>(a)].evaluate(options_.opt_shape) >
               strides[static_cast<std::size_t>(b)].evaluate(options_.opt_shape);
      });
      for (const int d : order) kernel.outer.push_back(shape[static_cast<std::size_t>(d)]);
      last.kind = kernels::Stage::Kind::map;
      to_loops = [&](const Affine& map) {
        std::vector<SymInt> loops;
        for (const int d : order) loops.push_back(map.strides[static_cast<std::size_t>(d)]);
        return loops;
      };
    }
    for (const auto& s : stores) {
      const auto value = writer.expr(s.expr, to_loops);
      last.stores.push_back({writer.access(s.target, to_loops), value});
    }
    kernel.stages.push_back(std::move(last));
    kernel.buffer_count = static_cast<std::int32_t>(task.buffers.size());
    task.loop = std::move(kernel);
  }
  out_.tasks.push_back(std::move(task));
  last_stored_.clear();
  for (const auto& s : stores) last_stored_.insert(s.target.buffer);
}

void Lowering::write_outputs() {
  for (const Value* value : block_.outputs) {
    in_memory(value);
    State& s = state(value);
    const LoweredBuffer& buffer = out_.buffers[static_cast<std::size_t>(s.view->buffer)];
    if (buffer.kind == LoweredBuffer::Kind::outer && buffer.value == value) continue;
    LoweredBuffer outer;
    outer.kind = LoweredBuffer::Kind::outer;
    outer.dtype = s.dtype;
    outer.elements = product(s.shape);
    outer.value = value;
    out_.buffers.push_back(outer);
    View target{static_cast<int>(out_.buffers.size() - 1), s.dtype, s.shape, {}};
    target.map.strides = contiguous_strides(s.shape);
    const auto sources = s.sources;
    store(make_load(*s.view), nullptr, target, s.shape, sources);
    if (value->kind == ValueKind::node) out_.tasks.back().values.emplace_back(value, target);
    s.view = target;
  }
}

}  // namespace aitune::cpu
