#pragma once
// What the parser makes of TorchScript's source.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/import/torchscript/source.h"

namespace aitune::torchscript {

enum class ExprKind : std::uint8_t {
  none,
  boolean,
  integer,
  real,
  complex,  ///< items: its real and its imaginary part
  string,
  name,
  list,
  tuple,
  dict,       ///< items: keys and values in turn
  attribute,  ///< items[0].text
  call,       ///< items[0](items[1...]); the last `keywords.size()` arguments have names
  subscript,  ///< items[0][items[1]]
  slice,      ///< items[0][items[1]:items[2]]; a bound left out is none
  negate,     ///< -items[0]
};

/// An expression, or a type: types are written as expressions.
struct Expr {
  ExprKind kind = ExprKind::none;
  std::uint32_t offset = 0;
  std::int64_t integer = 0;  ///< also boolean
  double real = 0;
  std::string text;
  std::vector<Expr> items;
  std::vector<std::string> keywords;

  bool is_name(std::string_view name) const { return kind == ExprKind::name && text == name; }
};

enum class StmtKind : std::uint8_t {
  assign,      ///< targets = value; several targets take a tuple apart
  expression,  ///< value
  branch,      ///< if value: body else: other
  for_loop,    ///< for targets[0] in value: body
  while_loop,  ///< while value: body
  give_back,   ///< return value
  with,        ///< with value as targets[0]: body
  define,      ///< def targets[0](): body, which sees the names around it: what fork() takes
  pass,
};

struct Stmt {
  StmtKind kind = StmtKind::pass;
  std::uint32_t offset = 0;
  std::vector<Expr> targets;
  std::optional<Expr> type;  ///< of an assignment
  bool unpack = false;       ///< an assignment to "a, b" or "a,"
  Expr value;
  std::vector<Stmt> body, other;
};

struct Parameter {
  std::string name;
  std::optional<Expr> type;
  std::optional<Expr> value;  ///< its default
};

struct Function {
  std::string name;
  const Source* source = nullptr;
  std::uint32_t offset = 0;
  std::vector<Parameter> parameters;
  std::vector<Stmt> body;
};

struct Field {
  std::string name;
  std::optional<Expr> type;
  std::optional<Expr> value;  ///< of a constant: "stride : Final[int] = 2"
};

struct Class {
  std::string name;  ///< qualified: "__torch__.net.Net"
  std::string base;  ///< "Module", "NamedTuple", "Enum", ... or empty
  const Source* source = nullptr;
  std::uint32_t offset = 0;
  std::vector<Field> fields;
  std::map<std::string, Function, std::less<>> methods;

  const Field* find_field(std::string_view field) const {
    for (const Field& f : fields)
      if (f.name == field) return &f;
    return nullptr;
  }
};

inline bool is_enum(const Class* type) { return type != nullptr && type->base == "Enum"; }

/// One parsed file.
struct File {
  std::map<std::string, Class, std::less<>> classes;  ///< by unqualified name
  std::map<std::string, Function, std::less<>> functions;
};

}  // namespace aitune::torchscript
