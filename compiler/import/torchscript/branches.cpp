// An `if` that data decide: both branches run, and what they leave behind is merged.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/graph_scope.h"
#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxJoinDepth = 20;  // of lists within lists

constexpr std::string_view kFix =
    "give it the same type and sizes in both branches; or decide by torch.where, or outside of the model";

bool is_unset(const Val& value) { return value.get<Uninitialized>() != nullptr; }

std::string describe(const Val& value, const Value* tensor) {
  return tensor != nullptr ? to_string(tensor->type) : std::string(value.kind());
}

}  // namespace

/// Merges the values of the two branches. First it gathers the results that the node will have, and gives nothing of
/// use; then, asked for the same values again, it gives them.
class Evaluator::Merger {
 public:
  /// `lists`: what each of them has made of lists from outside; `narrowed`: what is known of sizes in each.
  Merger(Evaluator& evaluator, Graph& first, Graph& second, const ListStates& lists_first,
         const ListStates& lists_second, const Narrowed& narrowed_first, const Narrowed& narrowed_second)
      : evaluator_(evaluator),
        first_(first),
        second_(second),
        lists_first_(lists_first),
        lists_second_(lists_second),
        narrowed_first_(narrowed_first),
        narrowed_second_(narrowed_second) {}

  Val merge(const Val& a, const Val& b, int depth = 0) {
    evaluator_.charge();
    if (identical(a, b)) return a;
    if (depth < kMaxJoinDepth && (is_optional(a) || is_optional(b))) return optional(a, b, depth);
    if (is_unset(a)) return fill(b, true);
    if (is_unset(b)) return fill(a, false);
    const Vals *x = a.items(), *y = b.items();
    if (x != nullptr && y != nullptr && x->size() == y->size() && a.index() == b.index() && depth < kMaxJoinDepth) {
      Vals merged;
      for (std::size_t i = 0; i < x->size(); ++i) merged.push_back(merge((*x)[i], (*y)[i], depth + 1));
      if (a.get<ListPtr>() != nullptr) return make_list(std::move(merged));
      return make_tuple(std::move(merged), (*a.get<TuplePtr>())->type);
    }
    if (a.get<ListPtr>() != nullptr && b.get<ListPtr>() != nullptr)
      if (auto merged = lists(*a.get<ListPtr>(), *b.get<ListPtr>())) return *std::move(merged);
    return leaf(a, b);
  }

  void finish(const Node& node) {
    node_ = &node;
    next_ = 0;
  }
  bool empty() const { return first_.outputs.empty(); }

 private:
  static bool is_optional(const Val& value) { return value.is_none() || maybe_of(value) != nullptr; }
  /// Whether there is a value, and what it is if there is one.
  static std::pair<Val, Val> taken_apart(const Val& value) {
    if (value.is_none() || is_unset(value)) return {false, Uninitialized{}};
    if (const Maybe* maybe = maybe_of(value)) return {Unknown{"it may be None", maybe->present}, maybe->value};
    return {true, value};
  }
  /// None in one branch, or in either as data decide.
  Val optional(const Val& a, const Val& b, int depth) {
    const auto [present_a, value_a] = taken_apart(a);
    const auto [present_b, value_b] = taken_apart(b);
    const Val present = merge(present_a, present_b, depth + 1), value = merge(value_a, value_b, depth + 1);
    if (node_ == nullptr) return None{};
    const auto* flag = present.get<Unknown>();
    if (flag == nullptr || flag->value == nullptr) return present;
    Unknown made{fmt::format("it is {} in one branch and {} in the other, of the if at {}", a.kind(), b.kind(),
                             evaluator_.location().code)};
    made.maybe = std::make_shared<const Maybe>(flag->value, value);
    return made;
  }

  /// Lists of different lengths: one with as many items as the condition decides. Nothing where their items differ.
  std::optional<Val> lists(const ListPtr& a, const ListPtr& b) {
    auto known = lists_.find({a.get(), b.get()});
    if (known == lists_.end())
      known =
          lists_
              .emplace(std::pair(a.get(), b.get()), in_one_form(state_in(lists_first_, a), state_in(lists_second_, b)))
              .first;
    if (!known->second) return std::nullopt;
    const auto& [x, y] = *known->second;
    GrownItems merged = x;
    merged.rows = merge(x.rows, y.rows);
    merged.count = merge(x.count, y.count);
    return evaluator_.copy_of(merged);
  }

  std::optional<std::pair<GrownItems, GrownItems>> in_one_form(ListState a, ListState b) {
    if (a.grown == nullptr && b.grown == nullptr) {
      const bool in_first = a.items.size() > b.items.size();
      ListState& longer = in_first ? a : b;
      const GraphScope scope(evaluator_, in_first ? first_ : second_);
      auto grown = evaluator_.grown_by_itself(longer);
      if (!grown) return std::nullopt;
      longer.grown = std::make_shared<const GrownItems>(*std::move(grown));
    }
    for (const GrownPtr& grown : {a.grown, b.grown})
      if (grown != nullptr && !grown->columns.empty()) return std::nullopt;
    return evaluator_.in_one_form(a, first_, b, second_);
  }

  // A value that only one branch sets is read only where that branch has run.
  Val fill(const Val& set, bool in_second, int depth = 0) {
    const auto* size = set.get<SymInt>();
    const bool known = set.is_number() && (size == nullptr || evaluator_.is_visible(*size));
    if (known || set.is_none() || set.get<std::string>() != nullptr) return set;
    if (const Vals* items = set.items(); items != nullptr && depth < kMaxJoinDepth) {
      Vals filled;
      for (const Val& item : *items) filled.push_back(fill(item, in_second, depth + 1));
      if (set.get<ListPtr>() != nullptr) return make_list(std::move(filled));
      return make_tuple(std::move(filled), (*set.get<TuplePtr>())->type);
    }
    if (node_ != nullptr) return decided();
    Graph &own = in_second ? second_ : first_, &other = in_second ? first_ : second_;
    Value* value = in_graph(own, [&] { return evaluator_.tensor_or_number(set); });
    if (value == nullptr)
      return decide({fmt::format("one branch of the if at {} does not set it", evaluator_.location().code)});
    Value* zeros = evaluator_.filler(other, value->type);
    const bool number = set.get<Unknown>() != nullptr;
    return in_second ? join(zeros, value, number) : join(value, zeros, number);
  }

  Val leaf(const Val& a, const Val& b) {
    for (const Val* side : {&a, &b})
      if (const auto* unknown = side->get<Unknown>(); unknown != nullptr && unknown->value == nullptr) return *side;
    if (node_ != nullptr) return decided();
    const bool numbers = is_number(a) && is_number(b), tensors = is_tensor(a) && is_tensor(b);
    Value *x = nullptr, *y = nullptr;
    if (numbers || tensors) {
      x = in_graph(first_, [&] { return evaluator_.tensor_or_number(a); });
      y = in_graph(second_, [&] { return evaluator_.tensor_or_number(b); });
    }
    if (x != nullptr && y != nullptr && x->type.shape.size() != y->type.shape.size()) {
      // What has no elements is as good as anything else without elements.
      if (is_empty(y->type, narrowed_second_))
        y = evaluator_.filler(second_, x->type);
      else if (is_empty(x->type, narrowed_first_))
        x = evaluator_.filler(first_, y->type);
    }
    if (x == nullptr || y == nullptr || x->type.dtype != y->type.dtype || x->type.shape.size() != y->type.shape.size())
      return decide({fmt::format("it is {} in one branch and {} in the other, of the if at {}", describe(a, x),
                                 describe(b, y), evaluator_.location().code)});
    return join(x, y, numbers);
  }

  bool is_empty(const TensorType& type, const Narrowed& narrowed) const {
    const Narrowed outside = std::exchange(evaluator_.narrowed_, narrowed);
    const bool empty =
        std::ranges::any_of(type.shape, [&](const SymInt& size) { return evaluator_.range_of(size).max <= 0; });
    evaluator_.narrowed_ = outside;
    return empty;
  }

  static bool is_number(const Val& value) {
    return value.is_number() || (value.get<Unknown>() != nullptr && value.get<Unknown>()->value != nullptr);
  }
  static bool is_tensor(const Val& value) { return value.is_tensor() || value.get<Stored>() != nullptr; }

  template <typename F>
  Value* in_graph(Graph& graph, F&& f) {
    const GraphScope scope(evaluator_, graph);
    return f();
  }

  /// What became of a pair of values: where the node's results are that stand for them.
  struct Decision {
    std::string problem;  // they cannot be merged
    bool number = false;
    std::size_t output = 0;           // the value
    std::vector<std::size_t> dims{};  // where sizes differ: an output for each tells how large, the value is padded
    std::vector<SymInt> bounds{};     // to these
    std::vector<std::optional<SymInt>> larger{};  // the larger size, in sizes that are known around the branches
  };
  Val decide(Decision decision) {
    decisions_.push_back(std::move(decision));
    return None{};
  }

  std::size_t add_output(Value* a, Value* b) {
    first_.outputs.push_back(a);
    second_.outputs.push_back(b);
    return first_.outputs.size() - 1;
  }

  /// Where sizes differ, or are known in a branch alone, both sides give tensors of the largest size there can be, and
  /// how much of it counts.
  Val join(Value* a, Value* b, bool number) {
    Decision decision;
    decision.number = number;
    for (std::size_t d = 0; d < a->type.shape.size(); ++d) {
      const SymInt &x = a->type.shape[d], &y = b->type.shape[d];
      if (x == y && evaluator_.is_visible(x)) continue;
      const auto bound = larger_of(x, y);
      if (!bound)
        return decide(
            {fmt::format("it is {} in one branch and {} in the other, of the if at {}, and nothing bounds the "
                         "size",
                         to_string(a->type), to_string(b->type), evaluator_.location().code)});
      decision.dims.push_back(d);
      decision.bounds.push_back(*bound);
      decision.larger.push_back(larger_around(x, y));
    }
    if (decision.dims.empty()) {
      // Two names of one tensor have to stay that.
      const auto [known, fresh] = outputs_.try_emplace({a, b}, first_.outputs.size());
      decision.output = fresh ? add_output(a, b) : known->second;
      return decide(std::move(decision));
    }
    decision.output = add_output(padded(first_, a, decision), padded(second_, b, decision));
    for (const std::size_t d : decision.dims)
      add_output(evaluator_.size_tensor(first_, a->type.shape[d]), evaluator_.size_tensor(second_, b->type.shape[d]));
    return decide(std::move(decision));
  }

  std::optional<SymInt> larger_of(const SymInt& a, const SymInt& b) const {
    const auto bound = [&](const SymInt& size) { return evaluator_.bound_of(size); };
    const auto x = bound(a), y = bound(b);
    if (!x || !y) return std::nullopt;
    const SymRange difference = evaluator_.range_of(*x - *y);
    return difference.min >= 0 ? *x : difference.max <= 0 ? *y : max(*x, *y);
  }

  /// What neither size exceeds, in sizes that are known around the branches.
  std::optional<SymInt> larger_around(const SymInt& a, const SymInt& b) const {
    const SymInt x = evaluator_.at_most(a), y = evaluator_.at_most(b);
    if (!evaluator_.is_visible(x) || !evaluator_.is_visible(y)) return std::nullopt;
    const auto difference = (x - y).as_constant();
    return difference ? *difference >= 0 ? x : y : max(x, y);
  }

  Value* padded(Graph& graph, Value* value, const Decision& decision) {
    return in_graph(graph, [&] { return evaluator_.padded(value, decision.dims, decision.bounds); });
  }

  /// The second time: the values that the node gives.
  Val decided() {
    const Decision& decision = decisions_.at(next_++);
    if (!decision.problem.empty()) return Unknown{decision.problem};
    const auto sizes = node_->outputs.begin() + static_cast<std::ptrdiff_t>(decision.output) + 1;
    Value* value = node_->outputs.at(decision.output);
    value = evaluator_.without_padding(value, decision.dims, decision.bounds,
                                       {sizes, sizes + static_cast<std::ptrdiff_t>(decision.dims.size())});
    for (std::size_t i = 0; i < decision.dims.size(); ++i)
      if (decision.larger[i]) evaluator_.note_at_most(value->type.shape[decision.dims[i]], *decision.larger[i]);
    if (!decision.number) return value;
    return Unknown{"it depends on which branch of an if runs", value};
  }

  Evaluator& evaluator_;
  Graph &first_, &second_;
  const ListStates &lists_first_, &lists_second_;
  const Narrowed &narrowed_first_, &narrowed_second_;
  const Node* node_ = nullptr;
  std::vector<Decision> decisions_;
  std::map<std::pair<const Value*, const Value*>, std::size_t> outputs_;
  std::map<std::pair<const List*, const List*>, std::optional<std::pair<GrownItems, GrownItems>>> lists_;
  std::size_t next_ = 0;  // of the decisions
};

std::pair<GrownItems, GrownItems> Evaluator::in_one_form(const ListState& a, Graph& first, const ListState& b,
                                                         Graph& second) {
  if (a.grown == nullptr && b.grown == nullptr) {
    const bool in_first = a.items.size() > b.items.size();
    const GraphScope scope(*this, in_first ? first : second);
    auto longer = grown_by_itself(in_first ? a : b);
    if (!longer)
      unsupported("the branches of an if that data decide leave a list with different numbers of items",
                  std::string(kGrownListFix));
    const ListState state{{}, std::make_shared<const GrownItems>(*std::move(longer))};
    return in_first ? in_one_form(state, first, b, second) : in_one_form(a, first, state, second);
  }
  const auto in = [&](Graph& graph, const ListState& state, const GrownItems& like) {
    const GraphScope scope(*this, graph);
    return as_grown(state, like);
  };
  const GrownItems x = in(first, a, a.grown != nullptr ? *a.grown : *b.grown);
  const GrownItems y = in(second, b, x);
  return {in(first, {{}, std::make_shared<const GrownItems>(x)}, y), y};
}

void Evaluator::require_same_keys(const DictItems& a, const DictItems& b) const {
  const auto same_key = [](const auto& x, const auto& y) { return equal(x.first, y.first) == true; };
  if (!std::ranges::equal(a, b, same_key))
    unsupported("the branches of an if, or the trips of a loop, that data decide leave a dict with different keys",
                "give each key a value before");
}

std::optional<Val> Evaluator::run_either(const Stmt& statement, const Unknown& condition) {
  Value* flag = condition_value(condition, "the condition of an if",
                                "decide it by torch.where, or outside of the model; where it depends on a size that "
                                "moves, give samples of one size");
  const auto run_narrowed = [&](const std::vector<Stmt>& block, const Narrowed& narrowed) {
    const Narrowed outside = std::exchange(narrowed_, narrowed);
    RegionRun run = run_region([&] { return run_block(block); });
    narrowed_ = outside;
    frame().offset = statement.offset;
    return run;
  };
  const Narrowed narrowed_a = narrowed_by(condition, true), narrowed_b = narrowed_by(condition, false);
  RegionRun a = run_narrowed(statement.body, narrowed_a);
  RegionRun b = run_narrowed(statement.other, narrowed_b);
  if (a.result.has_value() != b.result.has_value())
    unsupported("one branch of an if that data decide returns, and the other goes on",
                "give the result to a name in both branches, and return it behind them");

  Graph &first = *a.graph, &second = *b.graph;
  std::map<ListPtr, std::pair<GrownItems, GrownItems>, ListsByBirth> lists;  // with as many items as data decide
  std::map<ListPtr, std::pair<Vals, Vals>, ListsByBirth> filled;             // with as many items in both
  for (const RegionRun* run : {&a, &b})
    for (const auto& [list, state] : run->lists) {
      ListState x = state_in(a.lists, list), y = state_in(b.lists, list);
      if (x.grown == nullptr && y.grown == nullptr && x.items.size() == y.items.size())
        filled.emplace(list, std::pair(std::move(x.items), std::move(y.items)));
      else if (!lists.contains(list))
        lists.emplace(list, in_one_form(x, first, y, second));
    }
  DictStates dicts = a.dicts;
  dicts.insert(b.dicts.begin(), b.dicts.end());
  Merger merger(*this, first, second, a.lists, b.lists, narrowed_a, narrowed_b);
  const auto merge_all = [&](bool assign) -> std::optional<Val> {
    // In an order that is the same every time, and for every build.
    std::set<std::string> names;
    for (const auto& [name, value] : a.locals)
      if (b.locals.contains(name)) names.insert(name);
    for (const std::string& name : names) {
      Val merged = merger.merge(a.locals.at(name), b.locals.at(name));
      if (assign) frame().locals[name] = std::move(merged);
    }
    std::vector<SlotName> slots;
    for (const auto& [slot, value] : a.slots) slots.push_back(slot);
    for (const auto& [slot, value] : b.slots)
      if (!a.slots.contains(slot)) slots.push_back(slot);
    std::ranges::sort(slots, [](const SlotName& x, const SlotName& y) {
      return std::pair(x.first->born, x.second) < std::pair(y.first->born, y.second);
    });
    for (const SlotName& slot : slots) {
      const auto after = [&](const RegionRun& run) {
        const auto found = run.slots.find(slot);
        return found != run.slots.end() ? found->second : slot.first->slots[slot.second].value;
      };
      const Val x = after(a), y = after(b);
      Val merged = merger.merge(x, y);
      if (assign) set_slot(slot.first, slot.second, std::move(merged));
    }
    for (const auto& [list, sides] : lists) {
      GrownItems merged = sides.first;
      merged.rows = merger.merge(sides.first.rows, sides.second.rows);
      merged.count = merger.merge(sides.first.count, sides.second.count);
      if (assign) set_list(list, std::make_shared<const GrownItems>(std::move(merged)));
    }
    for (const auto& [list, sides] : filled) {
      Vals merged;
      for (std::size_t i = 0; i < sides.first.size(); ++i)
        merged.push_back(merger.merge(sides.first[i], sides.second[i]));
      if (assign) set_items(list, std::move(merged));
    }
    for (const auto& [dict, items] : dicts) {
      auto merged = items_in(a.dicts, dict);
      const auto& others = items_in(b.dicts, dict);
      require_same_keys(merged, others);
      for (std::size_t i = 0; i < merged.size(); ++i)
        merged[i].second = merger.merge(merged[i].second, others[i].second);
      if (assign) set_items(dict, std::move(merged));
    }
    if (!a.result) return std::nullopt;
    return merger.merge(*a.result, *b.result);
  };
  merge_all(false);
  if (merger.empty()) {
    // Nothing that both sides know differs, but for values that one side alone has set.
    const Node none;
    merger.finish(none);
    std::optional<Val> result = merge_all(true);
    discarded_.push_back(std::move(a.graph));
    discarded_.push_back(std::move(b.graph));
    return result;
  }
  Regions regions;
  regions.push_back(std::move(a.graph));
  regions.push_back(std::move(b.graph));
  const Node* node = add_region_node(OpId::higher_order_cond_default, flag, {}, std::move(regions));
  merger.finish(*node);
  return merge_all(true);
}

}  // namespace aitune::torchscript
