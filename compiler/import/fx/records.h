#pragma once
// Pickled modules as inert records: their class, their attributes, their tensors.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/fx/py_value.h"
#include "compiler/import/pickle/torch_pickle.h"

namespace aitune::fx {

inline constexpr std::string_view kGraphModule = "torch.fx.graph_module.reduce_graph_module";

/// What the pickle of a GraphModule may hold: modules of torch.nn, and GraphModules by their source.
PickleOptions pickle_options();

class Records {
 public:
  /// Weights are added to `graph` as they are read.
  Records(const TorchFile& file, Graph& graph) : file_(file), graph_(graph) {}

  /// Whether the value is a module of torch.nn or a GraphModule.
  static bool is_module(const PickleValue& value);
  /// "torch.nn.modules.conv.Conv2d"
  static std::string_view class_name(const PickleValue& module) { return module.text; }
  /// An attribute, parameter, buffer or child; nothing if the module has none of that name.
  std::optional<PyValue> attribute(const PyValue& module, std::string_view name);
  /// The children in order.
  std::vector<PyValue> children(const PyValue& module);
  /// Whether hooks, which are code, belong to its forward.
  bool has_hooks(const PickleValue& module);
  /// A GraphModule's source or import block.
  std::string_view source(const PickleValue& graph_module) const;
  std::string_view imports(const PickleValue& graph_module) const;
  const std::string& where() const { return file_.where(); }

 private:
  using Index = std::unordered_map<std::string_view, const PickleValue*>;

  const PickleValue* attributes(const PickleValue& module) const;
  const PickleValue* find(const PickleValue* dict, std::string_view key);
  PyValue convert(const PickleValue& value, const std::string& path);
  PyValue convert_call(const PickleValue& value, const std::string& path);
  Value* weight(const PickleValue& value, const std::string& path);
  void check_device(const PickleValue& tensor, const std::string& path);

  const TorchFile& file_;
  Graph& graph_;
  std::unordered_map<const PickleValue*, Index> indices_;
  std::unordered_map<const PickleValue*, Value*> weights_;
  std::string device_;
};

/// torch.float32, torch.channels_last, math.pi, ...: what a qualified name is worth, if it is a constant.
std::optional<PyValue> global_constant(std::string_view name);

}  // namespace aitune::fx
