#include "base/custom_ops.h"

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
  if (const std::size_t colons = name.find("::"); colons != std::string::npos) name.replace(colons, 2, ".");
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

std::unique_ptr<CustomOp> read_op(const aitune_custom_op& op, const std::string& library) {
  auto read = std::make_unique<CustomOp>();
  read->name = full_name(text_of(op.name, "name", library), library);
  read->schema = text_of(op.schema, "schema", library);
  read->library = library;
  read->functions = op;
  if (op.infer == nullptr || op.run == nullptr)
    throw InvalidArgument(fmt::format("{} lacks its shape function or its kernel", read->name), library);
  if (const auto known = find_op_id(read->name)) {
    const CustomOp* other = find_custom_op(*known);
    throw InvalidArgument(fmt::format("{} exists already{}", read->name, other ? ", from " + other->library : ""),
                          library, "Give the operator a namespace of its own");
  }
  return read;
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
  const std::size_t before = all.count;
  if (table->count > kMaxCustomOps - before) throw InvalidArgument("there are too many custom operators", name);
  const auto* bytes = reinterpret_cast<const std::byte*>(table->ops);
  std::vector<std::unique_ptr<CustomOp>> read;  // all are checked before the first can be found
  for (std::size_t i = 0; i < table->count; ++i) {
    read.push_back(read_op(*reinterpret_cast<const aitune_custom_op*>(bytes + i * table->struct_size), name));
    for (std::size_t k = 0; k < i; ++k)
      if (read[k]->name == read[i]->name)
        throw InvalidArgument(fmt::format("{} stands there twice", read[i]->name), name);
  }
  for (std::size_t i = 0; i < read.size(); ++i) {
    read[i]->id = static_cast<OpId>(kFirst + before + i);
    all.ops[before + i] = std::move(read[i]);
  }
  all.count = before + read.size();
  all.libraries[library->path()] = table->count;
  return table->count;
}

const CustomOp* find_custom_op(OpId id) noexcept {
  const auto number = static_cast<std::size_t>(id);
  if (number < kFirst || number - kFirst >= registry().count) return nullptr;
  return registry().ops[number - kFirst].get();
}

std::optional<OpId> find_custom_op_id(std::string_view name) noexcept {
  const std::size_t count = registry().count;
  for (std::size_t i = 0; i < count; ++i) {
    const CustomOp& op = *registry().ops[i];
    if (op.name == name ||
        (op.name.size() == name.size() + 8 && op.name.starts_with(name) && op.name.ends_with(".default")))
      return op.id;
  }
  return std::nullopt;
}

}  // namespace aitune
