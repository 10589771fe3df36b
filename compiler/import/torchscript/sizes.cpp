// Sizes that move, and those that data decide: as tensors, with what is known of them, and where they are known.

#include <algorithm>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {

SymRange Evaluator::range_of(const SymInt& size) const {
  if (narrowed_.empty() || size.is_constant()) return size.range(model_.symbols);
  if (const auto known = narrowed_.find(size.str()); known != narrowed_.end()) return known->second;
  SymRanges ranges;
  std::vector<std::string> names;
  size.collect_symbols(names);
  for (const std::string& name : names) {
    if (const auto known = model_.symbols.find(name); known != model_.symbols.end()) ranges[name] = known->second;
    if (const auto known = narrowed_.find(name); known != narrowed_.end()) ranges[name] = known->second;
  }
  return size.range(ranges);
}

/// What `size <= limit`, or `size >= limit`, says of itself, and of a symbol where it is the only one.
void Evaluator::narrow(Narrowed& ranges, const SymInt& size, bool at_most, std::int64_t limit) const {
  if (size.is_constant()) return;
  SymRange& whole = ranges.try_emplace(size.str(), range_of(size)).first->second;
  if (at_most)
    whole.max = std::max(whole.min, std::min(whole.max, limit));
  else
    whole.min = std::min(whole.max, std::max(whole.min, limit));
  std::int64_t factor = 0, constant = 0;
  const SymInt::Atom* atom = nullptr;
  for (const SymInt::Term& term : size.terms()) {
    if (term.atoms.empty()) {
      constant = term.coefficient;
    } else if (term.atoms.size() == 1 && atom == nullptr) {
      factor = term.coefficient;
      atom = term.atoms[0].get();
    } else {
      return;
    }
  }
  std::int64_t rest = 0;
  if (atom == nullptr || factor == INT64_MIN || __builtin_sub_overflow(limit, constant, &rest) || rest == INT64_MIN)
    return;
  if (factor < 0) {
    factor = -factor;
    rest = -rest;
    at_most = !at_most;
  }
  const std::int64_t down = rest / factor - (rest % factor < 0 ? 1 : 0);
  const std::int64_t bound = at_most || rest % factor == 0 ? down : down + 1;
  if (atom->kind == SymInt::AtomKind::symbol) {
    SymRange& range = ranges.try_emplace(atom->name, range_of(SymInt::symbol(atom->name))).first->second;
    if (at_most)
      range.max = std::max(range.min, std::min(range.max, bound));
    else
      range.min = std::min(range.max, std::max(range.min, bound));
  } else if (atom->kind == SymInt::AtomKind::min) {
    // The smaller one is at most as large; where it is not the one, it is the other.
    for (const auto& [one, other] : {std::pair(atom->lhs, atom->rhs), std::pair(atom->rhs, atom->lhs)})
      if (!at_most || range_of(other).min > bound) narrow(ranges, one, at_most, bound);
  }
}

Evaluator::Narrowed Evaluator::narrowed_by(const Unknown& condition, bool holds) const {
  Narrowed ranges = narrowed_;
  if (condition.comparison == nullptr) return ranges;
  const auto& [order, difference] = *condition.comparison;
  const bool equal = order == (holds ? Order::eq : Order::ne);
  const bool below = order == (holds ? Order::lt : Order::ge), above = order == (holds ? Order::gt : Order::le);
  if (equal || below || order == (holds ? Order::le : Order::gt)) narrow(ranges, difference, true, below ? -1 : 0);
  if (equal || above || order == (holds ? Order::ge : Order::lt)) narrow(ranges, difference, false, above ? 1 : 0);
  return ranges;
}

Value* Evaluator::size_tensor(Graph& graph, const SymInt& size) {
  const OpInfo& op = op_info(OpId::aten_full_default);
  ArgList args = bind_arguments(op, {ArgList{}, size}, {{"dtype", DType::i64}});
  Node* node = graph.add_node(op, std::move(args), {{DType::i64, {}}}, "size");
  node->source = location();
  return node->output();
}

void Evaluator::name_size(const OpInfo& op, const ArgList& args, std::vector<TensorType>& types) {
  const auto place = data_size_place(types);
  if (!place) return;
  // Names are the model's own, whichever graph the node is in.
  name_data_size(model_, op, args, types);
  const std::string name = types[place->output].shape[place->dim].str();
  SymRange& range = model_.symbols[name];
  if (const auto bound = model_.bounds.find(name); bound != model_.bounds.end())
    range.max = std::max(range.min, std::min(range.max, bound->second.range(model_.symbols).max));
  graph_->symbols[name] = range;
  homes_[name] = graph_;
}

bool Evaluator::is_known_in(const Graph& outside, const TensorType& type) const {
  if (&outside == graph_) return is_visible(type);
  std::vector<std::string> names;
  for (const SymInt& size : type.shape) size.collect_symbols(names);
  return is_visible(type) && std::ranges::none_of(names, [&](const std::string& name) {
           const auto home = homes_.find(name);
           return home != homes_.end() && home->second == graph_;
         });
}

std::optional<SymInt> Evaluator::bound_of(const SymInt& size) const {
  const auto is_open = [&](const std::string& name) {
    const auto range = model_.symbols.find(name);
    const bool bounded = model_.bounds.contains(name) || !homes_.contains(name);
    return !bounded && (range == model_.symbols.end() || range->second.max == SymRange::kNoMax);
  };
  for (const SymInt::Term& term : size.terms()) {
    const bool shrinks = term.coefficient < 0 && term.atoms.size() == 1 &&
                         term.atoms[0]->kind == SymInt::AtomKind::symbol;  // at least nothing is taken away
    std::vector<std::string> names;
    if (!shrinks)
      for (const auto& atom : term.atoms) to_size(*atom).collect_symbols(names);
    if (std::ranges::any_of(names, is_open)) return std::nullopt;
  }
  try {
    return upper_bound(size, model_, SymRange::kNoMax);
  } catch (const Unsupported&) {
    return std::nullopt;
  }
}

void Evaluator::bound_by(const std::vector<SizeFact>& facts) {
  for (const SizeFact& fact : facts) {
    const SymInt difference = fact.lhs - fact.rhs;
    for (const SymInt::Term& term : difference.terms()) {
      if (term.coefficient != -1 || term.atoms.size() != 1 || term.atoms[0]->kind != SymInt::AtomKind::symbol) continue;
      const std::string& name = term.atoms[0]->name;
      const auto home = homes_.find(name);
      if (home == homes_.end() || home->second != graph_ || model_.bounds.contains(name)) continue;
      const SymInt size = SymInt::symbol(name);
      if (const auto most = bound_of(difference + size)) bound_size(size, max(SymInt(0), *most));
    }
  }
}

SymInt Evaluator::at_most(const SymInt& size) const {
  SymInt most = size;
  for (int depth = 0; depth < kMaxRegionDepth; ++depth) {  // branches in branches
    const auto linear = linear_size(most);
    const auto known = linear ? at_most_.find(linear->symbol) : at_most_.end();
    if (known == at_most_.end()) break;
    most = known->second * linear->factor + linear->offset;
  }
  return most;
}

void Evaluator::bound_size(const SymInt& size, const SymInt& bound) {
  const std::string name = size.str();
  SymRange& range = model_.symbols[name];
  range.max = std::max(range.min, std::min(range.max, bound.range(model_.symbols).max));
  model_.bounds[name] = bound;
  graph_->symbols[name] = range;
}

Value* Evaluator::padded(Value* value, const std::vector<std::size_t>& dims, const std::vector<SymInt>& bounds) {
  // From the last dimension to the first one that is padded: none before, the rest behind.
  Vals amounts;
  const SymShape shape = value->type.shape;
  for (std::size_t d = shape.size(); d-- > dims.front();) {
    amounts.emplace_back(SymInt(0));
    const auto at = std::ranges::find(dims, d);
    amounts.emplace_back(at == dims.end() ? SymInt(0) : bounds[static_cast<std::size_t>(at - dims.begin())] - shape[d]);
  }
  Value* made = tensor(call_operator(*this, "constant_pad_nd", {value, make_list(std::move(amounts))}, {}));
  for (std::size_t i = 0; i < dims.size(); ++i) made->type.shape[dims[i]] = bounds[i];
  return made;
}

Value* Evaluator::without_padding(Value* value, const std::vector<std::size_t>& dims, const std::vector<SymInt>& bounds,
                                  const std::vector<Value*>& sizes) {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const Val known = call_operator(*this, "item", {sizes[i]}, {});
    bound_size(*known.get<SymInt>(), bounds[i]);
    value = tensor(call_operator(*this, "slice",
                                 {value, SymInt(static_cast<std::int64_t>(dims[i])), SymInt(0), known, SymInt(1)}, {}));
    value->type.shape[dims[i]] = *known.get<SymInt>();
  }
  return value;
}

bool Evaluator::is_visible(const SymInt& size) const {
  if (size.is_constant()) return true;
  std::vector<std::string> names;
  size.collect_symbols(names);
  return std::ranges::all_of(names, [&](const std::string& name) {
    const auto home = homes_.find(name);
    return home == homes_.end() || home->second == graph_ || std::ranges::find(around_, home->second) != around_.end();
  });
}

bool Evaluator::is_visible(const TensorType& type) const {
  return std::ranges::all_of(type.shape, [&](const SymInt& size) { return is_visible(size); });
}

void Evaluator::note_sum(const Value* sum, Value* number, const SymInt& more) {
  // Only a number that is never negative is a size wherever the sum is one.
  const auto constant = more.as_constant();
  if (constant && *constant >= 0 && number_bounds_.contains(number)) sums_.try_emplace(sum, number, more);
}

Val Evaluator::number_as_size(const Val& value) {
  const auto* unknown = value.get<Unknown>();
  if (unknown == nullptr || unknown->value == nullptr || unknown->value->type.dtype != DType::i64) return value;
  const auto known = sizes_of_numbers_.find(unknown->value);
  if (known != sizes_of_numbers_.end() && is_visible(*known->second.get<SymInt>())) return known->second;
  if (const auto sum = sums_.find(unknown->value); sum != sums_.end()) {
    const Val counter = number_as_size(Unknown{unknown->reason, sum->second.first});
    return *counter.get<SymInt>() + sum->second.second;
  }
  const Val size = call_operator(*this, "item", {unknown->value}, {});
  if (const auto bound = number_bounds_.find(unknown->value); bound != number_bounds_.end())
    bound_size(*size.get<SymInt>(), bound->second);
  return sizes_of_numbers_[unknown->value] = size;
}

}  // namespace aitune::torchscript
