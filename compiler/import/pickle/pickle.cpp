#include "compiler/import/pickle/pickle.h"

#include "compiler/import/pickle/pickle_parser.h"

namespace aitune {

const PickleValue* PickleValue::find(std::string_view key) const {
  if (kind != PickleKind::dict) return nullptr;
  // A key that was set twice has its last value.
  for (std::size_t i = items.size(); i >= 2; i -= 2) {
    if (items[i - 2]->is(PickleKind::string) && items[i - 2]->text == key) return items[i - 1];
  }
  return nullptr;
}

PickleDocument PickleDocument::parse(std::span<const std::byte> bytes, std::string_view where,
                                     const PickleOptions& options) {
  return PickleParser(bytes, where, options).parse();
}

}  // namespace aitune
