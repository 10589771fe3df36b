// What the model computes from constants alone is computed at import, where it becomes a number: scales and sizes that
// travel through tensors.

#include <algorithm>

#include "base/error.h"
#include "base/ops.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

constexpr std::int64_t kMaxElements = 1 << 14;
constexpr int kMaxConstantDepth = 200;

bool is_small(const TensorType& type) {
  const auto elements = product(type.shape).as_constant();
  return elements && *elements <= kMaxElements;
}

/// Whether two calls give the same.
bool is_repeatable(const Node& node) {
  const bool arbitrary = node.op_name().find("empty") != std::string_view::npos;
  return !is_random(node.op->id) && !is_dropout(node) && !arbitrary;
}

bool has_symbols(const ArgList& args) {
  return std::ranges::any_of(args, [](const Arg& arg) {
    if (const auto* size = std::get_if<SymInt>(&arg)) return !size->is_constant();
    const auto* list = std::get_if<ArgList>(&arg);
    return list != nullptr && has_symbols(*list);
  });
}

}  // namespace

std::optional<Tensor> Evaluator::constant_data(const Value* value, int depth) {
  if (!is_small(value->type) || depth > kMaxConstantDepth || written_.contains(owner_of(value))) return std::nullopt;
  if (value->kind == ValueKind::weight) return value->data;
  const Node* node = value->producer;
  if (!constants_ || node == nullptr || node->op->has_regions() || has_symbols(node->args) || !is_repeatable(*node))
    return std::nullopt;
  charge();
  if (const auto known = constant_data_.find(value); known != constant_data_.end()) return known->second;
  std::optional<Tensor>& found = constant_data_[value];
  const bool writes = std::ranges::any_of(node->op->args, &SchemaArg::written);
  const bool fits = std::ranges::all_of(node->outputs, [](const Value* output) { return is_small(output->type); });
  if (writes || !fits) return std::nullopt;
  std::vector<Tensor> operands;
  std::int64_t work = product(value->type.shape).constant();
  for (const Value* operand : node->operands()) {
    std::optional<Tensor> data = constant_data(operand, depth + 1);
    if (!data) return std::nullopt;
    work += data->numel();
    operands.push_back(*std::move(data));
  }
  charge(static_cast<std::size_t>(work));
  try {
    // References into the map stay valid while others are added.
    found = constants_(*node, operands, {}).at(value->index);
  } catch (const Error&) {  // it will say so when it runs
    return std::nullopt;
  }
  return found;
}

}  // namespace aitune::torchscript
