#pragma once
// The tree of a source: the part of Python that torch.fx generates, and a little more for our own prelude.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aitune::fx {

enum class ExprKind : std::uint8_t {
  none,
  boolean,  ///< integer is 0 or 1
  integer,
  real,
  imaginary,
  string,
  name,  ///< text
  tuple,
  list,
  dict,         ///< items: keys and values in turn
  attribute,    ///< items[0] . text
  subscript,    ///< items[0] [ items[1] ]
  slice,        ///< items: start, stop, step, each may be of the kind none
  call,         ///< items[0] ( items[1...] ); keywords names the last ones
  unary,        ///< text items[0]; text is "-", "+", "~" or "not"
  binary,       ///< items[0] text items[1]; comparisons too, "is", "is not", "in", "not in"
  logical,      ///< items[0] text items[1]; "and", "or"
  conditional,  ///< items[0] if items[1] else items[2]
  unpack,       ///< *items[0], as an argument or in a list
};

struct Expr {
  ExprKind kind = ExprKind::none;
  int line = 0;
  std::string text;
  std::int64_t integer = 0;
  double real = 0;  ///< or the imaginary part
  std::vector<Expr> items;
  std::vector<std::string> keywords;
  std::uint32_t height = 1;  ///< levels of the tree; limited
};

enum class StmtKind : std::uint8_t { assign, augmented, expression, give_back, branch, loop, fail };

struct Stmt {
  StmtKind kind = StmtKind::expression;
  int line = 0;
  std::string op;             ///< augmented: "+", "-", ...
  std::vector<Expr> targets;  ///< assign: each gets the value; augmented and loop: one
  Expr value;                 ///< what is assigned, returned, tested, walked through, or said (fail)
  std::vector<Stmt> body, otherwise;
};

struct Parameter {
  std::string name;
  std::optional<Expr> default_value;
  bool variadic = false;  ///< *name
};

struct Function {
  std::string name;
  int line = 0;
  std::vector<Parameter> parameters;
  std::vector<Stmt> body;
};

using Functions = std::map<std::string, Function, std::less<>>;

/// `generated`: straight-line code only, as torch.fx writes it. `prelude`: with if, for and raise.
enum class Dialect : std::uint8_t { generated, prelude };

/// The functions of a source. Throws Corrupt where it is not Python, Unsupported where it is Python that torch.fx does
/// not generate; both with `where` and the line. Size and nesting are limited.
Functions parse_source(std::string_view source, std::string_view where, Dialect dialect);

/// The last name of a chain of attributes, for messages: "relu" of torch.relu.
std::string describe(const Expr& expr);

}  // namespace aitune::fx
