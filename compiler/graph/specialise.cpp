#include "compiler/graph/specialise.h"

#include <map>

namespace aitune {
namespace {

class Specialiser {
 public:
  explicit Specialiser(const SymValues& sizes) {
    for (const auto& [name, size] : sizes) numbers_[name] = size;
  }

  void run(Graph& graph) const {
    for (const auto& [name, size] : numbers_) {
      graph.symbols.erase(name);
      graph.bounds.erase(name);
    }
    for (auto& [name, bound] : graph.bounds) fix(bound);
    for (Value* input : graph.inputs) fix(input->type);
    for (const auto& node : graph.nodes()) {
      fix(node->args);
      for (Value* output : node->outputs) fix(output->type);
      for (const auto& region : node->regions) run(*region);
    }
  }

 private:
  void fix(TensorType& type) const {
    for (SymInt& size : type.shape) fix(size);
  }
  void fix(SymInt& size) const {
    if (!size.is_constant()) size = size.substitute(numbers_);
  }
  void fix(ArgList& args) const {
    for (Arg& arg : args) {
      if (auto* size = std::get_if<SymInt>(&arg)) fix(*size);
      if (auto* list = std::get_if<ArgList>(&arg)) fix(*list);
    }
  }

  std::map<std::string, SymInt, std::less<>> numbers_;
};

}  // namespace

Graph specialise(const Graph& graph, const SymValues& sizes) {
  Graph copy = graph.clone();
  Specialiser(sizes).run(copy);
  return copy;
}

}  // namespace aitune
