#include "compiler/ops/data_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "compiler/graph/text.h"
#include "compiler/ops/infer.h"

namespace aitune {
namespace {

using Bound = std::optional<SymInt> (*)(const infer::Call&);

std::optional<SymInt> elements(const infer::Call& call) {
  return product(call.shape(call.has("self") ? "self" : "condition"));
}
std::optional<SymInt> elements_of_both(const infer::Call& call) {
  return product(infer::broadcast(call, call.shape("self"), call.shape("mask")));
}
std::optional<SymInt> rows(const infer::Call& call) { return call.shape("dets").at(0); }
std::optional<SymInt> none(const infer::Call&) { return std::nullopt; }

std::optional<SymInt> unique_rows(const infer::Call& call) {
  if (!call.given("dim")) return elements(call);
  const SymShape& shape = call.shape("self");
  return shape.empty() ? SymInt(1) : shape[call.dim("dim", shape.size())];
}

/// Elements of the mask.
std::optional<SymInt> kept(const infer::Call& call) {
  for (const Arg& index : call["indices"].list())
    if (index.is_value() && infer::is_mask(index.value()->type.dtype)) return product(index.value()->type.shape);
  return std::nullopt;
}

const std::map<OpId, Bound>& bounds() {
  using enum OpId;
  static const std::map<OpId, Bound> table = {{aten_nonzero_default, elements},
                                              {aten_argwhere_default, elements},
                                              {aten_nonzero_numpy_default, elements},
                                              {aten_where_default, elements},
                                              {aten_masked_select_default, elements_of_both},
                                              {aten_index_Tensor, kept},
                                              {aten__unique_default, elements},
                                              {aten__unique2_default, elements},
                                              {aten_unique_dim_default, unique_rows},
                                              {aten_unique_consecutive_default, unique_rows},
                                              {aten_unique_dim_consecutive_default, unique_rows},
                                              {aten_repeat_interleave_Tensor, none},
                                              {aten_repeat_interleave_self_Tensor, none},
                                              {aten_bincount_default, none},
                                              {aten_item_default, none},
                                              {aten__local_scalar_dense_default, none},
                                              {torchvision_nms_default, rows}};
  return table;
}

using Substitution = std::map<std::string, SymInt, std::less<>>;

void substitute(ArgList& args, const Substitution& map) {
  for (Arg& arg : args) {
    if (auto* size = std::get_if<SymInt>(&arg))
      *size = size->substitute(map);
    else if (auto* list = std::get_if<ArgList>(&arg))
      substitute(*list, map);
  }
}

void substitute(TensorType& type, const Substitution& map) {
  for (SymInt& size : type.shape)
    if (!size.is_constant()) size = size.substitute(map);
}

void collect(const ArgList& args, std::vector<std::string>& names) {
  for (const Arg& arg : args) {
    if (const auto* size = std::get_if<SymInt>(&arg))
      size->collect_symbols(names);
    else if (const auto* list = std::get_if<ArgList>(&arg))
      collect(*list, names);
  }
}

/// Bounds of symbolic sizes, by the rules of intervals but with symbols of the inputs kept as they are.
class Bounder {
 public:
  Bounder(const Graph& graph, std::int64_t limit) : graph_(graph), limit_(limit) {
    for (const Value* input : graph.inputs)
      for (const SymInt& size : input->type.shape) {
        std::vector<std::string> names;
        size.collect_symbols(names);
        given_.insert(names.begin(), names.end());
      }
  }

  SymInt upper(const SymInt& size, int depth = 0) const {
    if (!depends(size)) return size;
    if (depth > kMaxDepth) fail(size);
    SymInt sum = 0;
    for (const SymInt::Term& term : size.terms()) {
      SymInt factor = term.coefficient;
      const bool grows = term.coefficient > 0;
      for (const auto& atom : term.atoms) {
        // Sizes are products of what is never negative: each factor at its most, or, with a minus in front, its least.
        const SymInt whole = to_size(*atom);
        if (!depends(whole)) {
          factor *= whole;
        } else if (grows) {
          factor *= upper_of(*atom, depth + 1);
        } else {
          const std::int64_t least = whole.range(graph_.symbols).min;
          if (least < 0 && (term.atoms.size() > 1 || least < -limit_)) fail(size);
          factor *= least;
        }
      }
      sum += factor;
    }
    return sum;
  }

 private:
  static constexpr int kMaxDepth = 32;

  [[noreturn]] static void fail(const SymInt& size) {
    throw Unsupported(
        fmt::format("the memory for {} cannot be planned: it depends on data in a way that has no bound", size.str()),
        "sizes that data decide", "Limit the size in the model: torch._check(size <= LIMIT)");
  }

  bool depends(const SymInt& size) const {
    if (size.is_constant()) return false;
    std::vector<std::string> names;
    size.collect_symbols(names);
    return std::ranges::any_of(names, [&](const std::string& name) { return !given_.contains(name); });
  }

  SymInt upper_of(const SymInt::Atom& atom, int depth) const {
    switch (atom.kind) {
      case SymInt::AtomKind::symbol:
        return upper_of_symbol(atom.name, depth);
      case SymInt::AtomKind::floordiv:
        if (depends(atom.rhs) || atom.rhs.range(graph_.symbols).min < 1) break;
        return floordiv(upper(atom.lhs, depth), atom.rhs);
      case SymInt::AtomKind::mod:
        return upper(atom.rhs, depth);
      case SymInt::AtomKind::min:
        // One that does not depend on data is bound enough, and keeps the formula short.
        if (!depends(atom.lhs)) return atom.lhs;
        if (!depends(atom.rhs)) return atom.rhs;
        return min(upper(atom.lhs, depth), upper(atom.rhs, depth));
      case SymInt::AtomKind::max:
        return max(upper(atom.lhs, depth), upper(atom.rhs, depth));
    }
    fail(to_size(atom));
  }

  SymInt upper_of_symbol(const std::string& name, int depth) const {
    if (given_.contains(name)) return SymInt::symbol(name);
    if (const auto known = known_.find(name); known != known_.end()) return known->second;
    if (const auto bound = graph_.bounds.find(name); bound != graph_.bounds.end())
      return known_[name] = upper(bound->second, depth);
    const auto range = graph_.symbols.find(name);
    if (range == graph_.symbols.end()) fail(SymInt::symbol(name));
    return std::min(range->second.max, limit_);
  }

  const Graph& graph_;
  std::int64_t limit_;
  mutable Substitution known_;
  std::set<std::string, std::less<>> given_;
};

}  // namespace

const SymInt& data_size() {
  static const SymInt size = SymInt::symbol("?");
  return size;
}

std::optional<DataSizePlace> data_size_place(std::span<const TensorType> inferred) {
  for (std::size_t i = 0; i < inferred.size(); ++i)
    for (std::size_t d = 0; d < inferred[i].shape.size(); ++d)
      if (inferred[i].shape[d] == data_size()) return DataSizePlace{i, d};
  return std::nullopt;
}

bool may_have_data_size(const OpInfo& op) { return bounds().contains(op.id); }

std::optional<SymInt> data_size_bound(const OpInfo& op, const ArgList& args) {
  const auto bound = bounds().find(op.id);
  return bound == bounds().end() ? std::nullopt : bound->second(infer::Call(op, args));
}

std::int64_t data_size_minimum(const OpInfo& op, const ArgList& args) {
  if (op.id != OpId::aten_bincount_default) return 0;
  return std::max<std::int64_t>(0, infer::Call(op, args).sym("minlength").as_constant().value_or(0));
}

void name_data_size(Graph& graph, const OpInfo& op, const ArgList& args, std::vector<TensorType>& types,
                    const std::string& wanted) {
  if (!may_have_data_size(op) || !data_size_place(types)) return;
  constexpr int kShort = 16;  // then the graph counts on: there may be very many
  std::string name = wanted;
  for (int i = 0; name.empty() || graph.symbols.contains(name) || is_reserved_word(name); ++i) {  // u8 is a dtype
    const bool counted = i < kShort;
    if (wanted.empty())
      name = counted ? fmt::format("u{}", i) : graph.unique_name("u");
    else
      name = counted ? fmt::format("{}_{}", wanted, i + 1) : graph.unique_name(wanted);
  }
  graph.symbols[name] = {data_size_minimum(op, args), SymRange::kNoMax};
  if (const auto bound = data_size_bound(op, args)) graph.bounds[name] = *bound;
  for (TensorType& type : types) substitute(type, {{"?", SymInt::symbol(name)}});
}

std::optional<DataSymbol> data_symbol(const Node& node) {
  if (node.op == nullptr || !may_have_data_size(*node.op)) return std::nullopt;
  const auto place = data_size_place(infer_types(*node.op, node.args));
  if (!place) return std::nullopt;
  const SymInt& stated = node.outputs.at(place->output)->type.shape.at(place->dim);
  std::vector<std::string> names;
  stated.collect_symbols(names);
  if (names.size() != 1 || !(stated == SymInt::symbol(names[0])))
    throw InternalError(fmt::format("the size {} is decided by data and must be a symbol", stated.str()), print(node));
  return DataSymbol{names[0], *place};
}

std::vector<std::string> symbols_of(const Node& node) {
  std::vector<std::string> names;
  collect(node.args, names);
  for (const Value* output : node.outputs)
    for (const SymInt& size : output->type.shape) size.collect_symbols(names);
  for (const auto& region : node.regions)
    for (const auto& inner : region->nodes()) {
      const std::vector<std::string> inside = symbols_of(*inner);
      names.insert(names.end(), inside.begin(), inside.end());
    }
  return names;
}

void replace_symbol(Graph& graph, const std::string& symbol, const SymInt& value) {
  const Substitution map = {{symbol, value}};
  for (const auto& node : graph.nodes()) {
    substitute(node->args, map);
    for (Value* output : node->outputs) substitute(output->type, map);
    for (const auto& region : node->regions) {
      for (Value* input : region->inputs) substitute(input->type, map);
      replace_symbol(*region, symbol, value);
    }
  }
  for (auto& [name, bound] : graph.bounds) bound = bound.substitute(map);
  graph.bounds.erase(symbol);
  graph.symbols.erase(symbol);
}

void drop_unused_symbols(Graph& graph) {
  std::vector<std::string> names;
  for (const Value* input : graph.inputs)
    for (const SymInt& size : input->type.shape) size.collect_symbols(names);
  for (const auto& node : graph.nodes()) {
    const std::vector<std::string> own = symbols_of(*node);
    names.insert(names.end(), own.begin(), own.end());
  }
  std::set<std::string, std::less<>> used(names.begin(), names.end());
  for (std::size_t before = 0; before != used.size();) {  // bounds of bounds, too
    before = used.size();
    for (const auto& [name, bound] : graph.bounds) {
      if (!used.contains(name)) continue;
      std::vector<std::string> others;
      bound.collect_symbols(others);
      used.insert(others.begin(), others.end());
    }
  }
  std::erase_if(graph.symbols, [&](const auto& entry) { return !used.contains(entry.first); });
  std::erase_if(graph.bounds, [&](const auto& entry) { return !used.contains(entry.first); });
}

SymInt upper_bound(const SymInt& size, const Graph& graph, std::int64_t limit) {
  return size.is_constant() ? size : Bounder(graph, limit).upper(size);
}

}  // namespace aitune
