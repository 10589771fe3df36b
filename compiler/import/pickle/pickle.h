#pragma once
// Reads Python pickles as plain data. Nothing is ever called or imported: what would be a call in Python is a node that
// says so, and only for names on a short list.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aitune {

enum class PickleKind : std::uint8_t {
  none,
  boolean,
  integer,
  real,
  bytes,
  string,
  list,
  tuple,
  set,
  dict,
  global,      ///< a name such as "torch.float32"; `text`
  call,        ///< what Python would get by calling `text` with `items`, then by BUILD with `state`
  persistent,  ///< a reference to something outside of the pickle; its id is items[0]
};

/// One value. Values are owned by their PickleDocument and may be shared within it, but never contain themselves.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;                       ///< bytes, string (UTF-8), global, call: "module.name"
  std::vector<const PickleValue*> items;  ///< elements; a dict's keys and values in turn; a call's arguments
  const PickleValue* state = nullptr;     ///< call and dict (an OrderedDict with attributes): the argument of BUILD
  std::uint64_t offset = 0;               ///< of the opcode that made it, for messages

  bool is(PickleKind k) const { return kind == k; }
  bool is_global(std::string_view name) const { return kind == PickleKind::global && text == name; }
  bool is_call(std::string_view name) const { return kind == PickleKind::call && text == name; }
  /// A dict's value of a string key; null if there is none. Looks through all keys.
  const PickleValue* find(std::string_view key) const;
};

struct PickleOptions {
  /// Names beyond the usual ones that may be called.
  std::span<const std::string_view> callable;
  /// Names that begin like this may be called, too.
  std::span<const std::string_view> callable_prefixes;
  /// Whether an object of this class may be made without its constructor (NEWOBJ, then BUILD): it becomes an inert call
  /// node with its attributes as state. Null: no class may.
  bool (*inert_class)(std::string_view name) = nullptr;
  /// Whether the attributes of such an object are left out: they may refer to each other in circles. Null: none are.
  bool (*opaque_class)(std::string_view name) = nullptr;
  /// What a user can do about a pickle that wants more.
  std::string_view advice = "save plain tensors, lists and dicts";
  std::uint64_t max_bytes = std::uint64_t{1} << 28;
  std::uint64_t max_values = std::uint64_t{1} << 22;
  /// Nodes that a walk of the whole value may meet, each counted as often as it is referred to: a small pickle can
  /// refer to one list so often that no walk would end.
  std::uint64_t max_walk = std::uint64_t{1} << 25;
  std::uint32_t max_depth = 200;
};

/// The value of one pickle and all values inside it.
class PickleDocument {
 public:
  /// Reads protocols 0 to 5. `bytes` may be freed afterwards. `where` names the entry in messages. Throws Corrupt on
  /// damage and limits, Unsupported for what plain data cannot stand for: calls of other names, integers beyond 64
  /// bits, the extension registry, out-of-band buffers. Messages give the byte offset.
  static PickleDocument parse(std::span<const std::byte> bytes, std::string_view where,
                              const PickleOptions& options = {});

  const PickleValue& root() const { return *root_; }

 private:
  friend class PickleParser;
  std::deque<PickleValue> values_;
  const PickleValue* root_ = nullptr;
};

}  // namespace aitune
