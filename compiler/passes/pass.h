#pragma once
// What every pass gets.

#include "compiler/graph/graph.h"
#include "compiler/passes/pipeline.h"

namespace aitune {

/// The settings of the pipeline, as passes see them.
struct PassContext {
  const LowerOptions& options;
  void warn(std::string_view message) const {
    if (options.warn) options.warn(message);
  }
};

}  // namespace aitune
