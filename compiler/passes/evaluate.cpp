#include "compiler/passes/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"
#include "compiler/ops/size_facts.h"
#include "compiler/passes/rewrite.h"
#include "engines/reference/run/op_call.h"

namespace aitune {
namespace {

using reference::NoneArg;
using reference::OpArg;
using reference::OpArgList;

Shape concrete_shape(const SymShape& shape, const SymValues& symbols) {
  Shape result;
  result.reserve(shape.size());
  for (const SymInt& size : shape) result.push_back(size.evaluate(symbols));
  return result;
}

/// Turns the arguments of a node into those of a kernel call; tensors are taken from `operands` in order.
class ArgConverter {
 public:
  ArgConverter(std::span<const Tensor> operands, const SymValues& symbols) : operands_(operands), symbols_(symbols) {}

  OpArgList convert(const ArgList& args) {
    OpArgList result;
    result.reserve(args.size());
    for (const Arg& arg : args) result.push_back(convert(arg));
    return result;
  }

 private:
  OpArg convert(const Arg& arg) {
    if (arg.is_none()) return NoneArg{};
    if (const auto* v = std::get_if<bool>(&arg)) return *v;
    if (const auto* v = std::get_if<SymInt>(&arg)) return v->evaluate(symbols_);
    if (const auto* v = std::get_if<double>(&arg)) return *v;
    if (const auto* v = std::get_if<std::string>(&arg)) return *v;
    if (const auto* v = std::get_if<DType>(&arg)) return *v;
    if (const auto* v = std::get_if<MemoryFormat>(&arg)) return static_cast<std::int64_t>(*v);
    if (arg.is_value()) {
      if (next_ >= operands_.size()) throw InternalError("fewer operands than the node has tensor arguments");
      return operands_[next_++];
    }
    return convert(arg.list());
  }

  std::span<const Tensor> operands_;
  const SymValues& symbols_;
  std::size_t next_ = 0;
};

template <typename T>
void transpose_tiles(const std::byte* from, std::byte* to, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kTile = 32;
  const T* source = reinterpret_cast<const T*>(from);
  T* target = reinterpret_cast<T*>(to);
  for (std::int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (std::int64_t c0 = 0; c0 < columns; c0 += kTile) {
      for (std::int64_t c = c0; c < std::min(c0 + kTile, columns); ++c) {
        for (std::int64_t r = r0; r < std::min(r0 + kTile, rows); ++r) target[c * rows + r] = source[r * columns + c];
      }
    }
  }
}

/// A transposed matrix. Weights are transposed while they are folded, and there this is what takes the time.
std::optional<Tensor> transpose_matrix(const Node& node, const Tensor& operand) {
  if (node.op_name() != "aten.permute.default" || operand.dim() != 2 || !operand.is_contiguous()) return std::nullopt;
  if (node.args.at(1).int_list() != std::vector<std::int64_t>{1, 0}) return std::nullopt;
  Tensor result(operand.dtype(), {operand.size(1), operand.size(0)});
  switch (dtype_size(operand.dtype())) {
    case 1:
      transpose_tiles<std::uint8_t>(operand.data(), result.data(), operand.size(0), operand.size(1));
      break;
    case 2:
      transpose_tiles<std::uint16_t>(operand.data(), result.data(), operand.size(0), operand.size(1));
      break;
    case 4:
      transpose_tiles<std::uint32_t>(operand.data(), result.data(), operand.size(0), operand.size(1));
      break;
    case 8:
      transpose_tiles<std::uint64_t>(operand.data(), result.data(), operand.size(0), operand.size(1));
      break;
    default:
      return std::nullopt;
  }
  return result;
}

/// A size of the form a*s + b with an unbound symbol gives that symbol.
void solve(const SymInt& size, std::int64_t actual, SymValues& values) {
  const auto linear = linear_size(size);
  if (!linear || (actual - linear->offset) % linear->factor != 0) return;
  values.try_emplace(linear->symbol, (actual - linear->offset) / linear->factor);
}

[[noreturn]] void mismatch(std::size_t index, const Tensor& got, const Value& expected, std::string_view why) {
  throw InvalidArgument(
      fmt::format("{}: expected {}, got {}", why, to_string(expected.type), describe(got.dtype(), got.shape())),
      fmt::format("input {} '{}'", index, expected.name), "Give a tensor of the dtype and sizes that are expected");
}

void check_ranges(const Graph& graph, const SymValues& values) {
  for (const auto& [name, value] : values) {
    const auto range = graph.symbols.find(name);
    if (range == graph.symbols.end()) continue;
    if (value < range->second.min || value > range->second.max) {
      throw InvalidArgument(
          fmt::format("{} is {}, outside of its range [{}, {}]", name, value, range->second.min,
                      range->second.max == SymRange::kNoMax ? "inf" : std::to_string(range->second.max)),
          "inputs", "Use sizes within the ranges that the model was exported with");
    }
  }
}

}  // namespace

SymValues bind_symbols(const Graph& graph, std::span<const Tensor> inputs) {
  if (inputs.size() != graph.inputs.size()) {
    throw InvalidArgument(fmt::format("{} inputs given, the model takes {}", inputs.size(), graph.inputs.size()));
  }
  SymValues values;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& expected = *graph.inputs[i];
    if (inputs[i].dtype() != expected.type.dtype || inputs[i].shape().size() != expected.type.shape.size()) {
      const bool dtype = inputs[i].dtype() != expected.type.dtype;
      mismatch(i, inputs[i], expected, dtype ? "wrong dtype" : "wrong rank");
    }
    for (std::size_t d = 0; d < expected.type.shape.size(); ++d) {
      solve(expected.type.shape[d], inputs[i].size(d), values);
    }
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& expected = *graph.inputs[i];
    if (concrete_shape(expected.type.shape, values) != inputs[i].shape()) {
      mismatch(i, inputs[i], expected, "wrong size");
    }
  }
  check_ranges(graph, values);
  return values;
}

namespace {

/// `facts` are checked as soon as the sizes in them are known; `sizes` gets all of these.
std::vector<Tensor> run_graph(const Graph& graph, std::span<const Tensor> inputs, SymValues symbols,
                              const NodeObserver& observer, std::vector<SizeFact> facts = {},
                              SymValues* sizes = nullptr);

std::vector<Tensor> run_region(const Graph& region, std::span<const Tensor> inputs, const SymValues& symbols,
                               const NodeObserver& observer);

bool is_true(const Tensor& condition) { return *condition.contiguous().as<const std::uint8_t>() != 0; }

std::vector<Tensor> run_loop(const Node& node, std::span<const Tensor> operands, const SymValues& symbols,
                             const NodeObserver& observer) {
  std::vector<Tensor> values(operands.begin(), operands.end());
  const auto limit = node.args.at(2).is_none() ? std::nullopt : std::optional(node.args[2].sym().evaluate(symbols));
  for (std::int64_t trips = 0; is_true(run_region(*node.regions[0], values, symbols, observer).at(0)); ++trips) {
    if (limit && trips >= *limit)
      throw InvalidArgument(fmt::format("the loop does not end within {} trips", *limit), "",
                            "Give inputs for which it ends sooner");
    auto next = run_region(*node.regions[1], values, symbols, observer);
    std::ranges::move(next, values.begin());
  }
  values.resize(node.outputs.size());
  return values;
}

std::vector<Tensor> run_regions(const Node& node, std::span<const Tensor> operands, const SymValues& symbols,
                                const NodeObserver& observer) {
  if (is_loop(node)) return run_loop(node, operands, symbols, observer);
  return run_region(*node.regions[is_true(operands[0]) ? 0 : 1], operands.subspan(1), symbols, observer);
}

}  // namespace

std::vector<Tensor> evaluate_node(const Node& node, std::span<const Tensor> operands, const SymValues& symbols) {
  if (node.op->has_regions()) return run_regions(node, operands, symbols, {});
  if (node.op_name() == "aten.view.default" && operands.size() == 1) {  // shares the bytes instead of copying them
    const Tensor source = operands[0].contiguous();
    Shape shape = concrete_shape(node.output()->type.shape, symbols);
    if (element_count(shape) == source.numel()) {
      Shape strides = contiguous_strides(shape);
      return {Tensor(source.dtype(), std::move(shape), std::move(strides), source.owner(), source.data())};
    }
  }
  if (operands.size() == 1) {
    if (auto transposed = transpose_matrix(node, operands[0])) return {*transposed};
  }
  const OpArgList args = ArgConverter(operands, symbols).convert(node.args);
  std::vector<Tensor> outputs;
  outputs.reserve(node.outputs.size());
  if (data_symbol(node)) {
    for (const Value* output : node.outputs) outputs.emplace_back(output->type.dtype, Shape{0});
    reference::run_op({node.op->id, args, outputs, true});
    return outputs;
  }
  for (const Value* output : node.outputs) {
    outputs.emplace_back(output->type.dtype, concrete_shape(output->type.shape, symbols));
  }
  reference::run_op({node.op->id, args, outputs});
  return outputs;
}

namespace {

/// What a size turned out to be, within its range.
void bind_data_symbol(const Graph& graph, const DataSymbol& symbol, std::span<const Tensor> results,
                      SymValues& values) {
  values[symbol.name] = results[symbol.place.output].size(symbol.place.dim);
  check_ranges(graph, {{symbol.name, values[symbol.name]}});
}

bool is_known(const SizeFact& fact, const SymValues& values) {
  std::vector<std::string> names;
  fact.lhs.collect_symbols(names);
  fact.rhs.collect_symbols(names);
  return std::ranges::all_of(names, [&](const std::string& name) { return values.contains(name); });
}

/// Takes those facts out of `facts` that can be checked, and checks them.
void check_known_facts(const Graph& graph, std::vector<SizeFact>& facts, const SymValues& values) {
  const auto unknown =
      std::stable_partition(facts.begin(), facts.end(), [&](const SizeFact& fact) { return !is_known(fact, values); });
  for (auto fact = unknown; fact != facts.end(); ++fact) {
    try {
      check_size_facts({*fact}, values);
    } catch (const InvalidArgument& error) {
      const Node* node = node_of_fact(graph, *fact);
      if (node == nullptr) throw;
      throw InvalidArgument(error.problem(), describe_node(*node), error.fix());
    }
  }
  facts.erase(unknown, facts.end());
}

std::vector<Tensor> run_region(const Graph& region, std::span<const Tensor> inputs, const SymValues& symbols,
                               const NodeObserver& observer) {
  std::vector<SizeFact> facts = region_size_facts(region);
  check_known_facts(region, facts, symbols);
  return run_graph(region, inputs, symbols, observer, std::move(facts));
}

std::vector<Tensor> run_graph(const Graph& graph, std::span<const Tensor> inputs, SymValues symbols,
                              const NodeObserver& observer, std::vector<SizeFact> facts, SymValues* sizes) {
  std::unordered_map<const Value*, Tensor> live;
  for (std::size_t i = 0; i < inputs.size(); ++i) live.emplace(graph.inputs[i], inputs[i]);
  for (const Value* weight : graph.weights) live.emplace(weight, weight->data);

  std::unordered_set<const Value*> kept(graph.outputs.begin(), graph.outputs.end());
  std::unordered_map<const Value*, const Node*> last_use;
  for (const auto& node : graph.nodes()) {
    for (const Value* value : node->outputs) last_use[value] = node.get();
    for (const Value* value : node->operands()) last_use[value] = node.get();
  }
  for (const auto& node : graph.nodes()) {
    std::vector<Tensor> operands;
    for (const Value* value : node->operands()) operands.push_back(live.at(value));
    std::vector<Tensor> results;
    try {
      results = node->op->has_regions() ? run_regions(*node, operands, symbols, observer)
                                        : evaluate_node(*node, operands, symbols);
      if (const auto symbol = data_symbol(*node)) {
        bind_data_symbol(graph, *symbol, results, symbols);
        check_known_facts(graph, facts, symbols);
      }
    } catch (const Error& error) {
      if (node->op->has_regions() && error.where().starts_with('%')) throw;  // it names the node inside
      throw Error(error.code(), error.problem(), describe_node(*node), error.fix());
    }
    if (observer) observer(*node, results);
    for (std::size_t i = 0; i < results.size(); ++i) live[node->outputs[i]] = std::move(results[i]);
    const auto release = [&](const Value* value) {
      if (last_use.at(value) == node.get() && !kept.contains(value)) live.erase(value);
    };
    for (const Value* value : node->operands()) release(value);
    for (const Value* value : node->outputs) release(value);
  }
  if (sizes != nullptr) *sizes = symbols;
  std::vector<Tensor> outputs;
  for (const Value* value : graph.outputs) outputs.push_back(live.at(value));
  return outputs;
}

}  // namespace

std::vector<Tensor> evaluate(const Graph& graph, std::span<const Tensor> inputs, const NodeObserver& observer,
                             SymValues* sizes) {
  SymValues symbols = bind_symbols(graph, inputs);
  std::vector<SizeFact> facts = size_facts(graph);
  check_known_facts(graph, facts, symbols);
  return run_graph(graph, inputs, std::move(symbols), observer, std::move(facts), sizes);
}

NodeEvaluator reference_evaluator() {
  return [](const Node& node, std::span<const Tensor> operands, const SymValues& symbols) {
    return evaluate_node(node, operands, symbols);
  };
}

}  // namespace aitune
