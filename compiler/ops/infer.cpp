// infer_types: finds the rule and adds the operator to what it reports.

#include "compiler/ops/infer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace aitune {
namespace infer {

bool Call::has(std::string_view name) const {
  return std::ranges::any_of(op_.args, [&](const SchemaArg& a) { return a.name == name; });
}

const Arg& Call::operator[](std::string_view name) const { return args_.at(op_.arg_index(name)); }

std::vector<TensorType> Call::tensors(std::string_view name) const {
  std::vector<TensorType> types;
  for (const Arg& a : (*this)[name].list()) types.push_back(a.value()->type);
  return types;
}

DType Call::dtype_or(std::string_view name, DType otherwise) const {
  if (!given(name)) return otherwise;
  if (const DType* t = std::get_if<DType>(&(*this)[name])) return *t;
  fail(fmt::format("argument '{}' is not a dtype", name));
}

std::size_t Call::dim(std::int64_t value, std::size_t rank) const {
  const auto n = static_cast<std::int64_t>(std::max<std::size_t>(rank, 1));
  if (value < -n || value >= n) fail(fmt::format("dimension {} is outside a tensor of {} dimensions", value, rank));
  return static_cast<std::size_t>(value < 0 ? value + n : value);
}

std::size_t Call::dim(std::string_view name, std::size_t rank) const { return dim(integer(name), rank); }

std::vector<std::size_t> Call::dims(std::string_view name, std::size_t rank) const {
  std::vector<std::size_t> result;
  std::vector<bool> seen(std::max<std::size_t>(rank, 1));
  const Arg& arg = (*this)[name];
  if (std::holds_alternative<SymInt>(arg)) return {dim(arg.integer(), rank)};
  if (!arg.is_none())
    for (const std::int64_t d : arg.int_list()) {
      const std::size_t i = dim(d, rank);
      if (seen[i]) fail(fmt::format("dimension {} appears twice", d));
      seen[i] = true;
      result.push_back(i);
    }
  if (result.empty())
    for (std::size_t i = 0; i < rank; ++i) result.push_back(i);
  return result;
}

void Call::assume_equal(const SymInt& a, const SymInt& b) const {
  if (facts_ != nullptr && !(a == b)) facts_->push_back({a, b, true});
}

void Call::require_at_least(const SymInt& a, const SymInt& b, std::string_view message) const {
  const auto difference = (a - b).as_constant();
  if (difference) return require(*difference >= 0, message);
  if (facts_ != nullptr) facts_->push_back({a, b, false});
}

void Call::fail(std::string message) const { throw InvalidArgument(std::move(message), op_.name); }

namespace {
const RuleTable& rules() {
  static const RuleTable table = [] {
    RuleTable t;
    add_unary_rules(t);
    add_binary_rules(t);
    add_reduction_rules(t);
    add_norm_rules(t);
    add_linear_rules(t);
    add_conv_rules(t);
    add_resample_rules(t);
    add_view_rules(t);
    add_assembly_rules(t);
    add_index_rules(t);
    add_creation_rules(t);
    add_recurrent_rules(t);
    add_distance_rules(t);
    add_loss_rules(t);
    add_data_rules(t);
    add_order_rules(t);
    add_spectral_rules(t);
    add_quantised_rules(t);
    add_linear_algebra_rules(t);
    add_calculus_rules(t);
    add_histogram_rules(t);
    return t;
  }();
  return table;
}

/// What is written in place keeps its dtype, and its shape must be that of the result.
Types written(const Call& call, Rule rule) {
  const TensorType self = call[call.op().args.at(0).name].value()->type;
  const Types results = rule(call);
  const SymShape& shape = results.at(0).shape;
  call.require(shape.size() == self.shape.size(), "the operands broadcast to more than the tensor written to");
  for (std::size_t i = 0; i < shape.size(); ++i) unify(call, shape[i], self.shape[i]);
  return {self};
}

Types apply(const Call& call) {
  const OpInfo& op = call.op();
  if (!is_listed(op.id)) return infer_custom(call);
  if (const Rule own = rules().find(op.id)) return own(call);
  const Rule other = rules().find(implemented_as(op.id));
  if (other == nullptr) throw Unsupported("this operator has no shape rule", op.name, "Run it outside aitune");
  return op.is_inplace() ? written(call, other) : other(call);
}
}  // namespace
}  // namespace infer

std::vector<TensorType> infer_types(const OpInfo& op, const ArgList& args, std::vector<SizeFact>* facts) {
  if (args.size() != op.args.size())
    throw InvalidArgument(fmt::format("{} arguments given, the schema has {}", args.size(), op.args.size()), op.name);
  std::vector<TensorType> types = infer::apply(infer::Call(op, args, facts));
  for (const TensorType& type : types)
    for (const SymInt& size : type.shape) {
      if (const auto v = size.as_constant(); v && *v < 0)
        throw InvalidArgument("the arguments give a negative size: " + to_string(type), op.name);
      if (facts != nullptr && !size.is_constant()) facts->push_back({size, 0, false});
    }
  return types;
}

}  // namespace aitune
