#include "base/custom_ops.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "base/dynlib.h"
#include "base/error.h"

namespace aitune {
namespace {

constexpr std::size_t kMaxCustomOps = 4096, kMaxText = 4096;
constexpr auto kFirst = static_cast<std::size_t>(OpId::count) + 1;  // `count` itself stands for no operator

/// Appended to under the lock, read without it: a slot is written before the count that makes it visible.
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::size_t> libraries;  // by the file opened: number of operators
  std::array<std::unique_ptr<CustomOp>, kMaxCustomOps> ops;
  std::atomic<std::size_t> count{0};
  std::atomic<CustomOpFinder> finder{nullptr};
};

Registry& registry() {
  static Registry* const instance = new Registry;  // outlives all threads that may still run
  return *instance;
}

std::string text_of(const char* text, std::string_view what, const std::string& library) {
  const std::size_t length = text == nullptr ? 0 : strnlen(text, kMaxText);
  if (length == 0 || length == kMaxText)
    throw InvalidArgument(fmt::format("an operator's {} is missing or too long", what), library);
  return {text, length};
}

/// "mylib::myop" and "mylib.myop" as "mylib.myop.default".
std::string full_name(std::string name, const std::string& library) {
  if (const std::size_t colons = name.find("::"); colons != std::string::npos) name.erase(colons, 1)[colons] = '.';
  std::size_t dots = 0;
  for (const char c : name) {
    const bool fits =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (!fits)
      throw InvalidArgument(fmt::format("the operator name {} has a character that no name has", name), library);
    dots += c == '.';
  }
  if (dots == 1) name += ".default";
  if (dots == 0 || dots > 2 || name.starts_with('.') || name.find("..") != std::string::npos)
    throw InvalidArgument(fmt::format("the operator name {} is not of the form namespace.name.overload", name),
                          library);
  return name;
}

void check_table(const aitune_custom_op_table* table, const std::string& library) {
  if (table == nullptr) throw InvalidArgument("aitune_custom_ops() returns no table", library);
  if (table->version != AITUNE_CUSTOM_OPS_VERSION || table->struct_size < sizeof(aitune_custom_op))
    throw Incompatible(fmt::format("its custom operators are of version {}, this aitune takes {}", table->version,
                                   AITUNE_CUSTOM_OPS_VERSION),
                       library, "Build the library with this version's include/aitune/custom_op.h");
  if (table->count == 0 || table->count > kMaxCustomOps || table->ops == nullptr)
    throw InvalidArgument(fmt::format("its table has {} operators, 1 to {} are possible", table->count, kMaxCustomOps),
                          library);
}

std::optional<OpId> find_registered(std::string_view name) noexcept {
  for (std::size_t i = registry().count; i-- > 0;) {  // the newest counts
    const CustomOp& op = *registry().ops[i];
    if (op.name == name ||
        (op.name.size() == name.size() + 8 && op.name.starts_with(name) && op.name.ends_with(".default")))
      return op.id;
  }
  return std::nullopt;
}

bool stands_in_list(std::string_view name) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(OpId::count); ++i)
    if (op_name(static_cast<OpId>(i)) == name) return true;
  return false;
}

/// "mylib.myop.default" of a name that may be an operator of the user's; empty for all others.
std::string name_to_ask_for(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kOwn = {"aitune",    "aten", "prim",  "prims",   "higher_order",
                                                           "_operator", "math", "torch", "builtins"};
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || name.size() >= kMaxText ||
      std::find(kOwn.begin(), kOwn.end(), name.substr(0, dot)) != kOwn.end())
    return {};
  try {
    return full_name(std::string(name), "");
  } catch (const Error&) {
    return {};  // no name of an operator
  }
}

std::unique_ptr<CustomOp> read_op(const aitune_custom_op& op, const std::string& library, bool is_replaceable) {
  auto read = std::make_unique<CustomOp>();
  read->name = full_name(text_of(op.name, "name", library), library);
  read->schema = text_of(op.schema, "schema", library);
  read->library = library;
  read->replaceable = is_replaceable;
  read->functions = op;
  if (op.infer == nullptr || op.run == nullptr)
    throw InvalidArgument(fmt::format("{} lacks its shape function or its kernel", read->name), library);
  const auto known = find_registered(read->name);
  const CustomOp* other = known ? find_custom_op(*known) : nullptr;
  if ((other && (!other->replaceable || is_replaceable)) || stands_in_list(read->name)) {
    throw InvalidArgument(fmt::format("{} exists already{}", read->name, other ? ", from " + other->library : ""),
                          library, "Give the operator a namespace of its own");
  }
  read->advice = "Ask whoever made " + library;
  return read;
}

/// Gives the operators numbers, and makes them visible. Under the lock.
void add(Registry& all, std::vector<std::unique_ptr<CustomOp>> read) {
  const std::size_t before = all.count;
  for (std::size_t i = 0; i < read.size(); ++i) {
    read[i]->id = static_cast<OpId>(kFirst + before + i);
    all.ops[before + i] = std::move(read[i]);
  }
  all.count = before + read.size();
}

void require_room(const Registry& all, std::size_t count, const std::string& where) {
  if (count > kMaxCustomOps - all.count) throw InvalidArgument("there are too many custom operators", where);
}

}  // namespace

std::size_t load_custom_ops(const std::string& name) {
  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  std::string why;
  // A bare file name would be searched for in the system's folders, which is not what the user named.
  const std::string path = name.find('/') == std::string::npos ? "./" + name : name;
  const auto library = DynLib::open({path}, &why);
  if (!library) throw Unavailable(fmt::format("the library of custom operators cannot be opened: {}", why), name);
  if (const auto it = all.libraries.find(library->path()); it != all.libraries.end()) return it->second;
  decltype(&aitune_custom_ops) entry = nullptr;
  if (!library->bind("aitune_custom_ops", entry))
    throw InvalidArgument("the library has no function aitune_custom_ops", name, "See docs/custom-operators.md");
  const aitune_custom_op_table* table = entry();
  check_table(table, name);
  require_room(all, table->count, name);
  const auto* bytes = reinterpret_cast<const std::byte*>(table->ops);
  std::vector<std::unique_ptr<CustomOp>> read;  // all are checked before the first can be found
  for (std::size_t i = 0; i < table->count; ++i) {
    read.push_back(read_op(*reinterpret_cast<const aitune_custom_op*>(bytes + i * table->struct_size), name, false));
    for (std::size_t k = 0; k < i; ++k)
      if (read[k]->name == read[i]->name)
        throw InvalidArgument(fmt::format("{} stands there twice", read[i]->name), name);
  }
  add(all, std::move(read));
  all.libraries[library->path()] = table->count;
  return table->count;
}

void register_custom_op(const aitune_custom_op& op, const std::string& origin, const std::string& advice) {
  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  require_room(all, 1, origin);
  std::vector<std::unique_ptr<CustomOp>> read;
  read.push_back(read_op(op, origin, true));
  read.front()->advice = advice;
  add(all, std::move(read));
}

void set_custom_op_finder(CustomOpFinder finder) noexcept { registry().finder = finder; }

const CustomOp* find_custom_op(OpId id) noexcept {
  const auto number = static_cast<std::size_t>(id);
  if (number < kFirst || number - kFirst >= registry().count) return nullptr;
  return registry().ops[number - kFirst].get();
}

std::optional<OpId> find_custom_op_id(std::string_view name) noexcept {
  if (const auto known = find_registered(name)) return known;
  const CustomOpFinder finder = registry().finder;
  if (finder == nullptr) return std::nullopt;
  const std::string whole = name_to_ask_for(name);
  if (whole.empty()) return std::nullopt;
  finder(whole);
  return find_registered(whole);
}

}  // namespace aitune
