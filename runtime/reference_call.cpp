#include "runtime/reference_call.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace aitune {
namespace {

OpId known_op(const PlanStep& step) {
  const auto op = find_op_id(step.op);
  if (!op || !reference::has_kernel(*op)) {
    throw Unsupported(fmt::format("the reference engine has no kernel for {}", step.op), step.name,
                      "Install a newer aitune, or tune the model again with this one");
  }
  return *op;
}

}  // namespace

Tensor make_view(const PlanView& view, std::span<const std::int64_t> values) {
  Shape shape;
  shape.reserve(view.shape.size());
  // Sizes that are not known yet, or are for a branch that does not run, may look negative; they are checked before
  // use.
  for (const ExprId id : view.shape) shape.push_back(std::max<std::int64_t>(values[id], 0));
  return Tensor::borrow(view.dtype, std::move(shape), nullptr);
}

ReferenceCall::ReferenceCall(const Plan& plan, const PlanStep& step, std::span<const std::int64_t> values)
    : op_(known_op(step)), reports_extents_(reference::reports_extents(op_)) {
  for (const PlanArg& arg : step.args) args_.push_back(make_arg(plan, arg, values));
  for (const auto view : step.results) results_.push_back(make_view(plan.views[view], values));
  for (std::size_t i = 0; i < args_.size(); ++i) collect_tensors(args_[i], step.args[i]);
  for (std::size_t i = 0; i < results_.size(); ++i) tensors_.push_back({&results_[i], step.results[i]});
}

void ReferenceCall::prepare_results(std::span<const std::size_t> bytes) {
  for (std::size_t i = 0; i < results_.size(); ++i) {
    const DType dtype = results_[i].dtype();
    const auto count = static_cast<std::int64_t>(bytes[i] / dtype_size(dtype));
    results_[i] = Tensor::borrow(dtype, {count}, results_[i].data());
  }
}

namespace {

void reshape(Tensor& tensor, const PlanView& view, std::span<const std::int64_t> values) {
  Tensor shaped = make_view(view, values);
  shaped.rebase(tensor.data());
  tensor = std::move(shaped);
}

}  // namespace

void ReferenceCall::rebind(const Plan& plan, const PlanStep& step, std::span<const std::int64_t> values) {
  for (std::size_t i = 0; i < args_.size(); ++i) rebind(args_[i], plan, step.args[i], values);
  if (reports_extents_) return;
  for (std::size_t i = 0; i < results_.size(); ++i) reshape(results_[i], plan.views[step.results[i]], values);
}

void ReferenceCall::rebind(reference::OpArg& arg, const Plan& plan, const PlanArg& from,
                           std::span<const std::int64_t> values) {
  if (auto* number = std::get_if<std::int64_t>(&arg)) *number = values[from.integer];
  if (auto* tensor = std::get_if<Tensor>(&arg)) reshape(*tensor, plan.views[from.tensor], values);
  if (auto* list = std::get_if<reference::OpArgList>(&arg)) {
    for (std::size_t i = 0; i < list->size(); ++i) rebind((*list)[i], plan, from.list[i], values);
  }
}

reference::OpArg ReferenceCall::make_arg(const Plan& plan, const PlanArg& arg, std::span<const std::int64_t> values) {
  switch (arg.kind) {
    case PlanArg::Kind::none:
      return reference::NoneArg{};
    case PlanArg::Kind::boolean:
      return arg.boolean;
    case PlanArg::Kind::integer:
      return values[arg.integer];
    case PlanArg::Kind::number:
      return arg.number;
    case PlanArg::Kind::string:
      return arg.string;
    case PlanArg::Kind::dtype:
      return arg.dtype;
    case PlanArg::Kind::tensor:
      return make_view(plan.views[arg.tensor], values);
    case PlanArg::Kind::list:
      break;
  }
  reference::OpArgList list;
  for (const PlanArg& item : arg.list) list.push_back(make_arg(plan, item, values));
  return list;
}

void ReferenceCall::collect_tensors(reference::OpArg& arg, const PlanArg& from) {
  if (auto* tensor = std::get_if<Tensor>(&arg)) tensors_.push_back({tensor, from.tensor});
  if (auto* list = std::get_if<reference::OpArgList>(&arg)) {
    for (std::size_t i = 0; i < list->size(); ++i) collect_tensors((*list)[i], from.list[i]);
  }
}

}  // namespace aitune
