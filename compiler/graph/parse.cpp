#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/regions.h"
#include "compiler/graph/scanner.h"
#include "compiler/graph/text.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

constexpr int kMaxListDepth = 8;
constexpr std::size_t kMaxRank = 64;
constexpr std::size_t kMaxWeightBytes = std::size_t{1} << 28;

struct Result {
  std::string name;
  std::size_t position;
  std::optional<TensorType> type;
};

struct Call {
  const OpInfo* op;
  ArgList args;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : scan_(text) {}

  Graph parse() {
    header();
    body();
    if (!scan_.at_end()) scan_.fail("text after the end of the graph");
    return std::move(graph_);
  }

 private:
  void body() {
    scan_.expect("{");
    while (!scan_.take_word("return")) statement();
    result();
    scan_.expect("}");
  }

  void header() {
    if (!scan_.take_word("graph")) scan_.fail("expected graph");
    inputs();
    if (!scan_.take_word("where")) return;
    do symbol_range();
    while (scan_.take(","));
  }

  void inputs() {
    scan_.expect("(");
    while (!scan_.take(")")) {
      const Result input = declaration();
      if (!input.type) scan_.fail("an input needs a type");
      define(input, graph_.add_input(input.name, *input.type));
      if (!scan_.take(",") && !scan_.ahead(")")) scan_.fail("expected , or )");
    }
  }

  // The graph around a region waits until the region is read.
  std::unique_ptr<Graph> region() {
    if (++depth_ > kMaxRegionDepth) scan_.fail("regions too deep in each other");
    Graph outer = std::exchange(graph_, Graph());
    auto outer_values = std::exchange(values_, {});
    graph_.symbols = outer.symbols;
    inputs();
    body();
    auto made = std::make_unique<Graph>(std::exchange(graph_, std::move(outer)));
    values_ = std::move(outer_values);
    --depth_;
    return made;
  }

  void symbol_range() {
    const std::string name(scan_.word("the name of a symbol"));
    if (!is_name(name) || is_reserved_word(name)) scan_.fail(fmt::format("{} cannot be a symbol", name));
    if (!scan_.take_word("in")) scan_.fail("expected in");
    scan_.expect("[");
    SymRange range;
    range.min = integer(scan_.expression());
    scan_.expect(",");
    const std::string_view max = scan_.expression();
    range.max = max == "inf" ? SymRange::kNoMax : integer(max);
    scan_.expect("]");
    if (!graph_.symbols.emplace(name, range).second) scan_.fail(fmt::format("a second range for {}", name));
    if (!scan_.take("<=")) return;
    scan_.expect("(");
    const std::size_t position = scan_.position();
    graph_.bounds[name] = size(scan_.expression(), position);
    scan_.expect(")");
  }

  std::int64_t integer(std::string_view text) const {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) scan_.fail(fmt::format("{} is no integer", text));
    return value;
  }

  // Runs f and gives its errors, which do not know the text, the position of the cursor.
  template <typename F>
  auto located(std::size_t position, F&& f) {
    try {
      return f();
    } catch (const Error& error) {
      scan_.fail_at(position, error.what());
    }
  }

  SymInt size(std::string_view text, std::size_t position) {
    return located(position, [&] { return SymInt::parse(text); });
  }

  Result declaration() {
    scan_.expect("%");
    Result result{std::string(scan_.word("a name")), scan_.position(), {}};
    if (!is_name(result.name)) scan_.fail(fmt::format("{} cannot be a name", result.name));
    if (scan_.take(":")) result.type = type();
    return result;
  }

  TensorType type() {
    const std::string_view name = scan_.word("a dtype");
    const auto dtype = parse_dtype(name);
    if (!dtype) scan_.fail(fmt::format("unknown dtype {}", name));
    TensorType result{*dtype, {}};
    scan_.expect("[");
    while (!scan_.take("]")) {
      const std::size_t position = scan_.position();
      result.shape.push_back(size(scan_.expression(), position));
      if (result.shape.size() > kMaxRank) scan_.fail("too many dimensions");
      if (!scan_.take(",") && !scan_.ahead("]")) scan_.fail("expected , or ]");
    }
    return result;
  }

  void define(const Result& result, Value* value) {
    if (!values_.emplace(result.name, value).second)
      scan_.fail_at(result.position, fmt::format("%{} is defined twice", result.name));
    if (value->name != result.name) graph_.rename(value, result.name);
  }

  Value* use() {
    scan_.expect("%");
    const std::string name(scan_.word("a name"));
    const auto it = values_.find(name);
    if (it == values_.end()) scan_.fail(fmt::format("%{} is not defined", name));
    return it->second;
  }

  void statement() {
    if (scan_.take_word("in_spec"))
      graph_.in_spec = scan_.quoted();
    else if (scan_.take_word("out_spec"))
      graph_.out_spec = scan_.quoted();
    else if (scan_.take_word("weight"))
      weight();
    else
      node();
  }

  void weight() {
    const Result name = declaration();
    if (!name.type) scan_.fail("a weight needs a type");
    Shape shape;
    for (const SymInt& s : name.type->shape) {
      if (!s.is_constant()) scan_.fail("a weight needs a constant shape");
      shape.push_back(s.constant());
    }
    const std::string full_name = scan_.ahead("\"") ? scan_.quoted() : name.name;
    scan_.expect("=");
    const std::size_t position = scan_.position();
    located(position, [&] { reserve(name.type->dtype, shape); });
    define(name, graph_.add_weight(name.name, full_name, weight_data(name.type->dtype, shape)));
  }

  void reserve(DType dtype, const Shape& shape) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(static_cast<std::size_t>(element_count(shape)), dtype_size(dtype), &bytes) ||
        __builtin_add_overflow(bytes, weight_bytes_, &weight_bytes_) || weight_bytes_ > kMaxWeightBytes)
      throw InvalidArgument(
          fmt::format("the weights up to {} have more than {} bytes", describe(dtype, shape), kMaxWeightBytes));
  }

  Tensor weight_data(DType dtype, const Shape& shape) {
    const std::size_t position = scan_.position();
    if (scan_.take_word("splat")) {
      const ArgList numbers = number_list("(", ")");
      if (numbers.size() != (is_complex(dtype) ? 2u : 1u)) scan_.fail("wrong count of numbers in splat");
      return located(position, [&] { return splat_weight(dtype, shape, numbers.front(), numbers.back()); });
    }
    if (scan_.take_word("random")) {
      const ArgList seed = number_list("(", ")");
      if (seed.size() != 1) scan_.fail("random takes one seed");
      return located(position,
                     [&] { return random_weight(dtype, shape, static_cast<std::uint64_t>(seed[0].integer())); });
    }
    ArgList told[2];  // before "..." and behind it
    std::size_t parts = 0;
    scan_.expect("[");
    while (!scan_.take("]")) {
      if (scan_.take("..."))
        ++parts;
      else
        told[parts == 0 ? 0 : 1].push_back(argument(0));
      if (!scan_.take(",") && !scan_.ahead("]")) scan_.fail("expected , or ]");
    }
    return located(position, [&] {
      return parts == 0 ? listed_weight(dtype, shape, told[0]) : abridged_weight(dtype, shape, told[0], told[1]);
    });
  }

  ArgList number_list(std::string_view open, std::string_view close) {
    ArgList numbers;
    scan_.expect(open);
    while (!scan_.take(close)) {
      numbers.push_back(argument(0));
      if (!scan_.take(",") && !scan_.ahead(close)) scan_.fail(fmt::format("expected , or {}", close));
    }
    return numbers;
  }

  void node() {
    std::vector<Result> results;
    if (scan_.ahead("%")) {
      do results.push_back(declaration());
      while (scan_.take(","));
      scan_.expect("=");
    }
    scan_.skip_blank();
    const std::size_t position = scan_.position();
    Call call = this->call(position);
    const std::string module(scan_.trailing_comment());
    std::vector<std::unique_ptr<Graph>> regions;
    if (call.op->has_regions())
      while (scan_.take_word("region")) regions.push_back(region());
    std::vector<TensorType> types = result_types(results, call, regions, position);
    Node* node = graph_.add_node(*call.op, std::move(call.args), std::move(types),
                                 results.empty() ? std::string() : results[0].name);
    // The names that add_node made up may be those of later results: out of the way first.
    if (results.size() > 1)
      for (Value* output : node->outputs) graph_.rename(output, "unnamed.result");
    for (std::size_t i = 0; i < results.size(); ++i) define(results[i], node->outputs[i]);
    node->source.module = module;
    node->regions = std::move(regions);
  }

  Call call(std::size_t position) {
    const std::string_view name = scan_.word("an operator");
    const OpInfo* op = find_op(name);
    if (op == nullptr) scan_.fail_at(position, fmt::format("unknown operator {}", name));
    ArgList positional;
    std::vector<std::pair<std::string, Arg>> keywords;
    scan_.expect("(");
    while (!scan_.take(")")) {
      if (std::string keyword = take_keyword(); !keyword.empty())
        keywords.emplace_back(std::move(keyword), argument(0));
      else if (!keywords.empty())
        scan_.fail("a positional argument after a keyword");
      else
        positional.push_back(argument(0));
      if (!scan_.take(",") && !scan_.ahead(")")) scan_.fail("expected , or )");
    }
    return located(position, [&] { return Call{op, bind_arguments(*op, std::move(positional), std::move(keywords))}; });
  }

  std::string take_keyword() {
    const Scanner before = scan_;
    const std::string name(scan_.peek_word());
    if (is_name(name)) {
      scan_.take_word(name);
      if (scan_.take("=")) return name;
    }
    scan_ = before;
    return {};
  }

  std::vector<TensorType> result_types(const std::vector<Result>& results, const Call& call,
                                       const std::vector<std::unique_ptr<Graph>>& regions, std::size_t position) {
    const OpInfo& op = *call.op;
    if (!op.variadic_results && results.size() != op.result_count)
      scan_.fail_at(position, fmt::format("{} has {} results, not {}", op.name, op.result_count, results.size()));
    bool all_given = true;
    for (const Result& result : results) all_given &= result.type.has_value();
    std::vector<TensorType> types;
    if (!all_given) {
      types = located(position, [&] {
        return op.has_regions() ? region_result_types(op, call.args, regions) : infer_types(op, call.args);
      });
      located(position, [&] { name_data_size(graph_, op, call.args, types); });
    }
    if (!all_given && types.size() != results.size())
      scan_.fail_at(position, fmt::format("{} gives {} results, not {}", op.name, types.size(), results.size()));
    types.resize(results.size());
    for (std::size_t i = 0; i < results.size(); ++i)
      if (results[i].type) types[i] = *results[i].type;
    return types;
  }

  Arg argument(int depth) {
    if (scan_.ahead("%")) return use();
    if (scan_.ahead("\"")) return scan_.quoted();
    if (scan_.take("[")) return list(depth + 1);
    const std::string_view word = scan_.peek_word();
    if (const auto named = named_constant(word)) {
      scan_.take_word(word);
      return *named;
    }
    scan_.skip_blank();
    const std::size_t position = scan_.position();
    const std::string_view text = scan_.expression();
    if (const auto value = float_value(text)) return *value;
    return size(text, position);
  }

  ArgList list(int depth) {
    if (depth > kMaxListDepth) scan_.fail("lists too deep in each other");
    ArgList elements;
    while (!scan_.take("]")) {
      elements.push_back(argument(depth));
      if (!scan_.take(",") && !scan_.ahead("]")) scan_.fail("expected , or ]");
    }
    return elements;
  }

  static std::optional<Arg> named_constant(std::string_view word) {
    if (word == "None") return Arg(None{});
    if (word == "True" || word == "False") return Arg(word == "True");
    for (const auto& [name, format] : kMemoryFormatNames)
      if (name == word) return Arg(format);
    if (const auto dtype = parse_dtype(word)) return Arg(*dtype);
    return std::nullopt;
  }

  // Only what cannot be an integer: with a point, an exponent, or not finite.
  static std::optional<double> float_value(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && text.find_first_not_of("-0123456789") != std::string_view::npos ? std::optional(value)
                                                                                    : std::nullopt;
  }

  void result() {
    if (scan_.ahead("}")) return;
    do {
      Value* value = use();
      graph_.outputs.push_back(value);
      graph_.output_names.push_back(scan_.take_word("as") ? scan_.quoted() : value->name);
    } while (scan_.take(","));
  }

  Scanner scan_;
  Graph graph_;
  std::unordered_map<std::string, Value*> values_;
  std::size_t weight_bytes_ = 0;
  int depth_ = 0;
};

}  // namespace

Graph parse_graph(std::string_view text) { return Parser(text).parse(); }

}  // namespace aitune
