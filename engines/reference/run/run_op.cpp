// Finds the kernel of a call, and the names of its arguments.

#include <algorithm>

#include "base/error.h"
#include "engines/reference/run/custom.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

using Names = std::vector<std::string_view>;

/// The argument names in a schema such as "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor".
Names argument_names(std::string_view schema) {
  Names names;
  int depth = 0;
  bool in_text = false;
  std::size_t word = schema.find('(') + 1;
  const auto finish = [&](std::size_t end) {
    const std::string_view part = schema.substr(word, end - word);
    const std::string_view declared = part.substr(0, part.find('='));
    const std::size_t space = declared.rfind(' ');
    if (space != declared.npos) names.push_back(declared.substr(space + 1));  // the lone * has no space
  };
  for (std::size_t i = word; i < schema.size(); ++i) {
    const char c = schema[i];
    if (c == '"') in_text = !in_text;
    if (in_text) continue;
    if (c == '(' || c == '[') ++depth;
    if ((c == ',' || c == ')') && depth == 0) {
      finish(i);
      word = i + 1;
      if (c == ')') break;
      while (word < schema.size() && schema[word] == ' ') ++word;
    }
    if (c == ')' || c == ']') --depth;
  }
  return names;
}

const Names& names_of(OpId id) {
  static const std::vector<Names> table = [] {
    std::vector<Names> all;
    for (std::size_t i = 0; i < static_cast<std::size_t>(OpId::count); ++i)
      all.push_back(argument_names(op_schema(static_cast<OpId>(i))));
    return all;
  }();
  return table[static_cast<std::size_t>(id)];
}

const KernelTable& kernels() {
  static const KernelTable table = [] {
    KernelTable t;
    add_math_kernels(t);
    add_activation_kernels(t);
    add_arithmetic_kernels(t);
    add_comparison_kernels(t);
    add_reduction_kernels(t);
    add_scan_kernels(t);
    add_norm_kernels(t);
    add_matmul_kernels(t);
    add_einsum_kernels(t);
    add_quantile_kernels(t);
    add_conv_kernels(t);
    add_attention_kernels(t);
    add_pool_kernels(t);
    add_upsample_kernels(t);
    add_pad_kernels(t);
    add_view_kernels(t);
    add_assembly_kernels(t);
    add_index_kernels(t);
    add_creation_kernels(t);
    add_recurrent_kernels(t);
    add_sampling_kernels(t);
    add_distance_kernels(t);
    add_loss_kernels(t);
    add_data_kernels(t);
    add_detection_kernels(t);
    add_region_pool_kernels(t);
    add_complex_kernels(t);
    add_fourier_kernels(t);
    add_order_kernels(t);
    add_special_kernels(t);
    add_product_kernels(t);
    add_movement_kernels(t);
    add_embedding_kernels(t);
    add_quantised_kernels(t);
    add_linear_system_kernels(t);
    add_spectrum_kernels(t);
    add_matrix_product_kernels(t);
    add_ldl_kernels(t);
    add_calculus_kernels(t);
    add_histogram_kernels(t);
    add_backward_kernels(t);
    add_margin_loss_kernels(t);
    add_fractional_pool_kernels(t);
    add_segment_kernels(t);
    add_ctc_kernels(t);
    return t;
  }();
  return table;
}

}  // namespace

std::optional<std::size_t> Call::index(std::string_view name) const {
  const Names& names = names_of(call_.op);
  const auto it = std::ranges::find(names, name);
  if (it == names.end()) return std::nullopt;
  return static_cast<std::size_t>(it - names.begin());
}

const OpArg& Call::operator[](std::string_view name) const {
  const auto i = index(name);
  if (!i || *i >= call_.args.size())
    throw InternalError("no argument called " + std::string(name), std::string(op_name(call_.op)));
  return call_.args[*i];
}

bool Call::given(std::string_view name) const { return has(name) && !(*this)[name].is_none(); }

std::vector<Tensor> Call::tensors(std::string_view name) const {
  std::vector<Tensor> result;
  for (const OpArg& a : (*this)[name].list()) result.push_back(a.tensor());
  return result;
}

std::size_t Call::dim(std::int64_t value, std::size_t rank) const {
  const auto n = static_cast<std::int64_t>(std::max<std::size_t>(rank, 1));
  require(value >= -n && value < n, "a dimension is out of range");
  return static_cast<std::size_t>(value < 0 ? value + n : value);
}

std::size_t Call::dim(std::string_view name, std::size_t rank) const { return dim(integer(name), rank); }

std::vector<std::size_t> Call::dims(std::string_view name, std::size_t rank) const {
  std::vector<std::size_t> result;
  if (given(name)) {
    const OpArg& arg = (*this)[name];
    if (!std::holds_alternative<OpArgList>(arg))
      result.push_back(dim(arg.integer(), rank));
    else
      for (const std::int64_t d : arg.int_list()) result.push_back(dim(d, rank));
  }
  if (result.empty())
    for (std::size_t i = 0; i < rank; ++i) result.push_back(i);
  return result;
}

Tensor& Call::out(std::size_t i) const {
  if (i >= call_.outputs.size()) throw InternalError("too few outputs were allocated", std::string(op_name(call_.op)));
  return call_.outputs[i];
}

Tensor& Call::sized_out(std::size_t i, Shape shape) const {
  Tensor& result = out(i);
  if (call_.allocate) return result = Tensor(result.dtype(), std::move(shape));
  const std::int64_t count = element_count(shape), room = result.numel();
  if (count > room)
    fail("its result has " + std::to_string(count) + " elements, and there is room for " + std::to_string(room));
  Shape strides = contiguous_strides(shape);
  return result = Tensor(result.dtype(), std::move(shape), std::move(strides), result.owner(), result.data());
}

void Call::fail(std::string message) const {
  throw InvalidArgument(std::move(message), std::string(op_name(call_.op)));
}

void Call::unsupported(const std::string& what) const {
  throw Unsupported("the reference engine has no kernel for " + what, std::string(op_name(call_.op)));
}

void run_op(const OpCall& call) {
  if (const CustomOp* custom = find_custom_op(call.op)) return run_custom_op(*custom, call);
  const Kernel kernel = is_listed(call.op) ? kernels().find(call.op) : nullptr;
  if (kernel == nullptr)
    throw Unsupported("the reference engine has no kernel for this operator", std::string(op_name(call.op)));
  if (call.args.size() != names_of(call.op).size())
    throw InternalError(std::to_string(call.args.size()) + " arguments were given, the schema has " +
                            std::to_string(names_of(call.op).size()),
                        std::string(op_name(call.op)));
  try {
    kernel(Call(call));
  } catch (const Unsupported& error) {  // thrown where only the dtype is known
    if (!error.where().empty()) throw;
    throw Unsupported(error.problem(), std::string(op_name(call.op)), error.fix());
  } catch (const InvalidArgument& error) {
    if (!error.where().empty()) throw;
    throw InvalidArgument(error.problem(), std::string(op_name(call.op)), error.fix());
  }
}

bool reports_extents(OpId op) { return is_listed(op) && kernels().is_sized(op); }

bool has_kernel(OpId op) { return is_listed(op) ? kernels().find(op) != nullptr : find_custom_op(op) != nullptr; }

}  // namespace aitune::reference
