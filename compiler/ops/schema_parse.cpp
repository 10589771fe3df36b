#include "compiler/ops/schema_parse.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "base/error.h"

namespace aitune {
namespace {

constexpr std::array<std::pair<std::string_view, ArgType>, 15> kScalarTypes = {
    {{"Tensor", ArgType::tensor},
     {"int", ArgType::integer},
     {"SymInt", ArgType::integer},
     {"float", ArgType::number},
     {"Scalar", ArgType::number},
     {"bool", ArgType::boolean},
     {"str", ArgType::string},
     {"ScalarType", ArgType::dtype},
     {"MemoryFormat", ArgType::memory_format},
     {"Device", ArgType::device},
     {"Layout", ArgType::layout},
     // A generator has no place in a compiled model: only None is ever given.
     {"Generator", ArgType::string},
     {"Storage", ArgType::string},
     {"DeviceIndex", ArgType::integer},
     {"complex", ArgType::number}}};

// Names that stand as defaults in schemas.
constexpr std::array<std::pair<std::string_view, int>, 4> kEnumerators = {
    {{"Mean", 1}, {"Sum", 2}, {"contiguous_format", 0}, {"preserve_format", 1}}};

class SchemaParser {
 public:
  explicit SchemaParser(OpInfo& info) : info_(info), text_(info.schema) {}

  void parse() {
    at_ = text_.find('(');
    if (at_ == std::string_view::npos) fail("no argument list");
    ++at_;
    bool keyword_only = false;
    while (!take(")")) {
      if (take("*"))
        keyword_only = true;
      else
        argument(keyword_only);
      if (!take(",") && !ahead(")")) fail("expected , or )");
    }
    if (!take("->")) fail("expected ->");
    results();
    if (at_ != text_.size()) fail("text after the results");
  }

 private:
  [[noreturn]] void fail(std::string_view problem) const {
    throw InternalError(fmt::format("{} at column {} of the schema {}", problem, at_ + 1, text_), info_.name);
  }
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool ahead(std::string_view token) {
    skip_space();
    return text_.substr(at_).starts_with(token);
  }
  bool take(std::string_view token) {
    if (!ahead(token)) return false;
    at_ += token.size();
    return true;
  }
  std::string_view word(std::string_view extra = "_") {
    skip_space();
    const std::size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                  extra.find(text_[at_]) != std::string_view::npos))
      ++at_;
    if (begin == at_) fail("expected a word");
    return text_.substr(begin, at_ - begin);
  }

  // "(a)", "(a!)", "(a -> *)": whether it is written to.
  bool alias_set() {
    if (at_ >= text_.size() || text_[at_] != '(') return false;
    const std::size_t end = text_.find(')', at_);
    if (end == std::string_view::npos) fail("an alias set without end");
    const bool written = text_.substr(at_, end - at_).find('!') != std::string_view::npos;
    at_ = end + 1;
    return written;
  }

  ArgType list_of(ArgType element, bool optional_element) const {
    switch (element) {
      case ArgType::tensor:
        return optional_element ? ArgType::optional_tensor_list : ArgType::tensor_list;
      case ArgType::integer:
        return ArgType::integer_list;
      case ArgType::number:
        return ArgType::number_list;
      case ArgType::boolean:
        return ArgType::boolean_list;
      default:
        fail("a list of an unknown type");
    }
  }

  void type(SchemaArg& arg) {
    const std::string_view name = word();
    bool known = false;
    for (const auto& [text, value] : kScalarTypes)
      if (text == name) {
        arg.type = value;
        known = true;
      }
    if (!known) fail(fmt::format("unknown type {}", name));
    arg.written = alias_set();
    bool optional = take("?");
    if (at_ < text_.size() && text_[at_] == '[') {
      ++at_;
      if (!ahead("]")) arg.list_size = static_cast<int>(number());
      if (!take("]")) fail("expected ]");
      arg.type = list_of(arg.type, optional);
      arg.written |= alias_set();
      optional = take("?");
    }
    arg.optional = optional;
  }

  std::int64_t number() {
    const std::string_view digits = word();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) fail("expected a number");
    return value;
  }

  void argument(bool keyword_only) {
    SchemaArg arg;
    arg.keyword_only = keyword_only;
    type(arg);
    arg.name = word();
    if (take("=")) arg.default_value = default_value(arg);
    info_.args.push_back(std::move(arg));
  }

  Arg default_value(const SchemaArg& arg) {
    if (take("[")) {
      ArgList list;
      while (!take("]")) {
        list.push_back(scalar_default(word("_.+-"), arg.type));
        take(",");
      }
      return list;
    }
    if (ahead("'") || ahead("\"")) {
      const char quote = text_[at_++];
      const std::size_t end = text_.find(quote, at_);
      if (end == std::string_view::npos) fail("a string without end");
      std::string value(text_.substr(at_, end - at_));
      at_ = end + 1;
      return value;
    }
    Arg value = scalar_default(word("_.+-"), arg.type);
    // "int[2] stride=1" means [1, 1].
    const bool list = arg.type == ArgType::integer_list || arg.type == ArgType::boolean_list;
    if (list && arg.list_size && !value.is_none()) return ArgList(static_cast<std::size_t>(*arg.list_size), value);
    return value;
  }

  // PyTorch's numbers of its dtypes.
  Arg numbered_dtype(std::int64_t number) const {
    static constexpr std::array<std::pair<int, DType>, 12> dtypes = {{{0, DType::u8},
                                                                      {1, DType::i8},
                                                                      {2, DType::i16},
                                                                      {3, DType::i32},
                                                                      {4, DType::i64},
                                                                      {5, DType::f16},
                                                                      {6, DType::f32},
                                                                      {7, DType::f64},
                                                                      {9, DType::c64},
                                                                      {10, DType::c128},
                                                                      {11, DType::b8},
                                                                      {15, DType::bf16}}};
    for (const auto& [value, dtype] : dtypes)
      if (value == number) return dtype;
    fail("an unknown dtype");
  }

  Arg scalar_default(std::string_view text, ArgType type) const {
    if (text == "None") return None{};
    if (text == "True" || text == "False") return text == "True";
    for (const auto& [name, value] : kEnumerators)
      if (name == text)
        return type == ArgType::memory_format ? Arg(static_cast<MemoryFormat>(value)) : Arg(SymInt(value));
    const char* const last = text.data() + text.size();
    std::int64_t integer = 0;
    if (const auto r = std::from_chars(text.data(), last, integer); r.ec == std::errc{} && r.ptr == last) {
      if (type == ArgType::dtype) return numbered_dtype(integer);
      // Schemas printed by PyTorch give the number of the enumerator.
      return type == ArgType::memory_format && integer >= 0 && integer <= 3 ? Arg(static_cast<MemoryFormat>(integer))
                                                                            : Arg(SymInt(integer));
    }
    double real = 0;
    if (const auto r = std::from_chars(text.data(), last, real); r.ec == std::errc{} && r.ptr == last) return real;
    fail(fmt::format("unknown default {}", text));
  }

  void result() {
    SchemaArg ignored;
    type(ignored);
    if (ignored.type == ArgType::tensor_list) info_.variadic_results = true;
    if (!ahead(",") && !ahead(")") && at_ < text_.size()) word();
  }

  void results() {
    info_.result_count = 0;
    if (!take("(")) {
      result();
      info_.result_count = 1;
      return;
    }
    while (!take(")")) {
      result();
      ++info_.result_count;
      take(",");
    }
  }

  OpInfo& info_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

void parse_schema(OpInfo& info) { SchemaParser(info).parse(); }

}  // namespace aitune
