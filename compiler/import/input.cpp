// What the user may write for the shapes of inputs.

#include "compiler/import/input.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "format/json_problem.h"
#include "format/source.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxRank = 64, kMaxText = std::size_t{1} << 20;
constexpr std::int64_t kMaxSize = std::int64_t{1} << 40;
constexpr int kMaxDepth = 8;
constexpr std::string_view kHow =
    "Write NAME=MIN:OPT:MAX with shapes such as 1x3x224x224, or ranges in one shape: NAME=1..4..16x3x224x224";

struct Range {
  std::int64_t min = Input::kAsIs, max = Input::kAsIs;
  std::optional<std::int64_t> opt;
};

std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 100)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown;
}

[[noreturn]] void refuse(std::string what) {
  throw InvalidArgument(std::move(what), "input shapes", std::string(kHow));
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

std::int64_t parse_size(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0 || value > kMaxSize)
    refuse(fmt::format("'{}' is not a size", printable(text)));
  return value;
}

Range parse_range(std::string_view text) {
  if (text == "*") return {Input::kAsIs, Input::kAsIs, Input::kAsIs};
  const auto parts = split(text, "..");
  if (parts.size() > 3) refuse(fmt::format("'{}' is not a range of sizes", printable(text)));
  Range range{parse_size(parts.front()), parse_size(parts.back()), std::nullopt};
  if (parts.size() == 3) range.opt = parse_size(parts[1]);
  if (parts.size() == 1) range.opt = range.min;
  return range;
}

/// Sizes that have no preferred value of their own prefer the smallest, if any other has one.
Input input_of(std::string name, std::span<const Range> ranges) {
  Input input;
  input.name = std::move(name);
  const bool prefers = std::ranges::any_of(ranges, [](const Range& r) { return r.opt && r.min != r.max; });
  const bool fixed = std::ranges::all_of(ranges, [](const Range& r) { return r.min == r.max; });
  for (const Range& range : ranges) {
    input.min_shape.push_back(range.min);
    input.max_shape.push_back(range.max);
    if (prefers || fixed) input.opt_shape.push_back(range.opt.value_or(range.min));
  }
  return input;
}

Shape parse_shape(std::string_view text) {
  Shape shape;
  for (const auto size : split(text, "x")) shape.push_back(size == "*" ? Input::kAsIs : parse_size(size));
  return shape;
}

Input parse_shapes(std::string name, std::string_view text) {
  if (text.size() > kMaxText) refuse("the text is too long");
  const auto shapes = split(text, ":");
  Input input;
  if (shapes.size() == 1) {
    std::vector<Range> ranges;
    for (const auto size : split(text, "x")) ranges.push_back(parse_range(size));
    input = input_of(std::move(name), ranges);
  } else if (shapes.size() <= 3) {
    input = {std::move(name), parse_shape(shapes.front()), {}, parse_shape(shapes.back())};
    if (shapes.size() == 3) input.opt_shape = parse_shape(shapes[1]);
  } else {
    refuse(fmt::format("there are {} shapes, and at most three have a meaning", shapes.size()));
  }
  check_input(input);
  return input;
}

std::int64_t json_size(const Json& json, const std::string& where) {
  if (json.is_null() || json == "*") return Input::kAsIs;
  if (!json.is_number_integer() || json.get<double>() < 0 || json.get<double>() > static_cast<double>(kMaxSize))
    throw InvalidArgument(fmt::format("{} is not a size", printable(json.dump(-1, ' ', true))), where);
  return json.get<std::int64_t>();
}

Range json_range(const Json& json, const std::string& where) {
  if (!json.is_array()) {
    const std::int64_t size = json_size(json, where);
    return {size, size, size};
  }
  if (json.size() != 2 && json.size() != 3)
    throw InvalidArgument(fmt::format("a range has {} sizes", json.size()), where,
                          "It is [min, max] or [min, opt, max]");
  Range range{json_size(json.front(), where), json_size(json.back(), where), std::nullopt};
  if (json.size() == 3) range.opt = json_size(json[1], where);
  return range;
}

Shape json_shape(const Json& object, const char* key, const std::string& where) {
  Shape shape;
  const auto found = object.find(key);
  if (found == object.end()) return shape;
  if (!found->is_array()) throw InvalidArgument(fmt::format("{} is not a list of sizes", key), where);
  for (const Json& size : *found) shape.push_back(json_size(size, where));
  return shape;
}

Input json_input(const std::string& name, const Json& json, const std::string& file) {
  if (name.empty()) throw InvalidArgument("an input has an empty name", file, "Write its name or its position");
  const std::string where = fmt::format("{}: input '{}'", file, printable(name));
  if (json.is_string()) return parse_shapes(name, json.get<std::string>());
  Input input{name, {}, {}, {}};
  if (json.is_array()) {
    std::vector<Range> ranges;
    for (const Json& size : json) ranges.push_back(json_range(size, where));
    input = input_of(name, ranges);
  } else if (json.is_object()) {
    for (const auto& [key, value] : json.items())
      if (key != "min_shape" && key != "opt_shape" && key != "max_shape" && key != "shape")
        throw InvalidArgument(fmt::format("there is no '{}'", printable(key)), where,
                              "There are: min_shape, opt_shape, max_shape, or shape alone");
    if (json.contains("shape")) {
      if (json.size() != 1) throw InvalidArgument("shape stands alone", where);
      input = Input::fixed(name, json_shape(json, "shape", where));
    } else {
      input = {name, json_shape(json, "min_shape", where), json_shape(json, "opt_shape", where),
               json_shape(json, "max_shape", where)};
    }
  } else {
    throw InvalidArgument(fmt::format("a {} is no shape", json.type_name()), where);
  }
  check_input(input);
  return input;
}

Json shape_json(const Shape& shape) {
  Json list = Json::array();
  for (const std::int64_t size : shape) list.push_back(size == Input::kAsIs ? Json(nullptr) : Json(size));
  return list;
}

}  // namespace

Input Input::fixed(std::string name, Shape shape) { return {std::move(name), shape, shape, std::move(shape)}; }

void check_input(const Input& input) {
  const auto fail = [&](std::string what) {
    throw InvalidArgument(std::move(what), fmt::format("the shapes of input '{}'", printable(input.name)),
                          std::string(kHow));
  };
  const Shape &low = input.min_shape, &opt = input.opt_shape, &high = input.max_shape;
  if (low.size() != high.size() || (!opt.empty() && opt.size() != low.size()))
    fail(fmt::format("they have different numbers of dimensions: {}, {} and {}", low.size(), opt.size(), high.size()));
  if (low.size() > kMaxRank) fail(fmt::format("they have {} dimensions", low.size()));
  for (std::size_t d = 0; d < low.size(); ++d) {
    const std::int64_t preferred = opt.empty() ? low[d] : opt[d];
    const bool as_is = low[d] == Input::kAsIs;
    if (as_is && (preferred != Input::kAsIs || high[d] != Input::kAsIs))
      fail(fmt::format("dimension {} stays as it is in one shape, and not in another", d));
    if (!as_is && (low[d] < 0 || low[d] > preferred || preferred > high[d]))
      fail(fmt::format("dimension {} is from {} over {} to {}, which is no range", d, low[d], preferred, high[d]));
  }
}

Input parse_input(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) refuse(fmt::format("'{}' names no input", printable(text)));
  return parse_shapes(std::string(text.substr(0, equals)), text.substr(equals + 1));
}

std::vector<Input> parse_inputs_json(std::string_view text, const std::string& where) {
  if (text.size() > kMaxText) throw InvalidArgument(fmt::format("it has {} bytes", text.size()), where);
  std::map<int, std::set<std::string>> seen;  // keys of the object that is open at each depth
  const auto look = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) throw InvalidArgument(fmt::format("it nests deeper than {} levels", kMaxDepth), where);
    if (event == Json::parse_event_t::object_start) seen[depth + 1].clear();
    if (event == Json::parse_event_t::key && !seen[depth].insert(value.get<std::string>()).second)
      throw InvalidArgument(fmt::format("'{}' is given twice", printable(value.get<std::string>())), where);
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, look);
  } catch (const Json::exception& e) {
    throw InvalidArgument(fmt::format("it is not JSON: {}", json_problem(e)), where);
  }
  if (!json.is_object()) throw InvalidArgument("it is no JSON object from names of inputs to shapes", where);
  std::vector<Input> inputs;
  for (const auto& [name, value] : json.items()) inputs.push_back(json_input(name, value, where));
  return inputs;
}

std::vector<Input> read_inputs_file(const std::filesystem::path& path) {
  const MappedFile file = MappedFile::open(path);
  const auto bytes = file.bytes();
  return parse_inputs_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

std::string inputs_to_json(std::span<const Input> inputs) {
  Json json = Json::object();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Input& input = inputs[i];
    Json& row = json[input.name.empty() ? std::to_string(i) : input.name];
    row["min_shape"] = shape_json(input.min_shape);
    if (!input.opt_shape.empty()) row["opt_shape"] = shape_json(input.opt_shape);
    row["max_shape"] = shape_json(input.max_shape);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aitune
