#include "compiler/passes/bound_numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/infer.h"
#include "compiler/ops/schema.h"
#include "compiler/ops/size_facts.h"

namespace aitune {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr std::int64_t kMaxWeight = 4096;  // elements of a constant that are looked at
constexpr int kMaxLoopDepth = 2;           // loops within loops whose carried values are followed
constexpr double kRoom = 1.01;             // for rounding in low precisions

/// What all elements of a tensor are within. NaN is no element of interest: it makes no size.
struct Interval {
  double low = -kInf, high = kInf;
  bool operator==(const Interval&) const = default;
  bool within(const Interval& other) const { return low >= other.low && high <= other.high; }
};

Interval hull(const Interval& a, const Interval& b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

Interval sum(const Interval& a, const Interval& b) {
  const double low = a.low + b.low, high = a.high + b.high;
  return {std::isnan(low) ? -kInf : low, std::isnan(high) ? kInf : high};
}
Interval negative(const Interval& a) { return {-a.high, -a.low}; }

Interval from_corners(std::array<double, 4> corners) {
  if (std::ranges::any_of(corners, [](double x) { return std::isnan(x); })) return {};
  const auto [low, high] = std::ranges::minmax(corners);
  return {low, high};
}
Interval product(const Interval& a, const Interval& b) {
  return from_corners({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
}
Interval quotient(const Interval& a, const Interval& b) {
  if (b.low <= 0 && b.high >= 0) return {};
  return from_corners({a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high});
}
Interval larger(const Interval& a, const Interval& b) { return {std::max(a.low, b.low), std::max(a.high, b.high)}; }
Interval smaller(const Interval& a, const Interval& b) { return {std::min(a.low, b.low), std::min(a.high, b.high)}; }

/// What the element type can hold; a value beyond it may become anything.
Interval limits_of(DType dtype) {
  switch (dtype) {
    case DType::b8:
      return {0, 1};
    case DType::u8:
      return {0, 255};
    case DType::i8:
      return {-128, 127};
    case DType::i16:
      return {-32768, 32767};
    case DType::i32:
      return {-2147483648.0, 2147483647.0};
    case DType::i64:
      return {-9.3e18, 9.3e18};
    default:
      return {};
  }
}

/// One node, with what is known of its operands.
class Context {
 public:
  Context(const Node& node, const std::unordered_map<const Value*, Interval>& known, const SymRanges& symbols)
      : node_(node), call_(*node.op, node.args), known_(known), symbols_(symbols) {}

  const infer::Call& call() const { return call_; }
  DType dtype() const { return node_.outputs[0]->type.dtype; }

  Interval of(const Arg& arg) const {
    if (const auto* size = std::get_if<SymInt>(&arg)) return of(*size);
    if (const auto* real = std::get_if<double>(&arg)) return {*real, *real};
    if (const auto* flag = std::get_if<bool>(&arg)) return {*flag ? 1.0 : 0.0, *flag ? 1.0 : 0.0};
    if (!arg.is_value()) return {};
    const auto found = known_.find(arg.value());
    return found == known_.end() ? limits_of(arg.value()->type.dtype) : found->second;
  }
  Interval of(const SymInt& size) const {
    const SymRange range = size.range(symbols_);
    return {range.min == INT64_MIN ? -kInf : static_cast<double>(range.min),
            range.max == SymRange::kNoMax ? kInf : static_cast<double>(range.max)};
  }
  Interval of(std::size_t arg) const { return of(node_.args.at(arg)); }
  /// The argument, or `otherwise` where the call has none.
  Interval given(std::string_view name, Interval otherwise) const {
    return call_.given(name) ? of(call_[name]) : otherwise;
  }
  std::size_t count() const { return node_.args.size(); }
  const Node& node() const { return node_; }

 private:
  const Node& node_;
  infer::Call call_;
  const std::unordered_map<const Value*, Interval>& known_;
  const SymRanges& symbols_;
};

using Function = Interval (*)(const Context&);

Interval as_before(const Context& c) { return c.of(std::size_t{0}); }
Interval of_list(const Context& c) {
  std::optional<Interval> all;
  for (const Arg& arg : c.node().args.at(0).list()) all = all ? hull(*all, c.of(arg)) : c.of(arg);
  return all.value_or(Interval{});
}
template <std::size_t a, std::size_t b>
Interval both(const Context& c) {
  return c.count() > std::max(a, b) ? hull(c.of(a), c.of(b)) : Interval{};
}
Interval put(const Context& c) {
  return c.call().has("accumulate") && c.call().boolean("accumulate") ? Interval{} : both<0, 2>(c);
}
Interval padded(const Context& c) { return hull(c.of(std::size_t{0}), c.given("value", {0, 0})); }
Interval clamped(const Context& c) {
  Interval x = c.of(std::size_t{0});
  if (c.call().given("min")) x = larger(x, c.of(c.call()["min"]));
  if (c.call().given("max")) x = smaller(x, c.of(c.call()["max"]));
  return x;
}
Interval relu(const Context& c) { return larger(c.of(std::size_t{0}), {0, 0}); }
/// One of two tensors, or of the elements of one.
Interval extreme(const Context& c) {
  return c.call().has("other") ? hull(c.of(std::size_t{0}), c.of(std::size_t{1})) : c.of(std::size_t{0});
}
Interval the_larger(const Context& c) { return larger(c.of(std::size_t{0}), c.of(std::size_t{1})); }
Interval the_smaller(const Context& c) { return smaller(c.of(std::size_t{0}), c.of(std::size_t{1})); }
Interval add(const Context& c) {
  return sum(c.of(std::size_t{0}), product(c.of(std::size_t{1}), c.given("alpha", {1, 1})));
}
Interval sub(const Context& c) {
  return sum(c.of(std::size_t{0}), negative(product(c.of(std::size_t{1}), c.given("alpha", {1, 1}))));
}
Interval mul(const Context& c) { return product(c.of(std::size_t{0}), c.of(std::size_t{1})); }
Interval whole(const Interval& x) { return {std::floor(x.low), std::ceil(x.high)}; }
Interval div(const Context& c) {
  const Interval x = quotient(c.of(std::size_t{0}), c.of(std::size_t{1}));
  return c.call().has("rounding_mode") || is_integral(c.dtype()) ? whole(x) : x;
}
Interval reciprocal(const Context& c) { return quotient({1, 1}, c.of(std::size_t{0})); }
Interval neg(const Context& c) { return negative(c.of(std::size_t{0})); }
Interval absolute(const Context& c) {
  const Interval x = c.of(std::size_t{0});
  return {std::max({0.0, x.low, -x.high}), std::max(std::abs(x.low), std::abs(x.high))};
}
Interval rounded(const Context& c) { return whole(c.of(std::size_t{0})); }
/// As large as the divisor, with its sign.
Interval remainder(const Context& c) {
  const Interval x = c.of(std::size_t{1});
  return {std::min(0.0, x.low), std::max(0.0, x.high)};
}
Interval square_root(const Context& c) {
  const Interval x = c.of(std::size_t{0});
  return {0, x.high < 0 ? kInf : std::sqrt(x.high)};
}
Interval share(const Context&) { return {0, 1}; }
Interval wave(const Context&) { return {-1, 1}; }
Interval converted(const Context& c) {
  const Interval x = c.of(std::size_t{0});
  return is_integral(c.dtype()) ? whole(x) : x;
}
Interval filled(const Context& c) { return c.of(c.call()["fill_value"]); }
Interval zeros(const Context&) { return {0, 0}; }
Interval ones(const Context&) { return {1, 1}; }
Interval arange(const Context& c) { return hull(c.given("start", {0, 0}), c.given("end", {})); }
Interval total(const Context& c) {
  const Interval x = c.of(std::size_t{0});
  const Interval count = c.of(product(c.node().args.at(0).value()->type.shape));
  return hull({0, 0}, product(x, {0, count.high}));
}
Interval position(const Context&) { return {0, kInf}; }

const std::map<std::string_view, Function>& functions() {
  static const std::map<std::string_view, Function> table = [] {
    std::map<std::string_view, Function> made = {{"cat", of_list},
                                                 {"stack", of_list},
                                                 {"where", both<1, 2>},
                                                 {"constant_pad_nd", padded},
                                                 {"index_put", put},
                                                 {"masked_fill", both<0, 2>},
                                                 {"slice_scatter", both<0, 1>},
                                                 {"select_scatter", both<0, 1>},
                                                 {"clamp", clamped},
                                                 {"clamp_min", clamped},
                                                 {"clamp_max", clamped},
                                                 {"relu", relu},
                                                 {"max", extreme},
                                                 {"min", extreme},
                                                 {"maximum", the_larger},
                                                 {"minimum", the_smaller},
                                                 {"add", add},
                                                 {"sub", sub},
                                                 {"mul", mul},
                                                 {"div", div},
                                                 {"floor_divide", div},
                                                 {"reciprocal", reciprocal},
                                                 {"neg", neg},
                                                 {"abs", absolute},
                                                 {"remainder", remainder},
                                                 {"sqrt", square_root},
                                                 {"sigmoid", share},
                                                 {"softmax", share},
                                                 {"_softmax", share},
                                                 {"tanh", wave},
                                                 {"sin", wave},
                                                 {"cos", wave},
                                                 {"to", converted},
                                                 {"_to_copy", converted},
                                                 {"full", filled},
                                                 {"full_like", filled},
                                                 {"zeros", zeros},
                                                 {"zeros_like", zeros},
                                                 {"ones", ones},
                                                 {"ones_like", ones},
                                                 {"scalar_tensor", as_before},
                                                 {"arange", arange},
                                                 {"sum", total},
                                                 {"argmax", position},
                                                 {"argmin", position},
                                                 {"argsort", position},
                                                 {"nonzero", position},
                                                 {"nms", position}};
    for (const std::string_view name : {"ceil", "floor", "round", "trunc"}) made[name] = rounded;
    for (const std::string_view name : {"view",         "reshape",       "_unsafe_view",
                                        "select",       "slice",         "index",
                                        "index_select", "gather",        "expand",
                                        "permute",      "transpose",     "t",
                                        "squeeze",      "unsqueeze",     "clone",
                                        "contiguous",   "flatten",       "unbind",
                                        "split",        "chunk",         "split_with_sizes",
                                        "flip",         "roll",          "narrow",
                                        "repeat",       "masked_select", "amax",
                                        "amin",         "sort",          "topk",
                                        "detach",       "alias",         "movedim",
                                        "take",         "lift_fresh",    "lift_fresh_copy",
                                        "diagonal",     "unfold",        "unflatten"})
      made[name] = as_before;
    return made;
  }();
  return table;
}

/// "clamp" of "aten.clamp.Tensor".
std::string_view base_of(std::string_view name) {
  const std::size_t begin = name.find('.') + 1;
  return name.substr(begin, name.rfind('.') - begin);
}

Interval of_weight(const Value& weight) {
  if (is_complex(weight.type.dtype) || weight.data.numel() == 0 || weight.data.numel() > kMaxWeight) return {};
  const Tensor reals = weight.data.to(DType::f64).contiguous();
  const auto [low, high] = std::ranges::minmax(std::span(reals.as<double>(), static_cast<std::size_t>(reals.numel())));
  return low <= high ? Interval{low, high} : Interval{};
}

class Walk {
 public:
  explicit Walk(Graph& root) : root_(root) {}

  /// Returns what is known of the graph's outputs. `record`: whether what is known of inputs is certain, so that sizes
  /// get their bounds.
  std::vector<Interval> run(const Graph& graph, const std::vector<Interval>& inputs, bool record, int loops) {
    std::unordered_map<const Value*, Interval> known;
    for (std::size_t i = 0; i < graph.inputs.size(); ++i)
      known[graph.inputs[i]] = inputs.at(i) == Interval{} ? limits_of(graph.inputs[i]->type.dtype) : inputs[i];
    for (const Value* weight : graph.weights) known[weight] = of_weight(*weight);
    for (const auto& node : graph.nodes()) {
      if (!node->regions.empty())
        through_regions(*node, known, record, loops);
      else
        through(*node, known);
      if (record) bound_size(*node, known);
    }
    std::vector<Interval> outputs;
    for (const Value* output : graph.outputs) outputs.push_back(known[output]);
    return outputs;
  }

 private:
  using Known = std::unordered_map<const Value*, Interval>;

  void through(const Node& node, Known& known) const {
    const auto function = is_listed(node.op->id) ? functions().find(base_of(node.op->name)) : functions().end();
    const Interval found =
        function == functions().end() ? Interval{} : function->second(Context(node, known, root_.symbols));
    static constexpr std::array<std::string_view, 5> kParts = {"unbind", "split", "chunk", "split_with_sizes",
                                                               "tensor_split"};
    const bool parts = std::ranges::find(kParts, base_of(node.op->name)) != kParts.end();
    for (const Value* output : node.outputs) {
      const Interval limits = limits_of(output->type.dtype);
      const bool same_kind = output->index == 0 || parts;  // and not the positions beside them
      const bool fits = same_kind && found.within(limits) && !is_complex(output->type.dtype);
      known[output] = fits ? found : limits;
    }
  }

  void through_regions(const Node& node, Known& known, bool record, int loops) {
    std::vector<Interval> operands;
    for (const Value* value : region_operands(node)) operands.push_back(known[value]);
    std::vector<Interval> results;
    if (is_if(node)) {
      results = run(*node.regions[0], operands, record, loops);
      const std::vector<Interval> other = run(*node.regions[1], operands, record, loops);
      for (std::size_t i = 0; i < results.size(); ++i) results[i] = hull(results[i], other.at(i));
    } else {
      results = through_loop(node, operands, record, loops);
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) known[node.outputs[i]] = results.at(i);
  }

  /// What the loop carries is within what it was before, or anything.
  std::vector<Interval> through_loop(const Node& node, std::vector<Interval> operands, bool record, int loops) {
    const std::size_t carried = carried_count(node);
    for (bool settled = loops >= kMaxLoopDepth; !settled;) {
      settled = true;
      const std::vector<Interval> after = run(*node.regions[1], operands, false, loops + 1);
      for (std::size_t i = 0; i < carried; ++i) {
        if (after.at(i).within(operands[i])) continue;
        operands[i] = {};
        settled = false;
      }
    }
    if (loops >= kMaxLoopDepth) std::fill_n(operands.begin(), carried, Interval{});
    if (record)
      for (const auto& region : node.regions) run(*region, operands, true, loops + 1);
    operands.resize(carried);
    return operands;
  }

  void bound_size(const Node& node, const Known& known) {
    if (node.op->id != OpId::aten_item_default && node.op->id != OpId::aten__local_scalar_dense_default) return;
    const auto symbol = data_symbol(node);
    const auto found = known.find(node.args.at(0).value_or_null());
    if (!symbol || found == known.end() || !(found->second.high < 1e15)) return;
    const auto bound = static_cast<std::int64_t>(std::max(0.0, std::floor(found->second.high * kRoom) + 1));
    SymRange& range = root_.symbols[symbol->name];
    if (bound >= range.max || bound < range.min) return;
    range.max = bound;
    root_.bounds.try_emplace(symbol->name, bound);
  }

  Graph& root_;
};

/// Sizes that guards of the plan hold to others: x[:n] takes n to be at most what x has. The symbols' ranges stay as
/// they are, so that the guards stay.
class Facts {
 public:
  explicit Facts(Graph& graph) : graph_(graph) {
    std::vector<std::string> names;
    for (const Value* input : graph.inputs)
      for (const SymInt& size : input->type.shape) size.collect_symbols(names);
    given_.insert(names.begin(), names.end());
  }

  void run() {
    const bool data =
        std::ranges::any_of(graph_.symbols, [&](const auto& entry) { return !given_.contains(entry.first); });
    if (!data) return;
    const std::vector<SizeFact> facts = size_facts(graph_);
    bool found = true;
    for (int round = 0; found && round < kMaxRounds; ++round) {
      found = false;
      for (const SizeFact& fact : facts) found = use(fact) || found;
    }
  }

 private:
  static constexpr int kMaxRounds = 20;

  /// The most that is known of a symbol.
  std::int64_t most_of(const std::string& name) const {
    const auto range = graph_.symbols.find(name);
    const std::int64_t most = range == graph_.symbols.end() ? SymRange::kNoMax : range->second.max;
    const auto bound = graph_.bounds.find(name);
    return bound == graph_.bounds.end() ? most : std::min(most, bound->second.range(graph_.symbols).max);
  }
  /// Whether data decide the size, and nothing bounds it yet.
  bool is_open(const std::string& name) const { return !given_.contains(name) && most_of(name) == SymRange::kNoMax; }

  bool use(const SizeFact& fact) {
    const SymInt difference = fact.lhs - fact.rhs;
    bool found = false;
    for (const SymInt::Term& term : difference.terms()) {
      if (term.atoms.size() != 1 || term.atoms[0]->kind != SymInt::AtomKind::symbol) continue;
      if (term.coefficient != -1 && !(fact.equal && term.coefficient == 1)) continue;
      const std::string& name = term.atoms[0]->name;
      const SymInt size = SymInt::symbol(name);
      if (!given_.contains(name))
        found = bound(name, term.coefficient < 0 ? difference + size : size - difference) || found;
    }
    return found;
  }

  bool bound(const std::string& name, const SymInt& most) {
    for (const SymInt::Term& term : most.terms())
      for (const auto& atom : term.atoms)
        if (atom->kind != SymInt::AtomKind::symbol || atom->name == name ||
            (term.coefficient > 0 && is_open(atom->name)))
          return false;
    try {
      const SymInt known = upper_bound(most, graph_, SymRange::kNoMax);
      const SymRange range = known.range(graph_.symbols);
      const bool bounded = graph_.bounds.contains(name) || !is_open(name);
      if (bounded && range.max >= most_of(name)) return false;
      graph_.bounds[name] = range.min >= 0 ? known : max(SymInt(0), known);
      return true;
    } catch (const Unsupported&) {
      return false;
    }
  }

  Graph& graph_;
  std::set<std::string, std::less<>> given_;
};

}  // namespace

void bound_numbers(Graph& graph, const PassContext& /*context*/) {
  Walk(graph).run(graph, std::vector<Interval>(graph.inputs.size()), true, 0);
  Facts(graph).run();
  spread_symbols(graph);
}

}  // namespace aitune
