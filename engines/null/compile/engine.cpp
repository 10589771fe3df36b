#include "engines/null/compile/engine.h"

#include "base/error.h"
#include "compiler/partition/partition.h"

namespace aitune::null {
namespace {

class NullEngine final : public CompileEngine {
 public:
  std::string_view name() const override { return "null"; }

  Support supports(const Node&, const EngineOptions&) const override {
    return Support::no("the null engine takes no operator");
  }

  void compile(const Block& block, const EngineOptions&, PlanBuilder&) const override {
    throw Unsupported("the null engine compiles nothing", block.name);
  }
};

}  // namespace

std::unique_ptr<CompileEngine> make_null_engine() { return std::make_unique<NullEngine>(); }

}  // namespace aitune::null
