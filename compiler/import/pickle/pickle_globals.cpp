#include "compiler/import/pickle/pickle_globals.h"

#include <algorithm>
#include <iterator>

namespace aitune {

namespace {

constexpr std::string_view kCallable[] = {
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.frozenset",
    "builtins.set",
    "builtins.slice",
    "collections.OrderedDict",
    "torch.Size",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
};
static_assert(std::is_sorted(std::begin(kCallable), std::end(kCallable)));

// UTF-8 whose characters are all below U+0100, as bytes.
std::optional<std::string> to_latin1(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      bytes += static_cast<char>(c);
      continue;
    }
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((c != 0xc2 && c != 0xc3) || (next & 0xc0) != 0x80) return std::nullopt;
    bytes += static_cast<char>(((c & 3) << 6) | (next & 0x3f));
    ++i;
  }
  return bytes;
}

std::optional<std::string> simplify_ordered_dict(PickleValue& call) {
  std::vector<const PickleValue*> pairs;
  if (call.items.size() > 1) return "it takes one list of pairs";
  if (call.items.size() == 1) {
    const PickleValue& list = *call.items[0];
    if (!list.is(PickleKind::list) && !list.is(PickleKind::tuple)) return "it takes one list of pairs";
    for (const PickleValue* const pair : list.items) {
      const bool sequence = pair->is(PickleKind::list) || pair->is(PickleKind::tuple);
      if (!sequence || pair->items.size() != 2) return "it takes one list of pairs";
      pairs.insert(pairs.end(), pair->items.begin(), pair->items.end());
    }
  }
  call.kind = PickleKind::dict;
  call.items = std::move(pairs);
  return std::nullopt;
}

// defaultdict(factory): what the factory would make is never asked for.
std::optional<std::string> simplify_default_dict(PickleValue& call) {
  if (call.items.size() > 1) return "it takes what makes a missing value";
  call.kind = PickleKind::dict;
  call.items.clear();
  return std::nullopt;
}

std::optional<std::string> simplify_set(PickleValue& call) {
  if (call.items.size() > 1 || (call.items.size() == 1 && !call.items[0]->is(PickleKind::list))) {
    return "it takes one list";
  }
  std::vector<const PickleValue*> elements;
  if (call.items.size() == 1) elements = call.items[0]->items;
  call.kind = PickleKind::set;
  call.items = std::move(elements);
  return std::nullopt;
}

// bytes(), bytearray(b"..."), encode("...", "latin1"), bytearray("...", "latin-1"): how protocols below 3 spell bytes.
std::optional<std::string> simplify_bytes(PickleValue& call) {
  std::string content;
  if (!call.items.empty()) {
    const PickleValue& first = *call.items[0];
    if (first.is(PickleKind::bytes) && call.items.size() == 1) {
      content = first.text;
    } else if (first.is(PickleKind::string) && call.items.size() == 2 && call.items[1]->is(PickleKind::string) &&
               (call.items[1]->text == "latin1" || call.items[1]->text == "latin-1")) {
      auto bytes = to_latin1(first.text);
      if (!bytes) return "the text is not latin-1";
      content = std::move(*bytes);
    } else {
      return "it takes bytes, or text and 'latin1'";
    }
  }
  call.kind = PickleKind::bytes;
  call.text = std::move(content);
  call.items.clear();
  return std::nullopt;
}

}  // namespace

std::string canonical_global(std::string_view module, std::string_view name) {
  if (module == "__builtin__") module = "builtins";
  if (module == "copy_reg") module = "copyreg";
  std::string global(module);
  global += '.';
  global += name;
  return global;
}

bool is_callable_by_default(std::string_view global) noexcept {
  return std::binary_search(std::begin(kCallable), std::end(kCallable), global);
}

std::optional<std::string> simplify_call(PickleValue& call) {
  std::optional<std::string> problem;
  if (call.text == "collections.OrderedDict") {
    problem = simplify_ordered_dict(call);
  } else if (call.text == "collections.defaultdict") {
    problem = simplify_default_dict(call);
  } else if (call.text == "builtins.set" || call.text == "builtins.frozenset") {
    problem = simplify_set(call);
  } else if (call.text == "_codecs.encode" || call.text == "builtins.bytearray" || call.text == "builtins.bytes") {
    return simplify_bytes(call);
  } else {
    return std::nullopt;
  }
  if (!problem) call.text.clear();
  return problem;
}

}  // namespace aitune
