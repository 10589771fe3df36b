// An `if` that data decide: both branches run, and what they leave behind is merged.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxDepth = 20;  // of lists within lists

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
  Merger(Evaluator& evaluator, Graph& first, Graph& second) : evaluator_(evaluator), first_(first), second_(second) {}

  Val merge(const Val& a, const Val& b, int depth = 0) {
    evaluator_.charge();
    if (identical(a, b)) return a;
    if (is_unset(a)) return fill(b, true);
    if (is_unset(b)) return fill(a, false);
    const Vals *x = a.items(), *y = b.items();
    if (x != nullptr && y != nullptr && x->size() == y->size() && a.index() == b.index() && depth < kMaxDepth) {
      Vals merged;
      for (std::size_t i = 0; i < x->size(); ++i) merged.push_back(merge((*x)[i], (*y)[i], depth + 1));
      if (a.get<ListPtr>() != nullptr) return make_list(std::move(merged));
      return make_tuple(std::move(merged), (*a.get<TuplePtr>())->type);
    }
    return leaf(a, b);
  }

  void finish(const Node& node) {
    node_ = &node;
    next_ = 0;
  }
  bool empty() const { return first_.outputs.empty(); }

 private:
  // A value that only one branch sets is read only where that branch has run.
  Val fill(const Val& set, bool in_second, int depth = 0) {
    if (set.is_number() || set.is_none() || set.get<std::string>() != nullptr) return set;
    if (const Vals* items = set.items(); items != nullptr && depth < kMaxDepth) {
      Vals filled;
      for (const Val& item : *items) filled.push_back(fill(item, in_second, depth + 1));
      if (set.get<ListPtr>() != nullptr) return make_list(std::move(filled));
      return make_tuple(std::move(filled), (*set.get<TuplePtr>())->type);
    }
    Value* value = evaluator_.tensor_or_number(set);
    if (value == nullptr)
      return Unknown{fmt::format("one branch of the if at {} does not set it", evaluator_.location().code)};
    Graph& other = in_second ? first_ : second_;
    Value* zeros = node_ == nullptr ? evaluator_.filler(other, value->type) : nullptr;
    const bool number = set.get<Unknown>() != nullptr;
    return in_second ? result(zeros, value, number) : result(value, zeros, number);
  }

  Val leaf(const Val& a, const Val& b) {
    const bool numbers = is_number(a) && is_number(b), tensors = is_tensor(a) && is_tensor(b);
    Value* x = numbers || tensors ? evaluator_.tensor_or_number(a) : nullptr;
    Value* y = numbers || tensors ? evaluator_.tensor_or_number(b) : nullptr;
    if (x == nullptr || y == nullptr || x->type != y->type)
      return Unknown{fmt::format("it is {} in one branch and {} in the other, of the if at {}", describe(a, x),
                                 describe(b, y), evaluator_.location().code)};
    return result(x, y, numbers);
  }

  static bool is_number(const Val& value) {
    return value.is_number() || (value.get<Unknown>() != nullptr && value.get<Unknown>()->value != nullptr);
  }
  static bool is_tensor(const Val& value) { return value.is_tensor() || value.get<Stored>() != nullptr; }

  Val result(Value* a, Value* b, bool number) {
    if (node_ == nullptr) {
      first_.outputs.push_back(a);
      second_.outputs.push_back(b);
      return None{};
    }
    Value* value = node_->outputs.at(next_++);
    if (!number) return value;
    return Unknown{"it depends on which branch of an if runs", value};
  }

  Evaluator& evaluator_;
  Graph &first_, &second_;
  const Node* node_ = nullptr;
  std::size_t next_ = 0;
};

std::optional<Val> Evaluator::run_either(const Stmt& statement, const Unknown& condition) {
  Value* flag = condition_value(condition, "the condition of an if",
                                "decide it by torch.where, or outside of the model; where it depends on a size that "
                                "moves, give samples of one size");
  RegionRun a = run_region([&] { return run_block(statement.body); });
  frame().offset = statement.offset;
  RegionRun b = run_region([&] { return run_block(statement.other); });
  frame().offset = statement.offset;
  if (a.result.has_value() != b.result.has_value())
    unsupported("one branch of an if that data decide returns, and the other goes on",
                "give the result to a name in both branches, and return it behind them");

  Graph &first = *a.graph, &second = *b.graph;
  Merger merger(*this, first, second);
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
    if (!a.result) return std::nullopt;
    return merger.merge(*a.result, *b.result);
  };
  merge_all(false);
  if (merger.empty()) {
    // Nothing that both sides know differs, but for values that one side alone has set.
    const Node none;
    merger.finish(none);
    return merge_all(true);
  }
  Regions regions;
  regions.push_back(std::move(a.graph));
  regions.push_back(std::move(b.graph));
  const Node* node = add_region_node(OpId::higher_order_cond_default, flag, {}, std::move(regions));
  merger.finish(*node);
  return merge_all(true);
}

}  // namespace aitune::torchscript
