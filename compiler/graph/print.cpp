#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "compiler/graph/graph.h"
#include "compiler/graph/text.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

std::string text_of(const Arg& arg);

std::string text_of(const ArgList& list) {
  std::string text;
  for (const Arg& element : list) text += (text.empty() ? "" : ", ") + text_of(element);
  return text;
}

std::string name_of(const Value* value) { return value == nullptr ? "%<null>" : "%" + value->name; }

struct ArgText {
  std::string operator()(None) const { return "None"; }
  std::string operator()(bool flag) const { return flag ? "True" : "False"; }
  std::string operator()(const SymInt& s) const { return s.str(); }
  std::string operator()(double value) const { return float_text(value); }
  std::string operator()(const std::string& text) const { return quote(text); }
  std::string operator()(DType dtype) const { return std::string(dtype_name(dtype)); }
  std::string operator()(MemoryFormat format) const {
    for (const auto& [name, value] : kMemoryFormatNames)
      if (value == format) return std::string(name);
    return "<memory format>";
  }
  std::string operator()(const Value* value) const { return name_of(value); }
  std::string operator()(const ArgList& list) const { return "[" + text_of(list) + "]"; }
};

std::string text_of(const Arg& arg) { return std::visit(ArgText{}, static_cast<const Arg::Base&>(arg)); }

std::string declaration(const Value* value) {
  return value == nullptr ? name_of(value) : fmt::format("%{}: {}", value->name, to_string(value->type));
}

std::string declarations(const std::vector<Value*>& values) {
  std::string text;
  for (const Value* value : values) text += (text.empty() ? "" : ", ") + declaration(value);
  return text;
}

std::string symbol_text(const Graph& graph) {
  std::string text;
  for (const auto& [name, range] : graph.symbols) {
    const std::string max = range.max == SymRange::kNoMax ? "inf" : std::to_string(range.max);
    text += fmt::format("{} {} in [{},{}]", text.empty() ? " where" : ",", name, range.min, max);
    if (const auto bound = graph.bounds.find(name); bound != graph.bounds.end())
      text += fmt::format(" <= ({})", bound->second.str());
  }
  return text;
}

// A module path ends at the line's end and is read back without blanks around it.
std::string comment(std::string_view module) {
  std::string text(module);
  std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  return text.empty() ? "" : " # " + text;
}

std::string result_text(const Graph& graph) {
  std::string text;
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const Value* value = graph.outputs[i];
    text += (i == 0 ? " " : ", ") + name_of(value);
    const bool named = i < graph.output_names.size() && (value == nullptr || graph.output_names[i] != value->name);
    if (named) text += " as " + quote(graph.output_names[i]);
  }
  return text;
}

}  // namespace

bool is_reserved_word(std::string_view word) {
  static constexpr std::array<std::string_view, 5> words = {"None", "True", "False", "inf", "nan"};
  const auto is_format = [&](const auto& entry) { return entry.first == word; };
  return std::find(words.begin(), words.end(), word) != words.end() || parse_dtype(word).has_value() ||
         std::any_of(kMemoryFormatNames.begin(), kMemoryFormatNames.end(), is_format);
}

bool is_name(std::string_view name) {
  const auto fine = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; };
  return !name.empty() && name[0] != '.' && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), fine);
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      quoted += std::string{'\\', c};
    else if (c == '\n')
      quoted += "\\n";
    else if (c == '\t')
      quoted += "\\t";
    else if (c == '\r')
      quoted += "\\r";
    else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
      quoted += fmt::format("\\x{:02x}", c);
    else
      quoted += c;
  }
  return quoted + '"';
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  std::string text = fmt::format("{}", value);
  if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string print(const Node& node) {
  return fmt::format("{}{}{}({}){}", declarations(node.outputs), node.outputs.empty() ? "" : " = ", node.op_name(),
                     text_of(node.args), comment(node.source.module));
}

namespace {

// Everything of a graph but its first line.
std::string body_text(const Graph& graph, const std::string& indent) {
  std::string text;
  const auto line = [&](const std::string& words) { text += fmt::format("{}  {}\n", indent, words); };
  if (!graph.in_spec.empty()) line("in_spec " + quote(graph.in_spec));
  if (!graph.out_spec.empty()) line("out_spec " + quote(graph.out_spec));
  for (const Value* weight : graph.weights)
    line(fmt::format("weight {} {} = {}", declaration(weight), quote(weight->weight_name), weight_text(weight->data)));
  for (const auto& node : graph.nodes()) {
    line(print(*node));
    for (const auto& region : node->regions) {
      line(fmt::format("region({}) {{", declarations(region->inputs)));
      text += body_text(*region, indent + "  ");
    }
  }
  return text + fmt::format("{}  return{}\n{}}}\n", indent, result_text(graph), indent);
}

}  // namespace

std::string print(const Graph& graph) {
  return fmt::format("graph({}){} {{\n{}", declarations(graph.inputs), symbol_text(graph), body_text(graph, ""));
}

}  // namespace aitune
