#pragma once
// What reference kernels are written with: arguments by name, and the table of kernels.
//
// A kernel fills its outputs and writes to nothing else. The in-place overloads (relu_, add_, ...) compute the same
// values as the functional ones: graphs are functionalised before they run.

#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "engines/reference/run/op_call.h"

namespace aitune::reference {

/// A call with its arguments by name. A view of an OpCall.
class Call {
 public:
  explicit Call(const OpCall& call) : call_(call) {}

  OpId op() const { return call_.op; }
  bool has(std::string_view name) const { return index(name).has_value(); }
  const OpArg& operator[](std::string_view name) const;
  bool given(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const { return (*this)[name].tensor(); }
  const Tensor* tensor_or_null(std::string_view name) const { return (*this)[name].tensor_or_null(); }
  std::vector<Tensor> tensors(std::string_view name) const;
  std::int64_t integer(std::string_view name) const { return (*this)[name].integer(); }
  double number(std::string_view name) const { return (*this)[name].number(); }
  bool boolean(std::string_view name) const { return (*this)[name].boolean(); }
  const std::string& string(std::string_view name) const { return (*this)[name].string(); }
  std::vector<std::int64_t> int_list(std::string_view name) const { return (*this)[name].int_list(); }
  /// The argument called self, input or A.
  const Tensor& self() const { return tensor(has("self") ? "self" : has("input") ? "input" : "A"); }
  /// The integer argument as a dimension of a tensor of this rank; 0-dim tensors count as 1-dim.
  std::size_t dim(std::string_view name, std::size_t rank) const;
  std::size_t dim(std::int64_t value, std::size_t rank) const;
  /// A list of dimensions; a missing, None or empty list gives all.
  std::vector<std::size_t> dims(std::string_view name, std::size_t rank) const;

  Tensor& out(std::size_t i = 0) const;
  /// Output `i`, given this shape now: for operators that report extents. Throws InvalidArgument if it has no room for
  /// so many elements.
  Tensor& sized_out(std::size_t i, Shape shape) const;
  /// Whether sized_out makes the outputs.
  bool allocates() const { return call_.allocate; }
  std::size_t out_count() const { return call_.outputs.size(); }

  /// Throws InvalidArgument with the operator's name.
  [[noreturn]] void fail(std::string message) const;
  /// Throws Unsupported, naming the operator.
  [[noreturn]] void unsupported(const std::string& what) const;
  void require(bool condition, std::string_view message) const {
    if (!condition) fail(std::string(message));
  }

 private:
  std::optional<std::size_t> index(std::string_view name) const;
  const OpCall& call_;
};

/// An index into `size` elements, counted from the end where it is negative (and may be). Throws where it is outside.
inline std::int64_t checked_index(const Call& call, std::int64_t i, std::int64_t size, bool may_wrap = true) {
  call.require(i < size && i >= (may_wrap ? -size : 0), "an index is out of range");
  return i < 0 ? i + size : i;
}

using Kernel = void (*)(const Call&);

/// The kernel of each operator, by OpId; nullptr where there is none.
class KernelTable {
 public:
  KernelTable() : kernels_(static_cast<std::size_t>(OpId::count), nullptr) {}
  void add(std::initializer_list<OpId> ids, Kernel kernel) {
    for (const OpId id : ids) kernels_[static_cast<std::size_t>(id)] = kernel;
  }
  /// Its own kernel, or that of the operator that it is another form of.
  Kernel find(OpId id) const {
    const Kernel own = kernels_[static_cast<std::size_t>(id)];
    return own != nullptr ? own : kernels_[static_cast<std::size_t>(implemented_as(id))];
  }
  /// The same for kernels that give each of their outputs its shape (Call::sized_out).
  void add_sized(std::initializer_list<OpId> ids, Kernel kernel) {
    add(ids, kernel);
    for (const OpId id : ids) sized_[static_cast<std::size_t>(id)] = true;
  }
  bool is_sized(OpId id) const { return sized_[static_cast<std::size_t>(id)]; }

 private:
  std::vector<Kernel> kernels_;
  std::vector<bool> sized_ = std::vector<bool>(static_cast<std::size_t>(OpId::count));
};

// One function a family.
void add_math_kernels(KernelTable& table);
void add_activation_kernels(KernelTable& table);
void add_arithmetic_kernels(KernelTable& table);
void add_comparison_kernels(KernelTable& table);
void add_reduction_kernels(KernelTable& table);
void add_scan_kernels(KernelTable& table);
void add_norm_kernels(KernelTable& table);
void add_matmul_kernels(KernelTable& table);
void add_einsum_kernels(KernelTable& table);
void add_conv_kernels(KernelTable& table);
void add_attention_kernels(KernelTable& table);
void add_pool_kernels(KernelTable& table);
void add_upsample_kernels(KernelTable& table);
void add_pad_kernels(KernelTable& table);
void add_view_kernels(KernelTable& table);
void add_assembly_kernels(KernelTable& table);
void add_index_kernels(KernelTable& table);
void add_creation_kernels(KernelTable& table);
void add_recurrent_kernels(KernelTable& table);
void add_sampling_kernels(KernelTable& table);
void add_distance_kernels(KernelTable& table);
void add_loss_kernels(KernelTable& table);
void add_data_kernels(KernelTable& table);
void add_detection_kernels(KernelTable& table);
void add_region_pool_kernels(KernelTable& table);
void add_complex_kernels(KernelTable& table);
void add_quantile_kernels(KernelTable& table);
void add_fourier_kernels(KernelTable& table);
void add_order_kernels(KernelTable& table);
void add_special_kernels(KernelTable& table);
void add_product_kernels(KernelTable& table);
void add_movement_kernels(KernelTable& table);
void add_embedding_kernels(KernelTable& table);
void add_quantised_kernels(KernelTable& table);
void add_linear_system_kernels(KernelTable& table);
void add_spectrum_kernels(KernelTable& table);
void add_matrix_product_kernels(KernelTable& table);
void add_ldl_kernels(KernelTable& table);
void add_calculus_kernels(KernelTable& table);
void add_histogram_kernels(KernelTable& table);
void add_backward_kernels(KernelTable& table);
void add_margin_loss_kernels(KernelTable& table);
void add_fractional_pool_kernels(KernelTable& table);
void add_segment_kernels(KernelTable& table);
void add_ctc_kernels(KernelTable& table);

}  // namespace aitune::reference
