#pragma once
// What a loop carries from trip to trip, found by running its body until it is known.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

inline constexpr int kMaxCarriedDepth = 20;  ///< of lists within lists

/// A loop whose trips data decide, as a node with regions for its body and its condition.
class Evaluator::LoopBuilder {
 public:
  /// `first`: how many trips have run before it.
  LoopBuilder(Evaluator& evaluator, const Stmt& statement, const Unknown* trips, std::int64_t first = 0);
  /// False, and nothing is done, where the first trip is another one than those that follow, and runs in any case.
  bool build();

 private:
  /// The dimensions of a tensor that have another size after a trip. It is carried with zeros behind it, up to bounds,
  /// and with numbers that say how much of it counts.
  struct Growth {
    std::vector<std::size_t> dims;
    std::vector<SymInt> bounds;
    std::vector<SymInt> sizes;  // in the region, before the trip
    bool bounded = false;       // by what the trips add
  };

  /// A tensor or a number among the values that the body changes.
  struct Leaf {
    Val before;            // the loop
    bool carried = false;  // from trip to trip; else every trip sees what was before
    Val now;               // in the region, or behind the loop
    Value* next = nullptr;
    Growth grown;
    const Leaf* same_as = nullptr;  // another one, which is the same tensor before and after every trip
    bool split = false;             // it turned out to be none
    bool is_own() const { return carried && same_as == nullptr; }
    bool number() const { return !before.is_tensor() && before.get<Stored>() == nullptr; }
  };

  /// A name, an attribute of an object, or what a list or a dict holds.
  struct Carried {
    std::string name;
    std::optional<SlotName> slot;
    Val before;                        // of a holder, a tuple of its items
    std::size_t first = 0, count = 0;  // its leaves
    ListPtr list{};                    // with as many items as data decide
    Val holder{};                      // a list or a dict with as many items after a trip as before
    bool joined = false, numbers = false;
    bool remade = false;  // a list that trips replace by longer ones
    bool is_name() const { return !slot && list == nullptr && holder.is_none(); }
    ListState state_before() const {
      const ListPtr& given = list != nullptr ? list : *before.get<ListPtr>();
      return {given->items, given->grown};
    }
  };

  void add(Carried carried);
  void add_leaves(Carried& carried);
  /// Carries the items of a list, and how many there are where that is not their first size.
  void add(const ListPtr& list, const GrownItems& initial);
  void start(const Carried& carried, const GrownItems& initial);

  template <typename F>
  void flatten(const Val& value, F&& take, int depth = 0) {
    evaluator_.charge();
    if (const Maybe* maybe = maybe_of(value); maybe != nullptr && depth < kMaxCarriedDepth) {
      take(Unknown{value.get<Unknown>()->reason, maybe->present});
      return flatten(maybe->value, take, depth + 1);
    }
    const Vals* items = value.items();
    if (items == nullptr || depth >= kMaxCarriedDepth) return take(value);
    for (const Val& item : *items) flatten(item, take, depth + 1);
  }
  /// The value with its leaves as they are now.
  Val rebuilt(const Val& value, std::size_t& leaf, int depth = 0) const;
  static bool same_structure(const Val& a, const Val& b, int depth = 0);
  GrownItems items_now(const Carried& carried) const;
  static Val wrapped(const Leaf& leaf, Value* value);

  /// Inputs of a region for what is carried, and the names bound to them.
  void bind(Graph& graph);
  /// Two names of one tensor have to stay that: what is written by the one is read by the other.
  void find_same();
  bool split_others();

  /// A value as the loop carries it, made in the graph that grows.
  std::vector<Value*> carried_form(const Leaf& leaf, Value* value);
  void add_results(Graph& body, const Leaf& leaf);
  void assign();
  static Val items_of(const DictItems& items);
  void give_items(const Val& holder, const Vals& items);

  RegionRun run_body();
  Value* condition_of();

  /// Looks at what a trip made of what it was given. True if what is carried is what has to be.
  bool settle(const RegionRun& body);
  /// Carries what the trip changed and no trip before.
  void take_up_changes(const RegionRun& body, Graph& outside);
  bool settle(Carried& carried, const RegionRun& body, Graph& outside);

  static bool holds(const Carried& carried, const ListPtr& list) {
    const auto* held = carried.holder.get<ListPtr>();
    return held != nullptr && *held == list;
  }
  static bool holds(const Carried& carried, const DictPtr& dict) {
    const auto* held = carried.holder.get<DictPtr>();
    return held != nullptr && *held == dict;
  }
  Val after_trip(const Carried& carried, const RegionRun& body) const;

  /// What a list is before the loop, in the form that a trip gives it.
  GrownItems grown_before(const ListPtr& list, const ListState& after, Graph& outside);
  /// A list whose items were carried one by one turns out to become longer.
  void make_grown(Carried& carried, const GrownItems& initial);
  /// outs = outs + [y]: a trip replaces a list by another one. Nothing where that is not what it does.
  std::optional<bool> settle_remade(Carried& carried, const Val& after, const ListStates& lists, Graph& outside);
  bool settle(Carried& carried, const GrownItems& after, Graph& outside);
  bool settle(Leaf& leaf, const Val& after, const Carried& carried, Graph& outside);

  /// Follows dimensions that a trip changes. True where they are those that are followed, with bounds that hold.
  bool grow(Leaf& leaf, const Value& initial, Graph& outside);
  /// What so many trips make of a size at most, if each adds `growth`; nothing where that depends on the size itself,
  /// or where nothing bounds the trips.
  std::optional<SymInt> bound_of_growth(const SymInt& before, const SymInt& growth, Graph& outside) const;

  bool has_none(const Val& value);
  /// Whether the first trip may run by itself.
  bool peels() const { return first_ == 0 && runs_once(); }
  /// None, or a value, as data decide; `present` tells which.
  static Val maybe_value(const std::string& reason, const Val& present, const Val& value);
  Val flag_of(bool present);
  /// What a trip makes of a value that may be None, where it leaves no doubt.
  Val as_optional(const Carried& carried, const Val& after);
  /// Carries a value that is None before the loop as one that may be. False where it cannot be carried.
  bool begin_with_none(Carried& carried, const Val& after, Graph& outside);
  std::optional<Val> unset_like(const Val& value, Graph& outside, int depth = 0);

  /// Whether there is a trip in any case.
  bool runs_once() const;
  std::optional<SymInt> trips_at_most() const;
  /// The size that a number is.
  static const SymInt* size_behind(const Value& number);

  static std::string describe(const Carried& carried, const Val& before, const Value* initial, const Val& after,
                              const Value* next);
  bool is_spoiled(const Carried& carried) const;

  /// What cannot be carried is not known in the loop, nor behind it; whoever reads it says why.
  bool spoil(Leaf& leaf, const std::string& why);
  bool spoil(Carried& carried, const std::string& why);

  Evaluator& evaluator_;
  const Stmt& statement_;
  const std::string place_;
  const std::int64_t first_;
  Value* trips_ = nullptr;
  bool starts_with_none_ = false;  // a value that a trip sets
  std::deque<Leaf> leaves_;        // the counter of a for loop first
  std::vector<Carried> values_;
};

}  // namespace aitune::torchscript
