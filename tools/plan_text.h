#pragma once
// Steps and blocks of a plan in the user's own terms: his modules and source lines.

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "format/plan.h"

namespace aitune::tools {

/// The model's nodes that a step computes, in the model's order; in plans of older versions the lowered graph's.
std::vector<const PlanSource*> model_nodes(const Plan& plan, const PlanStep& step);

/// "conv2d + batch_norm + relu in layer1.0 at model.py:29": the operators, the module around all of them, and the line
/// of the first; what is not known is left out.
std::string nodes_text(const Plan& plan, const PlanStep& step);

/// "step 3 (gemm_…) of block 1 (cpu): conv2d + relu in layer1.0 at model.py:29"
std::string step_text(const Plan& plan, std::size_t index);

/// ", from conv2d in layer1 at model.py:10 to linear in fc at model.py:31": where a block begins and ends; empty if
/// that is not known.
std::string block_places(const Plan& plan, std::size_t block);

/// [{"node": …, "op": …, "module": …, "code": …}, …]
nlohmann::ordered_json nodes_json(const Plan& plan, const PlanStep& step);

/// "model.py:29" of "/home/me/model.py:29 in forward: x = self.conv(x)".
std::string line_of(const std::string& code);

}  // namespace aitune::tools
