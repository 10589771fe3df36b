#include "compiler/import/fx/interpreter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/import/fx/arithmetic.h"
#include "compiler/import/fx/builtins.h"
#include "compiler/import/fx/imports.h"
#include "compiler/import/fx/indexing.h"
#include "compiler/import/fx/prelude.h"
#include "compiler/import/fx/refuse.h"
#include "compiler/import/fx/token.h"

namespace aitune::fx {
namespace {

constexpr std::uint64_t kMaxSteps = std::uint64_t{1} << 24;
constexpr int kMaxCalls = 60;
constexpr int kMaxDepth = 400;  // of expressions, over all calls: each level takes C++ stack

std::string hint_of(const Stmt& statement) {
  const bool named = statement.kind == StmtKind::assign && statement.targets.front().kind == ExprKind::name;
  return named ? statement.targets.front().text.substr(0, 100) : "";
}

// "model.pt/forward:12: relu = self.relu(conv)" is long enough without the source; the place and the callee do.
SourceLocation location(const Stmt& statement, const std::string& place, const std::string& module) {
  return {module, fmt::format("{} in forward: {}", line_place(place, statement.line), describe(statement.value))};
}

// Names that a generated source may use without importing them.
bool is_builtin_name(std::string_view name) {
  return name == "torch" || name == "Ellipsis" || global_constant(name) || find_builtin(name) != nullptr;
}

// Our own names are not for files.
bool is_public(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('.'));
  return first != "prelude" && first != "aitune" && first != "aten";
}

// Errors that know no place get the line of the generated source.
[[noreturn]] void rethrow(const Error& error, const std::string& place, const SourceLocation& source) {
  if (error.code() == ErrorCode::internal || error.where().starts_with(place))
    throw_error(error.code(), error.problem(), error.where(), error.fix());
  std::string what = error.where().empty() ? error.problem() : fmt::format("{}: {}", error.where(), error.problem());
  const auto code = error.code() == ErrorCode::invalid_argument ? ErrorCode::unsupported : error.code();
  const std::string module = source.module.empty() ? "" : fmt::format(" (module {})", source.module);
  throw_error(code, std::move(what), source.code + module, error.fix());
}

}  // namespace

bool truth(const PyValue& value) {
  switch (value.kind) {
    case PyKind::none:
      return false;
    case PyKind::boolean:
      return value.boolean;
    case PyKind::integer:
      if (const auto constant = value.integer.as_constant()) return *constant != 0;
      refuse(fmt::format("a condition on the size {}", value.integer.str()));
    case PyKind::real:
      return value.real != 0;
    case PyKind::complex_number:
      return value.complex != 0.0;
    case PyKind::string:
      return !value.text.empty();
    case PyKind::tuple:
    case PyKind::list:
    case PyKind::dict:
      return !value.items().empty();
    case PyKind::tensor:
    case PyKind::unknown:
      refuse(fmt::format("a condition on {}", value.describe()));
    default:
      return true;
  }
}

void Interpreter::charge() {
  if (++steps_ > kMaxSteps) refuse("the forward takes more steps than any real model");
}

const Interpreter::Program& Interpreter::program(const PyValue& graph_module) {
  const auto [it, fresh] = programs_.try_emplace(graph_module.record);
  if (fresh) {
    Program& made = it->second;
    made.place = records_.where() + (graph_module.text.empty() ? "" : "/" + graph_module.text);
    made.functions = parse_source(records_.source(*graph_module.record), made.place, Dialect::generated);
    made.imports = parse_imports(records_.imports(*graph_module.record));
    if (!made.functions.contains("forward")) throw Corrupt("the source has no function forward", made.place);
  }
  return it->second;
}

PyValue Interpreter::forward(const PyValue& graph_module, PyArgs args) {
  const Program& code = program(graph_module);
  Frame frame;
  frame.generated = &code;
  frame.module = graph_module.text;
  args.positional.insert(args.positional.begin(), graph_module);
  return run(code.functions.find("forward")->second, frame, args, true);
}

PyValue Interpreter::run(const Function& function, Frame& frame, const PyArgs& args, bool generated) {
  if (++calls_ > kMaxCalls) refuse("calls are nested too deep");
  bind(function, frame, args, generated);
  execute(function.body, frame);
  --calls_;
  return frame.result.value_or(PyValue());
}

void Interpreter::bind(const Function& function, Frame& frame, const PyArgs& args, bool generated) {
  const auto& parameters = function.parameters;
  std::size_t next = 0;
  for (const PyValue& value : args.positional) {
    if (next < parameters.size() && parameters[next].variadic) break;
    if (next == parameters.size())
      throw InvalidArgument(
          fmt::format("{} takes {} arguments, {} are given", function.name, parameters.size(), args.positional.size()));
    frame.names[parameters[next++].name] = value;
  }
  if (next < parameters.size() && parameters[next].variadic) {
    const auto rest = args.positional.begin() + static_cast<std::ptrdiff_t>(next);
    frame.names[parameters[next].name] = PyValue::tuple(PyItems(rest, args.positional.end()));
  }
  for (const auto& [keyword, value] : args.keyword) {
    const auto takes = [&](std::string_view wanted) {
      return std::ranges::any_of(parameters, [&](const Parameter& p) { return p.name == wanted && !p.variadic; });
    };
    const std::string name = !generated && keyword == "input" && !takes(keyword) ? "self" : keyword;
    if (!takes(name)) throw InvalidArgument(fmt::format("{} has no argument {}", function.name, name.substr(0, 60)));
    if (!frame.names.emplace(name, value).second)
      throw InvalidArgument(fmt::format("{} gets the argument {} twice", function.name, name));
  }
  for (const Parameter& parameter : parameters) {
    if (frame.names.contains(parameter.name)) continue;
    if (!parameter.default_value)
      throw InvalidArgument(fmt::format("{} lacks the argument {}", generated ? "the forward" : function.name,
                                        parameter.name.substr(0, 60)));
    frame.names[parameter.name] = evaluate(*parameter.default_value, frame);
  }
}

void Interpreter::execute(const std::vector<Stmt>& statements, Frame& frame) {
  for (const Stmt& statement : statements) {
    if (frame.result) return;
    if (frame.generated != nullptr)
      execute_generated(statement, frame);
    else
      execute(statement, frame);
  }
}

void Interpreter::execute_generated(const Stmt& statement, Frame& frame) {
  const std::string& place = frame.generated->place;
  SourceLocation source = location(statement, place, frame.module);
  writer_.at(source, hint_of(statement));
  try {
    execute(statement, frame);
  } catch (const Error& error) {
    if (!writer_.source().module.empty()) source.module = writer_.source().module;
    rethrow(error, records_.where(), source);
  }
}

void Interpreter::execute(const Stmt& statement, Frame& frame) {
  charge();
  switch (statement.kind) {
    case StmtKind::assign: {
      const PyValue value = evaluate(statement.value, frame);
      for (const Expr& target : statement.targets) assign(target, value, frame);
      return;
    }
    case StmtKind::augmented:
      return augment(statement, frame);
    case StmtKind::expression:
      evaluate(statement.value, frame);
      return;
    case StmtKind::give_back:
      frame.result = evaluate(statement.value, frame);
      return;
    case StmtKind::branch:
      return execute(truth(evaluate(statement.value, frame)) ? statement.body : statement.otherwise, frame);
    case StmtKind::loop:
      return loop(statement, frame);
    case StmtKind::fail:
      refuse(evaluate(statement.value, frame).text);
  }
}

void Interpreter::loop(const Stmt& statement, Frame& frame) {
  const PyValue walked = evaluate(statement.value, frame);
  const PyItems items = walked.is(PyKind::module) ? records_.children(walked) : walked.items();
  if (!walked.is_sequence() && !walked.is(PyKind::module)) refuse(fmt::format("a loop over {}", walked.describe()));
  for (const PyValue& item : items) {
    assign(statement.targets.front(), item, frame);
    execute(statement.body, frame);
    if (frame.result) return;
  }
}

void Interpreter::assign(const Expr& target, const PyValue& value, Frame& frame) {
  if (target.kind == ExprKind::name) {
    frame.names[target.text] = value;
  } else if (target.kind == ExprKind::subscript) {
    set_item(*this, evaluate(target.items[0], frame), evaluate(target.items[1], frame), value);
  } else {
    if (!value.is_sequence() || value.items().size() != target.items.size())
      refuse(fmt::format("{} cannot be unpacked into {} names", value.describe(), target.items.size()));
    for (std::size_t i = 0; i < target.items.size(); ++i) assign(target.items[i], value.items()[i], frame);
  }
}

// x += y writes into a tensor, and rebinds any other name.
void Interpreter::augment(const Stmt& statement, Frame& frame) {
  const Expr& target = statement.targets.front();
  const PyValue before = evaluate(target, frame);
  const PyValue operand = evaluate(statement.value, frame);
  if (!before.is_tensor()) return assign(target, binary(writer_, statement.op, before, operand), frame);
  const PyValue after = binary_in_place(writer_, statement.op, before, operand);
  if (target.kind == ExprKind::name) frame.names[target.text] = after;
}

PyValue Interpreter::evaluate(const Expr& expr, Frame& frame) {
  charge();
  if (++depth_ > kMaxDepth) refuse("calls and expressions are nested too deep");
  PyValue value = evaluate_inner(expr, frame);
  --depth_;
  return value;
}

PyValue Interpreter::evaluate_inner(const Expr& expr, Frame& frame) {
  switch (expr.kind) {
    case ExprKind::none:
      return {};
    case ExprKind::boolean:
      return PyValue::of(expr.integer != 0);
    case ExprKind::integer:
      return PyValue::of(SymInt(expr.integer));
    case ExprKind::real:
      return PyValue::of(expr.real);
    case ExprKind::imaginary:
      return PyValue::of(std::complex(0.0, expr.real));
    case ExprKind::string:
      return PyValue::string(expr.text);
    case ExprKind::name:
      return evaluate_name(expr, frame);
    case ExprKind::tuple:
      return PyValue::tuple(evaluate_items(expr, 0, expr.items.size(), frame));
    case ExprKind::list:
      return PyValue::sequence(PyKind::list, evaluate_items(expr, 0, expr.items.size(), frame));
    case ExprKind::slice:
      return PyValue::sequence(PyKind::slice, evaluate_items(expr, 0, 3, frame));
    case ExprKind::dict:
      return evaluate_dict(expr, frame);
    case ExprKind::attribute:
      return attribute(evaluate(expr.items[0], frame), expr.text);
    case ExprKind::subscript: {
      const PyValue base = evaluate(expr.items[0], frame);
      return get_item(*this, base, evaluate(expr.items[1], frame));
    }
    case ExprKind::call:
      return evaluate_call(expr, frame);
    case ExprKind::unary:
      if (expr.text == "not") return PyValue::of(!truth(evaluate(expr.items[0], frame)));
      return unary(writer_, expr.text, evaluate(expr.items[0], frame));
    case ExprKind::binary: {
      const PyValue left = evaluate(expr.items[0], frame);
      return binary(writer_, expr.text, left, evaluate(expr.items[1], frame));
    }
    case ExprKind::logical:
      return evaluate_logical(expr, frame);
    case ExprKind::conditional:
      return evaluate(expr.items[truth(evaluate(expr.items[1], frame)) ? 0 : 2], frame);
    case ExprKind::unpack:
      break;
  }
  refuse("a * outside of a call or list");
}

PyValue Interpreter::evaluate_name(const Expr& expr, Frame& frame) {
  if (const auto it = frame.names.find(expr.text); it != frame.names.end())
    return it->second.is_tensor() ? PyValue::of(writer_.latest(it->second.tensor)) : it->second;
  std::string name = expr.text;
  if (frame.generated == nullptr) {
    if (library_function(name) != nullptr || module_forward(name) != nullptr)
      return PyValue::named(PyKind::global, std::string(kPreludeName) + name);
  } else if (const auto it = frame.generated->imports.find(name); it != frame.generated->imports.end()) {
    name = it->second;
    if (!is_public(name)) refuse(fmt::format("the name {} stands for {}", expr.text, name.substr(0, 100)));
  } else if (!is_builtin_name(name)) {
    throw Corrupt(fmt::format("the name {} is not defined", name.substr(0, 100)), "", "save the GraphModule again");
  }
  if (name == "Ellipsis") return PyValue::named(PyKind::ellipsis, "");
  if (auto constant = global_constant(name)) return *std::move(constant);
  return PyValue::named(PyKind::global, std::move(name));
}

PyValue Interpreter::evaluate_logical(const Expr& expr, Frame& frame) {
  PyValue left = evaluate(expr.items[0], frame);
  if (truth(left) == (expr.text == "or")) return left;
  return evaluate(expr.items[1], frame);
}

PyItems Interpreter::evaluate_items(const Expr& expr, std::size_t from, std::size_t to, Frame& frame) {
  PyItems items;
  for (std::size_t i = from; i < to; ++i) {
    const Expr& item = expr.items[i];
    if (item.kind != ExprKind::unpack) {
      items.push_back(evaluate(item, frame));
      continue;
    }
    const PyValue list = evaluate(item.items[0], frame);
    if (!list.is_sequence()) refuse(fmt::format("{} cannot be unpacked", list.describe()));
    items.insert(items.end(), list.items().begin(), list.items().end());
    if (items.size() > kMaxSteps) refuse("a list that is too long");
  }
  return items;
}

PyValue Interpreter::evaluate_dict(const Expr& expr, Frame& frame) {
  PyItems items;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i + 1 < expr.items.size(); i += 2) {
    const PyValue key = evaluate(expr.items[i], frame);
    if (!key.is(PyKind::string)) refuse(fmt::format("a dict with {} as a key", key.describe()));
    keys.push_back(key.text);
    items.push_back(evaluate(expr.items[i + 1], frame));
  }
  return PyValue::sequence(PyKind::dict, std::move(items), std::move(keys));
}

PyValue Interpreter::evaluate_call(const Expr& expr, Frame& frame) {
  const PyValue callee = evaluate(expr.items[0], frame);
  const std::size_t positional = expr.items.size() - expr.keywords.size();
  PyArgs args{evaluate_items(expr, 1, positional, frame), {}};
  for (std::size_t i = 0; i < expr.keywords.size(); ++i)
    args.keyword.emplace_back(expr.keywords[i], evaluate(expr.items[positional + i], frame));
  return call(callee, args);
}

}  // namespace aitune::fx
