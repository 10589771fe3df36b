#pragma once
// An .ait in memory, for tests: the sample plans of format/plan_samples.h with a manifest around them.

#include <cstddef>
#include <functional>
#include <vector>

#include "base/tensor.h"
#include "format/manifest.h"
#include "format/plan.h"

namespace aitune::samples {

/// The bytes of an .ait that holds `plans`, all of the module "digits", in this order; those that share constants are
/// special plans of the first. `edit` may change the manifest before it is written. `buffers`: first values of the
/// inputs that `edit` says are written to.
std::vector<std::byte> archive_of(
    const std::vector<BuiltPlan>& plans, const std::function<void(Manifest&)>& edit = [](Manifest&) {},
    const std::vector<Tensor>& buffers = {});

}  // namespace aitune::samples
