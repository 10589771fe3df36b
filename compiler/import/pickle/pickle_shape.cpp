#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "compiler/import/pickle/pickle_parser.h"

namespace aitune {

namespace {

struct Info {
  bool open = true;
  std::uint32_t depth = 1;  // levels below and including this value
  std::uint64_t walk = 1;   // values that a walk from here meets
};

struct Frame {
  const PickleValue* value;
  std::size_t next = 0;
};

const PickleValue* child(const PickleValue& value, std::size_t index) {
  if (index < value.items.size()) return value.items[index];
  return index == value.items.size() ? value.state : nullptr;
}

}  // namespace

void check_pickle_shape(const PickleValue& root, std::string_view where, const PickleOptions& options) {
  const auto refuse = [&](const PickleValue& value, std::string_view what) {
    throw Corrupt(fmt::format("the value made at offset {} of the pickle {}", value.offset, what), std::string(where));
  };
  std::unordered_map<const PickleValue*, Info> infos{{&root, Info{}}};
  std::vector<Frame> path{{&root}};
  while (!path.empty()) {
    Frame& frame = path.back();
    const PickleValue& value = *frame.value;
    if (const PickleValue* const next = child(value, frame.next)) {
      const auto [found, fresh] = infos.try_emplace(next);
      if (fresh) {
        if (path.size() >= options.max_depth) refuse(*next, "is nested too deep");
        path.push_back({next});
        continue;
      }
      if (found->second.open) refuse(*next, "contains itself");
      Info& info = infos.at(&value);
      info.depth = std::max(info.depth, found->second.depth + 1);
      info.walk += found->second.walk;
      if (info.depth > options.max_depth) refuse(value, "is nested too deep");
      if (info.walk > options.max_walk) refuse(value, "refers to the same values so often that it is a trap");
      ++frame.next;
      continue;
    }
    infos.at(&value).open = false;
    path.pop_back();
  }
}

}  // namespace aitune
