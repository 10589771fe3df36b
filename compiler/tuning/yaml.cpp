#include "compiler/tuning/yaml.h"

#include <yaml.h>

#include <charconv>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "base/error.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
bool read_number(std::string_view text, Json& value) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  if constexpr (std::is_floating_point_v<T>)
    if (!std::isfinite(number)) return false;
  value = number;
  return true;
}

/// A word without quotes.
Json plain(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  Json number;
  if (read_number<std::int64_t>(text, number) || read_number<double>(text, number)) return number;
  return std::string(text);
}

/// Reads event by event, so that nothing is ever deeper or larger than what is asked for.
class Reader {
 public:
  Reader(std::string_view text, std::string_view where, int most_depth) : where_(where), most_depth_(most_depth) {
    if (yaml_parser_initialize(&parser_) == 0) throw InternalError("the YAML parser does not start");
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Reader() {
    drop_event();
    yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Json document() {
    next();  // the stream begins
    if (next() == YAML_STREAM_END_EVENT) return Json::object();
    next();
    Json value = read(0);
    next();  // the document ends
    if (next() != YAML_STREAM_END_EVENT) refuse("it has several documents");
    return value;
  }

 private:
  yaml_event_type_t next() {
    drop_event();
    if (yaml_parser_parse(&parser_, &event_) == 0)
      throw Corrupt(fmt::format("the file is no YAML: {} in line {}, column {}",
                                parser_.problem ? parser_.problem : "it ends early", parser_.problem_mark.line + 1,
                                parser_.problem_mark.column + 1),
                    where_, "Correct it there: it is settings by name, such as optimization_level: 3");
    has_event_ = true;
    return event_.type;
  }
  void drop_event() {
    if (has_event_) yaml_event_delete(&event_);
    has_event_ = false;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw InvalidArgument(fmt::format("{} (line {})", what, event_.start_mark.line + 1), where_,
                          "Write settings by name, each a word, a number or a list of words");
  }
  void refuse_marks(const void* anchor, const void* tag) const {
    if (anchor || tag) refuse("it has anchors or tags");
  }

  /// The value that the present event begins.
  Json read(int depth) {
    switch (event_.type) {
      case YAML_SCALAR_EVENT:
        return scalar();
      case YAML_SEQUENCE_START_EVENT:
        refuse_marks(event_.data.sequence_start.anchor, event_.data.sequence_start.tag);
        return sequence(depth + 1);
      case YAML_MAPPING_START_EVENT:
        refuse_marks(event_.data.mapping_start.anchor, event_.data.mapping_start.tag);
        return mapping(depth + 1);
      default:
        refuse("it has aliases");
    }
  }

  std::string word() const {
    const auto& s = event_.data.scalar;
    return {reinterpret_cast<const char*>(s.value), s.length};
  }

  Json scalar() {
    const auto& s = event_.data.scalar;
    refuse_marks(s.anchor, s.tag);
    return s.style == YAML_PLAIN_SCALAR_STYLE ? plain(word()) : Json(word());
  }

  void check_depth(int depth) const {
    if (depth > most_depth_) refuse("it nests too deep");
  }

  Json sequence(int depth) {
    check_depth(depth);
    Json list = Json::array();
    while (next() != YAML_SEQUENCE_END_EVENT) list.push_back(read(depth));
    return list;
  }

  Json mapping(int depth) {
    check_depth(depth);
    Json object = Json::object();
    while (next() != YAML_MAPPING_END_EVENT) {
      if (event_.type != YAML_SCALAR_EVENT) refuse("a key is no word");
      refuse_marks(event_.data.scalar.anchor, event_.data.scalar.tag);
      const std::string key = word();
      if (object.contains(key)) refuse(fmt::format("'{}' is given twice", key));
      next();
      object[key] = read(depth);
    }
    return object;
  }

  std::string where_;
  int most_depth_;
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool has_event_ = false;
};

}  // namespace

nlohmann::ordered_json parse_yaml(std::string_view text, std::string_view where, int most_depth) {
  return Reader(text, where, most_depth).document();
}

}  // namespace aitune
