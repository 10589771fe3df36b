#include "compiler/import/dynamo/pickled.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/import/dynamo/json.h"
#include "compiler/import/pickle/torch_pickle.h"

namespace aitune::dynamo {
namespace {

TorchFile open_pickle(const Pt2Archive& archive, const std::string& entry) {
  return TorchFile(archive.bytes(entry), archive.place(entry), archive.zip->owner());
}

}  // namespace

void read_pickled_dict(const Pt2Archive& archive, const std::string& entry, TensorMap& tensors) {
  if (archive.bytes(entry).empty()) return;
  const TorchFile file = open_pickle(archive, entry);
  const PickleValue& root = file.root();
  if (!root.is(PickleKind::dict)) throw Corrupt("the pickle holds no dictionary of tensors", archive.place(entry));
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue &key = *root.items[i], &value = *root.items[i + 1];
    if (!key.is(PickleKind::string)) throw Corrupt("a key of the dictionary is no string", archive.place(entry));
    if (!TorchFile::is_tensor(value))
      throw Unsupported(fmt::format("\"{}\" is no tensor", printable(key.text)), archive.place(entry),
                        "export a model without custom objects");
    tensors.insert_or_assign(key.text, file.tensor(value));
  }
}

Tensor read_pickled_tensor(const Pt2Archive& archive, const std::string& entry) {
  const TorchFile file = open_pickle(archive, entry);
  if (!TorchFile::is_tensor(file.root())) throw Unsupported("the pickle holds no plain tensor", archive.place(entry));
  return file.tensor(file.root());
}

}  // namespace aitune::dynamo
