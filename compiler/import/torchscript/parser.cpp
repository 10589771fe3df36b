#include "compiler/import/torchscript/parser.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"
#include "compiler/import/torchscript/lexer.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxDepth = 200, kMaxChain = 64;

class Parser {
 public:
  Parser(const Source& source, std::string_view module) : source_(source), module_(module), tokens_(tokenize(source)) {}

  File run() {
    File file;
    while (at().kind != TokenKind::end) {
      if (at().is("class")) {
        Class made = parse_class();
        const std::string name = made.name.substr(module_.size() + 1);
        add(file, file.classes, name, std::move(made));
      } else if (at().is("def")) {
        Function made = parse_function();
        const std::string name = made.name;
        add(file, file.functions, name, std::move(made));
      } else if (at().is("import") || at().is("op_version_set")) {
        while (at().kind != TokenKind::newline) next();
        next();
      } else {
        fail("a class or a function must be here");
      }
    }
    return file;
  }

 private:
  template <typename Map, typename T>
  void add(const File& file, Map& map, const std::string& name, T made) {
    if (file.classes.contains(name) || file.functions.contains(name))
      fail(fmt::format("{} is defined twice", printable(name)));
    map.emplace(name, std::move(made));
  }

  // Tokens.
  const Token& at(std::size_t ahead = 0) const { return tokens_[std::min(index_ + ahead, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = at();
    if (token.kind == TokenKind::end) fail("it ends too early");
    ++index_;
    return token;
  }
  bool accept(std::string_view symbol) {
    if (!at().is(symbol)) return false;
    ++index_;
    return true;
  }
  void expect(std::string_view symbol) {
    if (!accept(symbol)) fail(fmt::format("'{}' must be here, not '{}'", symbol, printable(at().text, 40)));
  }
  void expect_newline() {
    if (at().kind != TokenKind::newline) fail(fmt::format("the line must end at '{}'", printable(at().text, 40)));
    ++index_;
  }
  std::string expect_name() {
    if (at().kind != TokenKind::name) fail(fmt::format("a name must be here, not '{}'", printable(at().text, 40)));
    return std::string(next().text);
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Corrupt("this is not TorchScript as PyTorch writes it: " + what, place(source_, at().offset));
  }

  // Counts the levels of recursion.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxDepth) parser_.fail("it is nested too deeply");
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  Expr make(ExprKind kind, std::string_view text = {}) const {
    Expr expr;
    expr.kind = kind;
    expr.offset = at().offset;
    expr.text = text;
    return expr;
  }

  // Definitions.
  Class parse_class() {
    Class made;
    made.source = &source_;
    made.offset = at().offset;
    expect("class");
    made.name = fmt::format("{}.{}", module_, expect_name());
    if (accept("(")) {
      if (!at().is(")")) made.base = expect_name();
      expect(")");
    }
    expect(":");
    expect_newline();
    if (at().kind != TokenKind::indent) fail("a class has no body");
    ++index_;
    while (at().kind != TokenKind::dedent) class_member(made);
    ++index_;
    return made;
  }

  void class_member(Class& made) {
    if (at().is("def")) {
      Function method = parse_function();
      const std::string name = method.name;
      if (!made.methods.emplace(name, std::move(method)).second)
        fail(fmt::format("the method {} is defined twice", printable(name)));
      return;
    }
    if (accept("pass")) return expect_newline();
    Field field;
    field.name = expect_name();
    if (field.name == "__annotations__") {  // for names that are not identifiers
      if (accept("=")) {                    // of a class that has such names alone: a list to put them into
        expression();
        return expect_newline();
      }
      expect("[");
      if (at().kind != TokenKind::string) fail("a name in quotes must be here");
      field.name = unquote(next(), source_);
      expect("]");
      if (accept("=")) {
        field.type = expression();
        if (accept("=")) field.value = expression();
      }
    } else {
      if (accept(":")) field.type = expression();
      if (accept("=")) field.value = expression();
    }
    expect_newline();
    if (made.find_field(field.name) != nullptr) fail(fmt::format("the field {} is there twice", printable(field.name)));
    made.fields.push_back(std::move(field));
  }

  Function parse_function() {
    Function function;
    function.source = &source_;
    function.offset = at().offset;
    expect("def");
    function.name = expect_name();
    expect("(");
    while (!at().is(")")) {
      if (!accept("*")) function.parameters.push_back(parameter());
      if (!at().is(")")) expect(",");
    }
    expect(")");
    if (accept("->")) expression();
    expect(":");
    function.body = block();
    return function;
  }

  Parameter parameter() {
    Parameter made;
    made.name = expect_name();
    if (accept(":")) made.type = expression();
    if (accept("=")) made.value = expression();
    return made;
  }

  // Statements.
  std::vector<Stmt> block() {
    const Level level(*this);
    expect_newline();
    if (at().kind != TokenKind::indent) fail("a block is empty");
    ++index_;
    std::vector<Stmt> statements;
    while (at().kind != TokenKind::dedent) statements.push_back(statement());
    ++index_;
    return statements;
  }

  Stmt statement() {
    Stmt made;
    made.offset = at().offset;
    if (accept("pass")) {
      expect_newline();
    } else if (accept("return")) {
      made.kind = StmtKind::give_back;
      if (at().kind != TokenKind::newline) made.value = expression_list();
      expect_newline();
    } else if (accept("if")) {
      branch(made);
    } else if (accept("for")) {
      made.kind = StmtKind::for_loop;
      made.targets.push_back(expression());
      expect("in");
      made.value = expression();
      expect(":");
      made.body = block();
    } else if (accept("while")) {
      made.kind = StmtKind::while_loop;
      made.value = expression();
      expect(":");
      made.body = block();
    } else if (accept("with")) {
      made.kind = StmtKind::with;
      made.value = expression();
      if (accept("as")) made.targets.push_back(expression());
      expect(":");
      made.body = block();
    } else if (at().is("def")) {
      define(made);
    } else {
      simple(made);
    }
    return made;
  }

  void define(Stmt& made) {
    Function function = parse_function();
    if (!function.parameters.empty()) fail("a function within a function takes arguments");
    made.kind = StmtKind::define;
    made.targets.push_back(make(ExprKind::name, function.name));
    made.body = std::move(function.body);
  }

  void branch(Stmt& made) {
    const Level level(*this);
    made.kind = StmtKind::branch;
    made.value = expression();
    expect(":");
    made.body = block();
    if (at().is("elif")) {
      Stmt inner;
      inner.offset = next().offset;
      branch(inner);
      made.other.push_back(std::move(inner));
    } else if (accept("else")) {
      expect(":");
      made.other = block();
    }
  }

  void simple(Stmt& made) {
    made.value = expression_list(&made.unpack);
    if (at().is(":")) {
      ++index_;
      made.type = expression();
      if (!at().is("=")) fail("a declaration has no value");
    }
    if (accept("=")) {
      made.kind = StmtKind::assign;
      if (made.unpack)
        made.targets = std::move(made.value.items);
      else
        made.targets.push_back(std::move(made.value));
      made.value = expression_list();
    } else {
      made.kind = StmtKind::expression;
    }
    expect_newline();
  }

  // "a", "a, b" and "a,".
  Expr expression_list(bool* listed = nullptr) {
    Expr first = expression();
    if (!at().is(",")) return first;
    if (listed != nullptr) *listed = true;
    Expr tuple = make(ExprKind::tuple);
    tuple.offset = first.offset;
    tuple.items.push_back(std::move(first));
    while (accept(",")) {
      if (at().is("=") || at().kind == TokenKind::newline) break;
      tuple.items.push_back(expression());
    }
    return tuple;
  }

  // Expressions.
  Expr expression() {
    const Level level(*this);
    if (at().is("-")) {
      Expr made = make(ExprKind::negate);
      ++index_;
      if (at().kind == TokenKind::integer) return integer(true);
      if (at().kind == TokenKind::complex) return complex(true);
      made.items.push_back(expression());
      return made;
    }
    Expr made = primary();
    for (int length = 0;; ++length) {
      if (length > kMaxChain) fail("an expression is too long");
      if (at().is(".")) {
        Expr outer = make(ExprKind::attribute);
        ++index_;
        outer.text = expect_name();
        outer.items.push_back(std::move(made));
        made = std::move(outer);
      } else if (at().is("(")) {
        made = call(std::move(made));
      } else if (at().is("[")) {
        made = subscript(std::move(made));
      } else {
        return made;
      }
    }
  }

  Expr primary() {
    switch (at().kind) {
      case TokenKind::integer:
        return integer(false);
      case TokenKind::real:
        return real();
      case TokenKind::complex:
        return complex(false);
      case TokenKind::string: {
        Expr made = make(ExprKind::string);
        made.text = unquote(next(), source_);
        return made;
      }
      case TokenKind::name:
        return name();
      default:
        break;
    }
    if (at().is("(")) return parenthesised();
    if (at().is("[")) return sequence(ExprKind::list, "[", "]");
    if (at().is("{")) return dict();
    fail(fmt::format("an expression must be here, not '{}'", printable(at().text, 40)));
  }

  Expr name() {
    if (at().text == "None") return literal(ExprKind::none, 0);
    if (at().text == "True") return literal(ExprKind::boolean, 1);
    if (at().text == "False") return literal(ExprKind::boolean, 0);
    Expr made = make(ExprKind::name, at().text);
    ++index_;
    return made;
  }
  Expr literal(ExprKind kind, std::int64_t value) {
    Expr made = make(kind);
    made.integer = value;
    ++index_;
    return made;
  }

  Expr integer(bool negative) {
    Expr made = make(ExprKind::integer);
    const std::string text = (negative ? "-" : "") + std::string(next().text);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), made.integer);
    if (error != std::errc() || end != text.data() + text.size()) fail("an integer has more than 64 bits");
    return made;
  }
  Expr real() {
    Expr made = make(ExprKind::real);
    const std::string_view text = next().text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), made.real);
    if (end != text.data() + text.size() || error == std::errc::invalid_argument) fail("a number is malformed");
    return made;
  }

  // The sign before it is that of the real part.
  Expr complex(bool negative) {
    Expr made = make(ExprKind::complex);
    std::string_view text = next().text;
    for (int part = 0; part < 2; ++part) {
      Expr number = make(ExprKind::real);
      if (text.starts_with('+')) text.remove_prefix(1);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.real);
      if (error == std::errc::invalid_argument) fail("a number is malformed");
      text.remove_prefix(static_cast<std::size_t>(end - text.data()));
      made.items.push_back(std::move(number));
    }
    if (text != "j") fail("a number is malformed");
    if (negative) made.items[0].real = -made.items[0].real;
    return made;
  }

  Expr parenthesised() {
    Expr made = make(ExprKind::tuple);
    ++index_;
    bool comma = false;
    while (!at().is(")")) {
      made.items.push_back(expression());
      if (at().is(")")) break;
      expect(",");
      comma = true;
    }
    ++index_;
    if (made.items.size() == 1 && !comma) {
      Expr inner = std::move(made.items[0]);
      return inner;
    }
    return made;
  }

  Expr sequence(ExprKind kind, std::string_view open, std::string_view close) {
    Expr made = make(kind);
    expect(open);
    while (!at().is(close)) {
      made.items.push_back(expression());
      if (!at().is(close)) expect(",");
    }
    ++index_;
    return made;
  }

  Expr dict() {
    Expr made = make(ExprKind::dict);
    expect("{");
    while (!at().is("}")) {
      made.items.push_back(expression());
      expect(":");
      made.items.push_back(expression());
      if (!at().is("}")) expect(",");
    }
    ++index_;
    return made;
  }

  Expr call(Expr callee) {
    Expr made = make(ExprKind::call);
    made.offset = callee.offset;
    made.items.push_back(std::move(callee));
    expect("(");
    while (!at().is(")")) {
      if (at().kind == TokenKind::name && at(1).is("=")) {
        made.keywords.emplace_back(next().text);
        ++index_;
      } else if (!made.keywords.empty()) {
        fail("an argument without a name follows one with a name");
      }
      made.items.push_back(expression());
      if (!at().is(")")) expect(",");
    }
    ++index_;
    return made;
  }

  Expr subscript(Expr base) {
    Expr made = make(ExprKind::subscript);
    made.offset = base.offset;
    made.items.push_back(std::move(base));
    expect("[");
    made.items.push_back(at().is(":") ? make(ExprKind::none) : index_expression());
    if (accept(":")) {
      made.kind = ExprKind::slice;
      made.items.push_back(at().is("]") ? make(ExprKind::none) : expression());
    }
    expect("]");
    return made;
  }

  // One index, or the arguments of a type: "Tuple[int, int]".
  Expr index_expression() {
    Expr first = expression();
    if (!at().is(",")) return first;
    Expr tuple = make(ExprKind::tuple);
    tuple.items.push_back(std::move(first));
    while (accept(",") && !at().is("]")) tuple.items.push_back(expression());
    return tuple;
  }

  const Source& source_;
  std::string module_;
  std::vector<Token> tokens_;
  std::size_t index_ = 0;
  int depth_ = 0;
};

}  // namespace

File parse(const Source& source, std::string_view module) { return Parser(source, module).run(); }

}  // namespace aitune::torchscript
