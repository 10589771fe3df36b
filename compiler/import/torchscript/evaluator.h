#pragma once
// Runs a model's forward() on values that are known or are nodes of the graph, which grows as it runs: everything is
// inlined, loops are unrolled, conditions are decided. Where data decide, branches and bodies become regions.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/ops.h"
#include "compiler/graph/graph.h"
#include "compiler/import/imported_model.h"
#include "compiler/import/reshaped.h"
#include "compiler/import/torchscript/archive.h"
#include "compiler/import/torchscript/value.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {

using Keywords = std::vector<std::pair<std::string, Val>>;

class Evaluator {
 public:
  /// Archive and graph outlive the evaluator. Without `constants`, numbers in tensors that operators have computed are
  /// not known, even where these read constants alone. `largest_size` bounds what nothing else does.
  Evaluator(const Archive& archive, Graph& graph, ConstantEvaluator constants = {},
            std::int64_t largest_size = kLargestSize)
      : archive_(archive),
        model_(graph),
        graph_(&graph),
        constants_(std::move(constants)),
        largest_size_(largest_size) {}
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Calls a method. Throws Unsupported, InvalidArgument or Corrupt, each with the line of the model.
  Val call_method(const ObjectPtr& object, std::string_view method, Vals args);

  // For the functions that the model calls (builtins.h, operators.h):

  /// The graph that grows: the model's, or a region's. Nodes in a region may use values of the graphs around it until
  /// the region is closed.
  Graph& graph() { return *graph_; }
  /// Whether that is a region.
  bool in_region() const { return !journals_.empty(); }
  /// The model's own, which has all weights.
  Graph& model() { return model_; }
  const Archive& archive() const { return archive_; }
  /// Counts `work` against the limit of the whole import.
  void charge(std::size_t work = 1);
  /// Where in the model evaluation stands, for a node that is added now.
  SourceLocation location() const;
  [[noreturn]] void unsupported(const std::string& what, std::string fix = {}) const;
  [[noreturn]] void invalid(const std::string& what, std::string fix = {}) const;
  /// The tensor as a value of the graph; numbers and stored tensors become weights. Unsupported for anything else.
  Value* tensor(const Val& value);
  /// A c64 without dimensions, or a c128.
  Value* complex_tensor(const ComplexNumber& number, bool as_doubles);
  /// A tensor, or a number as a 0-dim one of b8, i64 or f64; null for anything else.
  Value* tensor_or_number(const Val& value);
  /// What is known of a number or a 0-dim tensor; nothing for what the data decides.
  std::optional<Val> known_number(const Val& value) const;
  /// The same, and what operators have made of constants is computed.
  std::optional<Val> decided_number(const Val& value);
  /// Sequences of several lengths that were packed, by the tensor that says how many there are at each step.
  struct Packed {
    Val mask;     ///< [steps, batch]: which elements there are
    Val lengths;  ///< [batch]
    SymInt steps, batch;
  };
  void note_packed(const Value* batch_sizes, Packed packed) { packed_.emplace(batch_sizes, std::move(packed)); }
  /// Null for a tensor that pack_padded_sequence() has not made.
  const Packed* find_packed(const Val& batch_sizes) const;
  /// How many sequences there are, for a tensor that is the first of those numbers.
  std::optional<SymInt> batch_of_packed(const Value* value) const;
  /// Whether the tensor is (a == b).all() of tensors that are made in the same way, of numbers and sizes alone.
  bool all_equal(const Value* value) const;
  /// Truth as Python has it; an Unknown where it is not known.
  Val truth(const Val& value);
  /// What a size may be, with what is known of those that data decide.
  SymRange range_of(const SymInt& size) const;
  /// A size that moves as a 0-dim i64 tensor of a graph.
  Value* size_tensor(Graph& graph, const SymInt& size);
  /// Gives the size that data decide in the types of a new node its symbol, for which `graph` is the home.
  void name_size(const OpInfo& op, const ArgList& args, std::vector<TensorType>& types);
  /// Bounds sizes that data decide by what an operator of the graph that grows takes for granted: x[:n] has n elements.
  void bound_by(const std::vector<SizeFact>& facts);
  /// Notes that the model has written into the memory of a tensor: it is no constant any more.
  void written(const Value* value);
  /// For an attribute that is given as an input: writes into it go to a copy, and what is in that at the end is an
  /// output.
  void keep_state(const std::string& path);
  /// Whether a tensor shows such a copy that was written into.
  bool is_written_state(const Value* value) const;
  /// Leaves out the other copies, when the outputs are set.
  void drop_unwritten_copies();
  /// Notes that a node was added to the graph that grows.
  void made(const Node& node);
  /// Of the weights those for which the file says so. PyTorch's own modules ask in order to choose between ways to the
  /// same result, of which one takes nested tensors: for them all weights do.
  bool requires_grad(const Value* value);
  /// For a call that writes: inside of a region, memory from outside is replaced by a copy, there and in all names.
  void take_memory_inside(const OpInfo& op, ArgList& args);
  /// The tensor of a number that is about to be written into, which then stands in every name that holds the number.
  Value* written_number(const Number& number);
  /// The number as it is behind an operator in place, in every name that holds it; nothing where it has to be a tensor:
  /// it was one before, or data decide whether the operator runs.
  std::optional<Val> changed_number(const Number& number, const Number& now);
  /// To be called with whatever the model is about to change: it may come to contain itself, and is emptied at the end;
  /// what was made outside of the branch or loop that runs is put back behind it.
  void changed(const Val& container);
  /// list.append(item), or list.insert(0, item), which the data may decide whether or how often to do.
  void append(const ListPtr& list, const Val& item, bool in_front = false);
  /// Whether what is appended to the list lies in one tensor with its other items.
  bool grows(const ListPtr& list) const { return list->grown != nullptr || is_outside(list->born); }
  /// list.extend(more), and a new list of the items of both, where data decide how many either holds.
  void extend(const ListPtr& list, const ListPtr& more);
  ListPtr sum_of_lists(const ListPtr& a, const ListPtr& b);
  /// Gives a list other items, as many as data decide.
  void set_list(const ListPtr& list, GrownPtr grown);
  /// Gives a list or a dict other items, which are known.
  void set_items(const ListPtr& list, Vals items);
  void set_items(const DictPtr& dict, DictItems items);
  /// What such a list gives: how many items there are, the one at a place, and a list of some or in another order.
  Val length_of(const GrownItems& items);
  Val item_of(const GrownItems& items, const Val& place);
  /// list[place] = item, where `items` is what the list holds.
  void set_item_of(const ListPtr& list, const GrownItems& items, const Val& place, const Val& item);
  ListPtr copy_of(const GrownItems& items);
  /// A list whose items are known as one with as many as data decide, where a place in it is not known; nothing where
  /// its items differ in type, and for other values.
  GrownPtr grown_for_places(const Val& list, std::initializer_list<const Val*> places);
  ListPtr slice_of(const GrownItems& items, const Val& first, const Val& last, std::int64_t step);
  /// Its items, stacked or joined along a dimension, as torch.stack and torch.cat do.
  Val stacked(const GrownItems& items, std::int64_t dim);
  Val concatenated(const GrownItems& items, std::int64_t dim);
  /// A number that data decide: a tensor of one element as b8, i64 or f64, whichever fits its dtype or is asked for.
  Val unknown_number(Value* tensor, std::optional<DType> wanted = std::nullopt);
  /// A whole number that data decide as a size, for operators that take one; anything else as it is.
  Val number_as_size(const Val& value);
  /// Notes that a number is another one and so much more: counters of loops and what follows them are one size.
  void note_sum(const Value* sum, Value* number, const SymInt& more);
  /// equal(), counted.
  std::optional<bool> same(const Val& a, const Val& b);
  /// Reads an attribute of an object, of a NamedTuple or of an enumeration.
  Val attribute(const Val& base, const std::string& name);

  /// A node was added that may have changed the shape of a tensor in place. Inside of branches and loops it is a value
  /// like others: what is in there ends with them.
  void reshaped(const Node& node) {
    if (graph_ == &model_) reshaped_.add(node);
  }
  /// Told of each thing that the user should know; the same thing counts once.
  void warn(std::string message);
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Frame {
    const Function* function = nullptr;
    const Source* source = nullptr;
    std::uint32_t offset = 0;
    std::string module;
    std::unordered_map<std::string, Val> locals;
    std::unordered_map<std::string, const Stmt*> closures{};  ///< functions that it defines
  };
  class FrameScope;

  // Statements (evaluator.cpp). A block gives the value of its return statement, if one is met.
  Val call_function(const Callable& callee, Vals args, Keywords keywords);
  void bind_parameters(Frame& frame, const Callable& callee, Vals args, Keywords keywords);
  std::optional<Val> run_block(const std::vector<Stmt>& block);
  std::optional<Val> run(const Stmt& statement);
  std::optional<Val> run_branch(const Stmt& statement);
  void warn_of_dropped_raise();
  std::optional<Val> run_for(const Stmt& statement);
  std::optional<Val> run_while(const Stmt& statement);
  std::optional<Val> run_with(const Stmt& statement);
  /// fork(closure): its result, as nothing runs beside it.
  Val run_fork(const std::string& closure);
  void assign(const Expr& target, Val value);
  void set_slot(const ObjectPtr& object, const std::string& name, Val value);
  void set_attribute(const Expr& target, Val value);

  // What data decide (regions.cpp, branches.cpp, loops.cpp).
  using SlotName = std::pair<ObjectPtr, std::string>;
  /// What a region did: its graph, and what names and attributes are after it. All is as before outside.
  struct RegionRun {
    std::unique_ptr<Graph> graph;
    std::unordered_map<std::string, Val> locals;
    std::map<SlotName, Val> slots;
    std::optional<Val> result;  // of a return statement
    ListStates lists{};         // from outside, that were changed
    DictStates dicts{};
  };
  class RegionScope;
  class GraphScope;
  class Merger;
  class LoopBuilder;
  RegionRun run_region(const std::function<std::optional<Val>()>& body);
  /// Ranges of symbols, and of formulas as they are printed, as far as they are narrower where a condition on sizes
  /// holds, or does not.
  using Narrowed = std::map<std::string, SymRange, std::less<>>;
  Narrowed narrowed_by(const Unknown& condition, bool holds) const;
  void narrow(Narrowed& ranges, const SymInt& size, bool at_most, std::int64_t limit) const;
  std::optional<Val> run_either(const Stmt& statement, const Unknown& condition);
  std::optional<Val> run_loop(const Stmt& statement, const Unknown* trips);
  /// The bool behind something unknown; unsupported, saying `what` is not known, if it is no number.
  Value* condition_value(const Unknown& unknown, std::string_view what, std::string fix);
  // Lists that become longer as often as data decide (grown_lists.cpp).
  /// Whether the branch or loop that runs was given what was made then.
  bool is_outside(std::size_t born) const;
  /// The list as one with as many items as data decide, of the type of another one's, made in the graph that grows.
  GrownItems as_grown(const ListState& state, const GrownItems& like);
  GrownItems as_joined(const GrownItems& items);
  std::optional<GrownItems> grown_items(const Vals& items, const TensorType& like, bool numbers, bool joined);
  /// What two branches, `first` and `second`, have made of a list, in one form. One of them is grown.
  std::pair<GrownItems, GrownItems> in_one_form(const ListState& a, Graph& first, const ListState& b, Graph& second);
  void require_same_keys(const DictItems& a, const DictItems& b) const;
  /// A list as one with as many items as data decide, in the form that its own items suggest; nothing where it has
  /// none.
  std::optional<GrownItems> grown_by_itself(const ListState& state);
  GrownItems joined_rows(const GrownItems& a, const GrownItems& b);
  // Lists of tuples that become longer as often as data decide (zipped_lists.cpp).
  /// Makes a list of tuples one that holds a list for each part of them, if it is not; false where its items differ.
  bool zip(const ListPtr& list, const Val& like);
  Val row_of(const GrownItems& zipped, const Val& pattern, const Val& place);
  void append_parts(const GrownItems& zipped, const Val& pattern, const Val& item, bool in_front);
  /// Whether whoever has made the list knows all sizes.
  bool is_visible_to(const List& list, const TensorType& type) const;

  /// Zeros of this type, made in `graph`: what a value that was never set is. Sizes that `graph` does not know are 0.
  Value* filler(Graph& graph, TensorType type);
  /// The largest that a size can be, in sizes of the inputs; nothing if nothing bounds it.
  std::optional<SymInt> bound_of(const SymInt& size) const;
  /// Says that a size that data decide is never larger.
  void bound_size(const SymInt& size, const SymInt& bound);
  /// What the size never exceeds, in sizes from around the branches that decide it: the size itself for others.
  SymInt at_most(const SymInt& size) const;
  void note_at_most(const SymInt& size, const SymInt& most) { at_most_.insert_or_assign(size.str(), most); }
  /// The tensor with zeros behind it up to `bounds` in the dimensions `dims`, which are in order.
  Value* padded(Value* value, const std::vector<std::size_t>& dims, const std::vector<SymInt>& bounds);
  /// What of a padded tensor counts, as the 0-dim tensors `sizes` say.
  Value* without_padding(Value* value, const std::vector<std::size_t>& dims, const std::vector<SymInt>& bounds,
                         const std::vector<Value*>& sizes);
  /// Whether the graph that grows, or one around it, is the home of every symbol in the size.
  bool is_visible(const SymInt& size) const;
  bool is_visible(const TensorType& type) const;
  /// Whether none of the sizes has its home within the graph that grows, which is one inside of `outside`.
  bool is_known_in(const Graph& outside, const TensorType& type) const;
  /// A tensor that shows `owner`'s memory, as it is shown by the copy.
  Value* shown_in_copy(Value* value, const Value* owner, Value* copy);
  /// A value that holds such tensors, with those of the copy; lists and dicts are changed.
  Val seen_in_copy(const Val& value, const Value* owner, Value* copy, int depth = 0);
  void replace_in_names(const Value* owner, Value* copy);
  void replace_in_attributes(const Value* owner, Value* copy);
  /// Unsupported for a write into what the model keeps and nobody has given.
  void refuse_write(const Value* owner) const;
  /// The data of a tensor that depends on constants alone, if it is small.
  std::optional<Tensor> constant_data(const Value* value, int depth = 0);
  /// A node at the end of the graph. Its regions are closed, what they read becomes operands.
  Node* add_region_node(OpId id, Value* condition, const Vals& carried, std::vector<std::unique_ptr<Graph>> regions);

  // Expressions (expressions.cpp).
  Val evaluate(const Expr& expr);
  Val evaluate_here(const Expr& expr);
  Vals evaluate_all(const std::vector<Expr>& items, std::size_t first = 0);
  Val name(const Expr& expr);
  Val global(const std::string& dotted);
  Val call(const Expr& expr);
  std::optional<Val> call_with_types(const Expr& expr);
  void unwrap_numbers(std::string_view function, const Expr& expr, Vals& args);
  Val call_value(const Val& callee, Vals args, Keywords keywords);
  void load(Val& value, int depth = 0);
  Val make_object(const Class& type);
  Val convert(const Expr& type, Val value);
  Val subscript(const Val& base, const Val& index);
  Val slice(const Expr& expr);
  bool is_instance(const Val& value, const Expr& type);
  /// The same of an Optional that data decide: they may decide this, too.
  Val may_be_instance(const Val& value, const Expr& type);

  Frame& frame() { return frames_.back(); }
  Value* weight(const Tensor& data, const std::string& name);
  Value* weight(const Stored& stored);

  const Archive& archive_;
  Graph& model_;
  Graph* graph_;
  std::vector<const Graph*> around_;  // graphs around the one that grows, the model's first
  ConstantEvaluator constants_;
  std::int64_t largest_size_;
  std::unordered_map<const Value*, std::optional<Tensor>> constant_data_;
  std::unordered_set<const Value*> with_gradients_;      // weights for which the file says so
  std::unordered_set<const Value*> written_;             // who owns memory that was written into
  std::unordered_set<const Value*> held_;                // memory that lists have copied which data make longer
  std::unordered_set<const Value*> copies_;              // of memory from outside of a region
  std::unordered_map<std::string, const Graph*> homes_;  // of symbols that data decide
  Narrowed narrowed_;                                    // in the branch that runs
  struct Journal {
    std::size_t born = 0;                     // what was made later was made inside
    std::map<SlotName, Slot> before{};        // of attributes that were set
    std::size_t frame = 0;                    // the function that the region is in
    std::unordered_set<const Value*> made{};  // by nodes of the region
    ListStates lists{};                       // from outside, before they were changed
    DictStates dicts{};
  };
  struct KeptState {
    SlotName slot;
    Value *input, *copy;
  };
  std::vector<KeptState> states_;
  std::vector<Journal> journals_;  // of the regions that run, the innermost last
  std::unordered_map<const Value*, Val> sizes_of_numbers_;
  std::vector<std::unique_ptr<Graph>> discarded_;  // regions that came to nothing: their values are keys of maps here
  std::unordered_map<const Value*, std::pair<Value*, SymInt>> sums_;  // of a counter and a constant
  std::unordered_map<const Value*, Packed> packed_;
  std::unordered_map<const Value*, SymInt> number_bounds_;  // counters of loops: never larger than the trips
  std::map<std::string, SymInt, std::less<>> at_most_;      // sizes that branches decide: never larger than these
  std::vector<Frame> frames_;
  std::vector<Val> changed_;
  std::size_t work_ = 0;
  std::vector<std::string> warnings_;
  ReshapedInPlace reshaped_;
  int depth_ = 0;
  void replace_number(const Number& number, const Val& now);

  std::map<std::shared_ptr<const char>, Value*> number_tensors_;  // by identity
  std::map<std::string, Number> constant_numbers_;                // those of the file, by name
  std::unordered_map<std::string, Value*> weights_;               // by bytes, dtype and shape
};

/// Who owns the memory that a tensor shows, as far as views can be told.
const Value* owner_of(const Value* value);

/// "a.b.c" for names joined by dots; nothing for other expressions.
std::optional<std::string> dotted_name(const Expr& expr);

}  // namespace aitune::torchscript
