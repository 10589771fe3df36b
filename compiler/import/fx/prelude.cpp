#include "compiler/import/fx/prelude.h"

#include <initializer_list>

#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {
namespace {

Functions parse_all(std::initializer_list<std::string_view> sources, std::string_view where) {
  Functions all;
  for (const std::string_view source : sources) all.merge(parse_source(source, where, Dialect::prelude));
  return all;
}

const Function* find(const Functions& functions, std::string_view name) {
  const auto it = functions.find(name);
  return it == functions.end() ? nullptr : &it->second;
}

}  // namespace

const Functions& module_forwards() {
  static const Functions functions =
      parse_all({kLayerPrelude, kLossLayerPrelude, kRecurrentPrelude, kTransformerPrelude, kTorchvisionPrelude},
                "aitune's modules");
  return functions;
}

const Functions& library_functions() {
  static const Functions functions = parse_all({kActivationPrelude, kFunctionalPrelude, kLossPrelude,
                                                kLinearAlgebraPrelude, kLibraryPrelude, kTorchvisionFunctions},
                                               "aitune's functions");
  return functions;
}

const Functions& tensor_methods() {
  static const Functions functions = parse_all({kTensorPrelude}, "aitune's methods");
  return functions;
}

const Function* module_forward(std::string_view class_name) { return find(module_forwards(), class_name); }
const Function* library_function(std::string_view name) { return find(library_functions(), name); }
const Function* tensor_method(std::string_view name) { return find(tensor_methods(), name); }

}  // namespace aitune::fx
