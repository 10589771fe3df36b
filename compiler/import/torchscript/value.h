#pragma once
// What TorchScript computes with while it is imported. Tensors are values of the graph; all else is known, or known to
// be unknown.

#include <complex>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/torchscript/ast.h"

namespace aitune::torchscript {

struct Val;
using Vals = std::vector<Val>;

/// Numbers what the program makes, in its order: what a branch or a loop changes must have been made in there.
std::size_t next_birth();

/// The items of a list that has as many as data decide.
struct GrownItems;
using GrownPtr = std::shared_ptr<const GrownItems>;

/// A list; shared by all that refer to it, as in Python.
struct List {
  Vals items;
  GrownPtr grown;  ///< what stands for the items where data decide how many there are; else null
  std::size_t born = next_birth();
  std::size_t column = 0;  ///< of a list of tuples, from 1, if it is one
  bool stored = false;     ///< came from the file: changing it would be state
};
/// A tuple, a NamedTuple with the names of its fields, or a member of an Enum: one item, its value.
struct Tuple {
  Vals items;
  const Class* type = nullptr;
};
using DictItems = std::vector<std::pair<Val, Val>>;
struct Dict {
  DictItems items;
  std::size_t born = next_birth();
  bool stored = false;
};

/// A module, or an instance of another class.
struct Object;

/// A 0-dim tensor whose value is known: sizes in traced models travel in these.
struct Number {
  std::variant<bool, SymInt, double> value;
  DType dtype = DType::i64;
  /// Copies of a Number are the same tensor, which the model may write into; others are not.
  std::shared_ptr<const char> identity = std::make_shared<const char>('\0');
};
/// A complex number of Python's. Operators take it as a tensor.
struct ComplexNumber {
  explicit ComplexNumber(std::complex<double> number) : value(number) {}
  std::complex<double> value;
};
/// A tensor of the file that nobody has asked for yet.
struct Stored {
  Tensor data;
  std::string name;
  bool requires_grad = false;
};
struct Device {
  std::string name;
  bool operator==(const Device&) const = default;
};
/// How two sizes compare: whether `difference` is 0, not 0, negative, ...
enum class Order : std::uint8_t { eq, ne, lt, le, gt, ge };
struct SizeComparison {
  Order order = Order::eq;
  SymInt difference;
};
/// A size that moves, divided by a whole number that is not 0: what rounds it gives a size again.
struct SizeFraction {
  SymInt numerator;
  std::int64_t denominator = 1;
};
struct Maybe;
/// Something that only the data of tensors, or sizes that move, can tell.
struct Unknown {
  std::string reason;
  Value* value = nullptr;  ///< the number, where it is one: a 0-dim tensor of b8, i64 or f64
  std::shared_ptr<const SizeComparison> comparison{};  ///< what it says of sizes
  std::shared_ptr<const SizeFraction> fraction{};      ///< what it is of a size
  std::shared_ptr<const Maybe> maybe{};                ///< a value that data decide whether there is one
};
struct Uninitialized {};

/// A function, or a method together with its object.
struct Callable {
  const Function* function = nullptr;
  std::shared_ptr<Object> self;
};
/// The name of something of PyTorch's: "torch.add", "ops.prim.dtype", "annotate".
struct Builtin {
  std::string name;
};

using ListPtr = std::shared_ptr<List>;
using TuplePtr = std::shared_ptr<const Tuple>;
using DictPtr = std::shared_ptr<Dict>;
using ObjectPtr = std::shared_ptr<Object>;

using ValBase =
    std::variant<None, bool, SymInt, double, std::string, Value*, Number, ListPtr, TuplePtr, DictPtr, ObjectPtr, Device,
                 Unknown, Uninitialized, Stored, Callable, const Class*, Builtin, ComplexNumber>;
struct Val : ValBase {
  using ValBase::ValBase;

  template <typename T>
  const T* get() const {
    return std::get_if<T>(static_cast<const ValBase*>(this));
  }
  bool is_none() const { return get<None>() != nullptr; }
  bool is_tensor() const { return get<Value*>() != nullptr || get<Number>() != nullptr; }
  /// A plain number, not a tensor.
  bool is_number() const { return get<bool>() != nullptr || get<SymInt>() != nullptr || get<double>() != nullptr; }
  /// The items of a list or a tuple; null for anything else, and for a list that has as many as data decide.
  const Vals* items() const;
  /// A constant integer.
  std::optional<std::int64_t> integer() const;
  /// "a list", "an integer", ...: for messages.
  std::string_view kind() const;
};

/// An Optional: None, or the value.
struct Maybe {
  Value* present = nullptr;  ///< whether there is one: a 0-dim tensor of b8
  Val value;
};
/// Null for values that are known to be None, or not to be.
const Maybe* maybe_of(const Val& value);

/// Tensors of one type, one after the other in a new first dimension; or tensors whose first size differs, joined
/// there. Numbers are 0-dim tensors.
struct GrownItems {
  Val rows;
  Val count = SymInt(0);  ///< how many there are, where they are joined
  bool joined = false;
  bool numbers = false;
  std::vector<ListPtr> columns{};  ///< of a list of tuples: a list for each part of them, and no rows
  Val pattern{};                   ///< such a tuple, in which an integer says which column a part is in
};
/// What a list holds at some time.
struct ListState {
  Vals items;
  GrownPtr grown;
};
struct ListsByBirth {
  bool operator()(const ListPtr& a, const ListPtr& b) const {
    return std::pair(a->born, a->column) < std::pair(b->born, b->column);
  }
};
using ListStates = std::map<ListPtr, ListState, ListsByBirth>;
/// The items of dicts that were changed, and what they were or are.
struct DictsByBirth {
  bool operator()(const DictPtr& a, const DictPtr& b) const { return a->born < b->born; }
};
using DictStates = std::map<DictPtr, DictItems, DictsByBirth>;
/// What a list, or a dict, holds where `states` are those of the ones that were changed.
ListState state_in(const ListStates& states, const ListPtr& list);
const DictItems& items_in(const DictStates& states, const DictPtr& dict);

/// An attribute of an object, and what forward() did to it.
struct Slot {
  Val value;
  std::optional<Val> saved;  ///< what it was before the first write
  bool read_first = false;   ///< read before the first write
  bool given = false;        ///< the user's samples hold it
};
struct Object {
  const Class* type = nullptr;
  std::string path;      ///< of a module in the model: "layer1.0.conv1"; empty for the model itself
  bool in_file = false;  ///< not made by the program
  std::size_t born = next_birth();
  std::map<std::string, Slot, std::less<>> slots;
};

/// The attribute "encoder.cache" of a module; null if there is none.
Slot* find_slot(const ObjectPtr& module, std::string_view path);

ListPtr make_list(Vals items);
TuplePtr make_tuple(Vals items, const Class* type = nullptr);

/// A number that is known; nothing for sizes that move and what is no number.
std::optional<double> plain_number(const Val& value);
/// Whether two values are equal, as Python sees it; nothing where only the data of tensors, or sizes that move, tell.
/// `steps` counts the comparisons.
std::optional<bool> equal(const Val& a, const Val& b, std::size_t* steps = nullptr);

/// Whether two values are one and the same for certain: the same tensor, list or object, or equal plain values.
bool identical(const Val& a, const Val& b);

/// How Python's str() shows it; symbols stand for themselves. At most a few thousand characters.
std::string to_text(const Val& value);

/// The dtype behind one of PyTorch's ScalarType numbers, and back.
std::optional<DType> dtype_of_scalar_type(std::int64_t number);
std::int64_t scalar_type_of(DType dtype);

}  // namespace aitune::torchscript
