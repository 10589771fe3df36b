#pragma once
// What torch.jit.save wrote, opened: sources, the model as plain data, constants. Nothing in it is executed.

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "compiler/import/pickle/pickle.h"
#include "compiler/import/pickle/torch_storages.h"
#include "compiler/import/torchscript/ast.h"
#include "compiler/import/torchscript/value.h"
#include "format/zip_reader.h"

namespace aitune::torchscript {

/// Where in the user's own files a piece of the source came from.
class DebugInfo;

class Archive {
 public:
  /// Throws Unsupported when the file is no TorchScript, or one for PyTorch's mobile interpreter alone; Incompatible
  /// for versions that are too new.
  explicit Archive(std::shared_ptr<const ZipReader> zip);
  ~Archive();
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  const std::string& where() const { return where_; }
  int version() const { return version_; }

  /// By qualified name, "__torch__.net.Net"; null if the archive has none. Files are parsed when first asked for.
  const Class* find_class(std::string_view name) const;
  const Function* find_function(std::string_view name) const;

  /// CONSTANTS.cN: tensors are Stored.
  const Val* find_constant(std::string_view name) const;
  /// The model.
  const ObjectPtr& model() const { return model_; }

  /// "net.py:17 in forward: x = self.conv(x)", of the user's own file; empty if the archive does not tell.
  std::string user_line(const Source& source, std::uint32_t offset) const;
  /// The text of it is PyTorch's own code.
  bool is_pytorch_code(const Source& source, std::uint32_t offset) const;

 private:
  const File* find_file(std::string_view module) const;
  PickleDocument read_pickle(std::string_view entry) const;
  const DebugInfo& debug_info(const Source& source) const;

  std::shared_ptr<const ZipReader> zip_;
  std::string where_;
  int version_ = 0;
  struct Parsed;
  mutable std::map<std::string, std::unique_ptr<Parsed>, std::less<>> files_;  // by module; null where there is none
  mutable std::map<const Source*, std::unique_ptr<DebugInfo>> debug_;
  mutable std::size_t parsed_bytes_ = 0;
  std::map<std::string, Val, std::less<>> constants_;
  ObjectPtr model_;
};

}  // namespace aitune::torchscript
