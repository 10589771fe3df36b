#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/error.h"
#include "compiler/import/fx/syntax.h"
#include "compiler/import/fx/token.h"

namespace aitune::fx {
namespace {

constexpr std::uint32_t kMaxHeight = 120;
constexpr int kMaxBlocks = 20;
constexpr std::size_t kMaxQuoted = 60;

// Operators of one strength, from the weakest to the strongest; all of them associate to the left.
struct Level {
  std::array<std::string_view, 6> symbols;
};
constexpr std::array<Level, 6> kLevels = {
    {{{"|"}}, {{"^"}}, {{"&"}}, {{"<<", ">>"}}, {{"+", "-"}}, {{"*", "/", "//", "%", "@"}}}};
constexpr auto kComparisons = std::to_array<std::string_view>({"==", "!=", "<", "<=", ">", ">="});
constexpr auto kAugmented =
    std::to_array<std::string_view>({"+=", "-=", "*=", "/=", "//=", "%=", "**=", "@=", "&=", "|=", "^=", "<<=", ">>="});
// Words that begin what torch.fx never generates.
constexpr auto kForeign = std::to_array<std::string_view>(
    {"if",     "for",   "raise", "while", "with", "try",   "class",  "def",      "lambda", "import", "from",
     "global", "async", "yield", "del",   "exec", "await", "assert", "nonlocal", "match",  "break"});

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Parser {
 public:
  Parser(std::string_view source, std::string_view where, Dialect dialect)
      : where_(where), dialect_(dialect), tokens_(tokenize(source, where)) {}

  Functions run() {
    Functions functions;
    while (peek().kind != TokenKind::end) {
      if (is_word("def")) {
        Function function = definition();
        if (functions.contains(function.name)) corrupt(fmt::format("{} is defined twice", function.name));
        std::string name = function.name;
        functions.emplace(std::move(name), std::move(function));
      } else if (dialect_ == Dialect::prelude && is_symbol("=", 1)) {
        alias(functions);
      } else if (dialect_ == Dialect::generated && is_wrap()) {
        while (next().kind != TokenKind::newline) {
        }
      } else {
        refuse_statement("outside of a function");
      }
    }
    return functions;
  }

 private:
  [[noreturn]] void corrupt(std::string what) const {
    throw Corrupt(std::move(what), line_place(where_, peek().line),
                  "only the source that torch.fx generates is read; save the GraphModule again");
  }
  [[noreturn]] void refuse_statement(std::string_view why) const {
    const Token& token = peek();
    const std::string text = token.text.substr(0, kMaxQuoted);
    if (token.kind != TokenKind::name) corrupt(fmt::format("a statement cannot begin with \"{}\"", text));
    throw Unsupported(fmt::format("\"{}\" {} is not of the form that torch.fx generates", text, why),
                      line_place(where_, token.line), "save what torch.fx.symbolic_trace returned");
  }

  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is_symbol(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::symbol && peek(ahead).text == text;
  }
  bool is_word(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::name && peek(ahead).text == text;
  }
  bool take(std::string_view text) {
    if (!is_symbol(text) && !is_word(text)) return false;
    next();
    return true;
  }
  void expect(std::string_view text) {
    if (!take(text)) {
      corrupt(fmt::format("\"{}\" is expected, and \"{}\" stands here", text, peek().text.substr(0, kMaxQuoted)));
    }
  }
  void expect(TokenKind kind, std::string_view what) {
    if (peek().kind != kind) corrupt(fmt::format("{} is expected", what));
    next();
  }
  std::string expect_name() {
    if (peek().kind != TokenKind::name) corrupt("a name is expected");
    return next().text;
  }

  // wrap("name") before the function, for torch.fx.wrap; or torch.fx._symbolic_trace.wrap("math_sqrt").
  bool is_wrap() const {
    std::size_t at = 0;
    while (peek(at).kind == TokenKind::name && is_symbol(".", at + 1)) at += 2;
    return peek(at).kind == TokenKind::name && is_symbol("(", at + 1) && peek(at + 2).kind == TokenKind::string &&
           is_symbol(")", at + 3) && peek(at + 4).kind == TokenKind::newline;
  }

  // dropout2d = dropout
  void alias(Functions& functions) {
    std::string name = expect_name();
    expect("=");
    functions.emplace(std::move(name), functions.at(expect_name()));
    expect(TokenKind::newline, "the end of the line");
  }

  Function definition() {
    Function function;
    function.line = peek().line;
    expect("def");
    function.name = expect_name();
    expect("(");
    while (!take(")")) {
      function.parameters.push_back(parameter());
      if (!is_symbol(")")) expect(",");
    }
    if (take("->")) expression();
    expect(":");
    function.body = block();
    return function;
  }

  Parameter parameter() {
    Parameter made;
    made.variadic = take("*");
    if (is_symbol("**")) refuse_parameters();
    if (made.variadic && dialect_ == Dialect::generated) refuse_parameters();
    made.name = expect_name();
    if (take(":")) expression();
    if (take("=")) made.default_value = expression();
    return made;
  }

  [[noreturn]] void refuse_parameters() const {
    throw Unsupported("a forward with *args or **kwargs", line_place(where_, peek().line),
                      "give the traced module parameters with names");
  }

  std::vector<Stmt> block() {
    std::vector<Stmt> statements;
    if (peek().kind != TokenKind::newline) {
      simple_line(statements);
      return statements;
    }
    expect(TokenKind::newline, "the end of the line");
    expect(TokenKind::indent, "an indented block");
    if (++blocks_ > kMaxBlocks) corrupt("blocks are nested too deep");
    while (peek().kind != TokenKind::dedent) {
      if (dialect_ == Dialect::prelude && is_word("if")) {
        statements.push_back(branch());
      } else if (dialect_ == Dialect::prelude && is_word("for")) {
        statements.push_back(loop());
      } else {
        simple_line(statements);
      }
    }
    --blocks_;
    next();
    return statements;
  }

  Stmt branch() {
    Stmt made{.kind = StmtKind::branch, .line = next().line};
    made.value = expression();
    expect(":");
    made.body = block();
    if (is_word("elif")) {
      made.otherwise.push_back(branch());
    } else if (take("else")) {
      expect(":");
      made.otherwise = block();
    }
    return made;
  }

  Stmt loop() {
    Stmt made{.kind = StmtKind::loop, .line = next().line};
    made.targets.push_back(target_list());
    expect("in");
    made.value = expression_list();
    expect(":");
    made.body = block();
    return made;
  }

  void simple_line(std::vector<Stmt>& statements) {
    do {
      if (peek().kind == TokenKind::newline) break;
      simple_statement(statements);
    } while (take(";"));
    expect(TokenKind::newline, "the end of the statement");
  }

  void simple_statement(std::vector<Stmt>& statements) {
    Stmt made;
    made.line = peek().line;
    if (take("pass")) return;
    if (take("return")) {
      made.kind = StmtKind::give_back;
      made.value = peek().kind == TokenKind::newline || is_symbol(";") ? leaf(ExprKind::none) : expression_list();
    } else if (dialect_ == Dialect::prelude && take("raise")) {
      made.kind = StmtKind::fail;
      made.value = expression();
    } else if (peek().kind == TokenKind::name && contains(kForeign, peek().text)) {
      refuse_statement("in the forward");
    } else {
      assignment(made);
    }
    statements.push_back(std::move(made));
  }

  void assignment(Stmt& made) {
    Expr first = expression_list();
    if (peek().kind == TokenKind::symbol && contains(kAugmented, peek().text)) {
      made.kind = StmtKind::augmented;
      made.op = next().text;
      made.op.pop_back();
      made.targets.push_back(as_target(std::move(first)));
      made.value = expression_list();
      return;
    }
    if (take(":")) expression();  // an annotation
    while (take("=")) {
      made.kind = StmtKind::assign;
      made.targets.push_back(as_target(std::move(first)));
      first = expression_list();
    }
    made.value = std::move(first);
  }

  Expr as_target(Expr expr) const {
    const bool several = expr.kind == ExprKind::tuple || expr.kind == ExprKind::list;
    const auto is_name = [](const Expr& e) { return e.kind == ExprKind::name; };
    if (several ? !std::all_of(expr.items.begin(), expr.items.end(), is_name)
                : !is_name(expr) && expr.kind != ExprKind::subscript) {
      corrupt(fmt::format("\"{}\" cannot be assigned to", describe(expr)));
    }
    return expr;
  }

  Expr target_list() {
    Expr first = leaf(ExprKind::name);
    first.text = expect_name();
    if (!is_symbol(",")) return first;
    Expr tuple = leaf(ExprKind::tuple);
    tuple.items.push_back(std::move(first));
    while (take(",")) {
      tuple.items.push_back(leaf(ExprKind::name));
      tuple.items.back().text = expect_name();
    }
    return tuple;
  }

  // ---- expressions

  Expr leaf(ExprKind kind) const {
    Expr expr;
    expr.kind = kind;
    expr.line = peek().line;
    return expr;
  }

  Expr node(ExprKind kind, std::string text, std::vector<Expr> items) const {
    Expr expr = leaf(kind);
    expr.text = std::move(text);
    expr.items = std::move(items);
    seal(expr);
    return expr;
  }
  template <typename... Items>
  Expr make(ExprKind kind, std::string text, Items... items) const {
    std::vector<Expr> list;
    list.reserve(sizeof...(items));
    (list.push_back(std::move(items)), ...);
    return node(kind, std::move(text), std::move(list));
  }
  void seal(Expr& expr) const {
    for (const Expr& item : expr.items) expr.height = std::max(expr.height, item.height + 1);
    if (expr.height > kMaxHeight) corrupt("an expression is nested too deep");
  }

  // Recursion, too, is limited: brackets by the lexer, the rest here.
  class Guard {
   public:
    explicit Guard(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > 2 * kMaxHeight) parser_.corrupt("an expression is nested too deep");
    }
    ~Guard() { --parser_.depth_; }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Parser& parser_;
  };

  bool ends_list() const {
    const Token& token = peek();
    if (token.kind == TokenKind::newline || token.kind == TokenKind::end) return true;
    static constexpr auto closers = std::to_array<std::string_view>({")", "]", "}", "=", ":", ";"});
    return token.kind == TokenKind::symbol && contains(closers, token.text);
  }

  // a, b, c without brackets
  Expr expression_list() {
    Expr first = expression();
    if (!is_symbol(",")) return first;
    std::vector<Expr> items;
    items.push_back(std::move(first));
    while (take(",") && !ends_list()) items.push_back(expression());
    return node(ExprKind::tuple, "", std::move(items));
  }

  Expr expression() {
    const Guard guard(*this);
    Expr value = disjunction();
    if (dialect_ != Dialect::prelude || !take("if")) return value;
    Expr condition = disjunction();
    expect("else");
    return make(ExprKind::conditional, "", std::move(value), std::move(condition), expression());
  }

  Expr disjunction() {
    Expr left = conjunction();
    while (is_word("or")) {
      next();
      left = make(ExprKind::logical, "or", std::move(left), conjunction());
    }
    return left;
  }

  Expr conjunction() {
    Expr left = negation();
    while (is_word("and")) {
      next();
      left = make(ExprKind::logical, "and", std::move(left), negation());
    }
    return left;
  }

  Expr negation() {
    const Guard guard(*this);
    if (!take("not")) return comparison();
    return make(ExprKind::unary, "not", negation());
  }

  std::string comparison_operator() {
    if (peek().kind == TokenKind::symbol && contains(kComparisons, peek().text)) return next().text;
    if (take("in")) return "in";
    if (is_word("not") && is_word("in", 1)) {
      next();
      next();
      return "not in";
    }
    if (!take("is")) return {};
    return take("not") ? "is not" : "is";
  }

  Expr comparison() {
    Expr left = binary(0);
    std::string op = comparison_operator();
    if (op.empty()) return left;
    left = make(ExprKind::binary, std::move(op), std::move(left), binary(0));
    if (!comparison_operator().empty()) corrupt("a chain of comparisons");
    return left;
  }

  Expr binary(std::size_t level) {
    if (level == kLevels.size()) return unary();
    Expr left = binary(level + 1);
    while (peek().kind == TokenKind::symbol && contains(kLevels[level].symbols, peek().text)) {
      std::string op = next().text;
      left = make(ExprKind::binary, std::move(op), std::move(left), binary(level + 1));
    }
    return left;
  }

  Expr unary() {
    const Guard guard(*this);
    if (is_symbol("-") || is_symbol("+") || is_symbol("~")) {
      std::string op = next().text;
      return make(ExprKind::unary, std::move(op), unary());
    }
    Expr base = postfix();
    if (!take("**")) return base;
    return make(ExprKind::binary, "**", std::move(base), unary());
  }

  Expr postfix() {
    Expr expr = atom();
    while (true) {
      if (take(".")) {
        std::string name = expect_name();
        expr = make(ExprKind::attribute, std::move(name), std::move(expr));
      } else if (is_symbol("(")) {
        expr = call(std::move(expr));
      } else if (take("[")) {
        Expr index = subscript_index();
        expect("]");
        expr = make(ExprKind::subscript, "", std::move(expr), std::move(index));
      } else {
        return expr;
      }
    }
  }

  Expr call(Expr callee) {
    Expr expr = leaf(ExprKind::call);
    expr.items.push_back(std::move(callee));
    expect("(");
    while (!take(")")) {
      if (peek().kind == TokenKind::name && is_symbol("=", 1)) {
        expr.keywords.push_back(next().text);
        next();
        expr.items.push_back(expression());
      } else {
        if (!expr.keywords.empty()) corrupt("an argument without a name after one with a name");
        expr.items.push_back(element());
      }
      if (!is_symbol(")")) expect(",");
    }
    seal(expr);
    return expr;
  }

  // An element of a call, tuple or list: *x is one, too.
  Expr element() {
    if (!take("*")) return expression();
    return make(ExprKind::unpack, "", expression());
  }

  Expr subscript_index() {
    std::vector<Expr> items;
    bool several = false;
    while (!is_symbol("]")) {
      items.push_back(slice_or_expression());
      if (!take(",")) break;
      several = true;
    }
    if (items.empty()) corrupt("an empty subscript");
    if (!several && items.size() == 1) return std::move(items.front());
    return node(ExprKind::tuple, "", std::move(items));
  }

  Expr slice_or_expression() {
    const auto part = [&] {
      return is_symbol(":") || is_symbol("]") || is_symbol(",") ? leaf(ExprKind::none) : expression();
    };
    Expr start = part();
    if (!take(":")) return start;
    Expr stop = part();
    Expr step = take(":") ? part() : leaf(ExprKind::none);
    return make(ExprKind::slice, "", std::move(start), std::move(stop), std::move(step));
  }

  Expr atom() {
    const Token& token = peek();
    switch (token.kind) {
      case TokenKind::integer:
        return literal(ExprKind::integer);
      case TokenKind::real:
        return literal(ExprKind::real);
      case TokenKind::imaginary:
        return literal(ExprKind::imaginary);
      case TokenKind::string: {
        Expr expr = literal(ExprKind::string);
        while (peek().kind == TokenKind::string) expr.text += next().text;
        return expr;
      }
      case TokenKind::name:
        return word();
      case TokenKind::symbol:
        if (is_symbol("(")) return parenthesized();
        if (is_symbol("[")) return bracketed();
        if (is_symbol("{")) return braced();
        if (is_symbol(".") && is_symbol(".", 1) && is_symbol(".", 2)) return dots();
        break;
      default:
        break;
    }
    corrupt(fmt::format("an expression cannot begin with \"{}\"", token.text.substr(0, kMaxQuoted)));
  }

  Expr literal(ExprKind kind) {
    Expr expr = leaf(kind);
    const Token& token = next();
    expr.text = token.text;
    expr.integer = token.integer;
    expr.real = token.real;
    return expr;
  }

  Expr dots() {
    Expr expr = leaf(ExprKind::name);
    expr.text = "Ellipsis";
    at_ += 3;
    return expr;
  }

  Expr word() {
    if (contains(kForeign, peek().text) || is_word("else") || is_word("return")) refuse_statement("in an expression");
    Expr expr = leaf(ExprKind::name);
    expr.text = next().text;
    if (expr.text == "None") expr.kind = ExprKind::none;
    if (expr.text == "True" || expr.text == "False") {
      expr.kind = ExprKind::boolean;
      expr.integer = expr.text == "True" ? 1 : 0;
    }
    return expr;
  }

  std::vector<Expr> elements(std::string_view close, bool& trailing_comma) {
    std::vector<Expr> items;
    trailing_comma = false;
    while (!take(close)) {
      items.push_back(element());
      trailing_comma = is_symbol(",");
      if (!is_symbol(close)) expect(",");
    }
    return items;
  }

  Expr parenthesized() {
    expect("(");
    bool comma = false;
    std::vector<Expr> items = elements(")", comma);
    if (items.size() == 1 && !comma && items.front().kind != ExprKind::unpack) return std::move(items.front());
    return node(ExprKind::tuple, "", std::move(items));
  }

  Expr bracketed() {
    expect("[");
    bool comma = false;
    return node(ExprKind::list, "", elements("]", comma));
  }

  Expr braced() {
    Expr expr = leaf(ExprKind::dict);
    expect("{");
    while (!take("}")) {
      expr.items.push_back(expression());
      expect(":");
      expr.items.push_back(expression());
      if (!is_symbol("}")) expect(",");
    }
    seal(expr);
    return expr;
  }

  std::string_view where_;
  Dialect dialect_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::uint32_t depth_ = 0;
  int blocks_ = 0;
};

}  // namespace

std::string describe(const Expr& expr) {
  if (expr.kind == ExprKind::name || expr.kind == ExprKind::attribute) return expr.text.substr(0, kMaxQuoted);
  if (expr.kind == ExprKind::call && !expr.items.empty()) return describe(expr.items.front());
  return "an expression";
}

Functions parse_source(std::string_view source, std::string_view where, Dialect dialect) {
  return Parser(source, where, dialect).run();
}

}  // namespace aitune::fx
