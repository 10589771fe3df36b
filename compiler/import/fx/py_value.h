#pragma once
// What a Python expression of the forward stands for while it is imported: everything but tensors is known now.

#include <complex>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/pickle/pickle.h"

namespace aitune::fx {

enum class PyKind : std::uint8_t {
  none,
  boolean,
  integer,  ///< a SymInt: sizes may be symbolic
  real,
  complex_number,
  string,
  tuple,
  list,
  dict,   ///< keys name the items
  slice,  ///< items: start, stop, step
  tensor,
  dtype,
  memory_format,
  device,  ///< text
  ellipsis,
  module,   ///< a pickled object; text is its path in the model
  global,   ///< text: a qualified name such as "torch.nn.functional"
  method,   ///< items[0] and the name of its method, text
  unknown,  ///< a bool or float that depends on a symbolic size; text says which (size_numbers.h)
  nothing,  ///< deleted after its last use, or never given
};

class PyValue;
using PyItems = std::vector<PyValue>;

/// An immutable value; copies share their items. Nesting and the total number of items are limited.
class PyValue {
 public:
  PyKind kind = PyKind::none;
  bool boolean = false;
  double real = 0;
  std::complex<double> complex;
  SymInt integer;
  std::string text;
  DType dtype = DType::f32;
  MemoryFormat format = MemoryFormat::contiguous;
  Value* tensor = nullptr;  ///< of an unknown float: a 0-dim tensor of f64, if it can be computed
  /// Of an unknown float that is `integer` divided by this; otherwise 0.
  std::int64_t denominator = 0;
  const PickleValue* record = nullptr;
  std::vector<std::string> keys;

  static PyValue of(bool value);
  static PyValue of(SymInt value);
  static PyValue of(double value);
  static PyValue of(std::complex<double> value);
  static PyValue of(Value* value);
  static PyValue of(DType value);
  static PyValue of(MemoryFormat value);
  static PyValue named(PyKind kind, std::string text);
  static PyValue string(std::string text) { return named(PyKind::string, std::move(text)); }
  static PyValue unknown(std::string text) { return named(PyKind::unknown, std::move(text)); }
  static PyValue module(const PickleValue& record, std::string path);
  /// tuple, list, dict (with keys), slice or method. Throws Unsupported beyond a million items or 50 levels.
  static PyValue sequence(PyKind kind, PyItems items, std::vector<std::string> keys = {});
  static PyValue tuple(PyItems items) { return sequence(PyKind::tuple, std::move(items)); }
  static PyValue sizes(const SymShape& shape);

  bool is(PyKind k) const { return kind == k; }
  bool is_none() const { return kind == PyKind::none; }
  bool is_tensor() const { return kind == PyKind::tensor; }
  bool is_sequence() const { return kind == PyKind::tuple || kind == PyKind::list; }
  /// An int, float, bool, or a float that depends on sizes; not a complex number.
  bool is_number() const;
  /// A tensor or a number, complex ones too.
  bool is_operand() const { return is_tensor() || is_number() || kind == PyKind::complex_number; }
  bool is_global(std::string_view name) const { return kind == PyKind::global && text == name; }
  const PyItems& items() const;
  const PyValue* find(std::string_view key) const;  ///< of a dict or a named tuple

  /// What it is, for messages: "a tensor f32[2,3]", "the integer 3", "None".
  std::string describe() const;

 private:
  std::shared_ptr<const PyItems> items_;
  std::uint64_t weight_ = 1;
  std::uint32_t height_ = 1;
};

/// Positional and keyword arguments of a call.
struct PyArgs {
  PyItems positional;
  std::vector<std::pair<std::string, PyValue>> keyword;
};

/// As an argument of a node. Throws Unsupported for what no operator takes.
Arg to_arg(const PyValue& value);

}  // namespace aitune::fx
