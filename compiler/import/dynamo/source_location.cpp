#include "compiler/import/dynamo/source_location.h"

#include <fmt/format.h>

#include <algorithm>

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxText = 300;

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// "L__self___conv,layer1.0.conv,torch.nn.Conv2d;...": the path of the last module. Keys may hold commas in brackets.
std::string module_path(std::string_view stack) {
  const std::string_view last = split(stack, ';').back();
  std::vector<std::string_view> fields;
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i < last.size(); ++i) {
    if (last[i] == '[' || last[i] == '(') ++depth;
    if (last[i] == ']' || last[i] == ')') --depth;
    if (last[i] != ',' || depth != 0) continue;
    fields.push_back(last.substr(start, i - start));
    start = i + 1;
  }
  if (fields.size() < 2 || fields[1].starts_with("_empty_nn_module_stack")) return {};
  return printable(fields[1]);
}

struct Frame {
  std::string_view file, line, function, source;
};

// '  File "model.py", line 29, in forward' and the source text below it.
std::vector<Frame> frames_of(std::string_view trace) {
  std::vector<Frame> frames;
  for (const std::string_view row : split(trace, '\n')) {
    const std::string_view text = trim(row);
    constexpr std::string_view file = "File \"", line = "\", line ", in = ", in ";
    if (!text.starts_with(file)) {
      if (!frames.empty() && frames.back().source.empty()) frames.back().source = text;
      continue;
    }
    const auto a = text.find(line);
    if (a == std::string_view::npos) continue;
    const auto b = text.find(in, a);
    const auto number = a + line.size();
    frames.push_back({.file = text.substr(file.size(), a - file.size()),
                      .line = text.substr(number, b == std::string_view::npos ? b : b - number),
                      .function = b == std::string_view::npos ? std::string_view() : text.substr(b + in.size())});
  }
  return frames;
}

std::string code_line(std::string_view trace) {
  const auto frames = frames_of(trace);
  if (frames.empty()) return {};
  // PyTorch's own files, and code that it generated for control flow.
  const auto is_pytorch = [](const Frame& f) {
    return f.file.find("site-packages/torch/") != std::string_view::npos || f.file.starts_with("torch/") ||
           f.file.starts_with("<eval_with_key>");
  };
  const auto own = std::find_if_not(frames.rbegin(), frames.rend(), is_pytorch);
  const Frame& frame = own == frames.rend() ? frames.back() : *own;
  return printable(fmt::format("{}:{} in {}: {}", frame.file, frame.line, frame.function, frame.source), kMaxText);
}

}  // namespace

SourceLocation read_source(const JsonView& node) {
  const auto metadata = node.find("metadata");
  if (!metadata) return {};
  SourceLocation source;
  if (const auto stack = metadata->find("nn_module_stack")) source.module = module_path(stack->string());
  if (const auto trace = metadata->find("stack_trace")) source.code = code_line(trace->string());
  return source;
}

}  // namespace aitune::dynamo
