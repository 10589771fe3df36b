#pragma once
// The C++ interface of libaitune_runtime: open a tuned model (.ait) and run it. A thin layer over <aitune/runtime.h>:
// nothing but plain C crosses the library's border, so any C++20 compiler and standard library will do.
//
//   const aitune::runtime::Module model("model.ait");
//   const auto outputs = model.run({aitune::runtime::view<float>({1, 4}, x)});
//   for (float y : outputs[0].as<float>()) ...

#include <aitune/runtime.h>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace aitune::runtime {

/// What failed: the message says what, where, and what to do.
class Error : public std::runtime_error {
 public:
  Error(aitune_status status, const char* message) : std::runtime_error(message), status_(status) {}
  aitune_status status() const noexcept { return status_; }

 private:
  aitune_status status_;
};

/// Throws if a call of the C interface failed.
inline void check(aitune_status status) {
  if (status != AITUNE_OK) throw Error(status, aitune_last_error());
}

/// The dtype whose elements are C++ values of type T. (bf16 and f16 have no C++ type here.)
template <typename T>
constexpr aitune_dtype dtype_of() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, float>)
    return AITUNE_F32;
  else if constexpr (std::is_same_v<U, double>)
    return AITUNE_F64;
  else if constexpr (std::is_same_v<U, bool>)
    return AITUNE_BOOL;
  else if constexpr (std::is_same_v<U, std::uint8_t>)
    return AITUNE_U8;
  else if constexpr (std::is_same_v<U, std::int8_t>)
    return AITUNE_I8;
  else if constexpr (std::is_same_v<U, std::int16_t>)
    return AITUNE_I16;
  else if constexpr (std::is_same_v<U, std::int32_t>)
    return AITUNE_I32;
  else {
    static_assert(std::is_same_v<U, std::int64_t>, "no dtype for this C++ type");
    return AITUNE_I64;
  }
}

constexpr std::size_t element_size(aitune_dtype dtype) {
  constexpr std::size_t sizes[] = {1, 1, 2, 4, 8, 2, 4, 8, 8, 16, 1, 2};
  return sizes[dtype];
}

/// A tensor in memory of the caller, which outlives the call that it is given to.
struct TensorView {
  aitune_dtype dtype = AITUNE_F32;
  std::vector<std::int64_t> shape;
  void* data = nullptr;
  std::vector<std::int64_t> strides;  ///< in elements; empty: contiguous

  aitune_tensor raw() const {
    return {dtype, static_cast<std::int32_t>(shape.size()), shape.data(), strides.empty() ? nullptr : strides.data(),
            data};
  }
};

/// Contiguous values as a tensor. Throws std::invalid_argument if there are fewer or more values than the shape says.
template <typename T>
TensorView view(std::vector<std::int64_t> shape, std::span<T> values) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  if (count != values.size()) throw std::invalid_argument("the number of values is not that of the shape");
  return {dtype_of<T>(), std::move(shape), const_cast<std::remove_cv_t<T>*>(values.data()), {}};
}

/// An output: owns its memory, contiguous, 64-byte aligned.
class Tensor {
 public:
  Tensor(aitune_dtype dtype, std::vector<std::int64_t> shape) : dtype_(dtype), shape_(std::move(shape)) {
    bytes_ = element_size(dtype);
    for (const std::int64_t size : shape_) bytes_ *= static_cast<std::size_t>(size);
    data_.reset(static_cast<std::byte*>(::operator new(bytes_, kAlignment)));
  }

  aitune_dtype dtype() const { return dtype_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::size_t byte_size() const { return bytes_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  /// The elements. Throws std::invalid_argument if they are of another type.
  template <typename T>
  std::span<T> as() {
    if (dtype_of<T>() != dtype_) throw std::invalid_argument("the tensor's elements have another type");
    return {reinterpret_cast<T*>(data_.get()), bytes_ / sizeof(T)};
  }
  template <typename T>
  std::span<const T> as() const {
    return const_cast<Tensor*>(this)->as<T>();
  }
  TensorView view() { return {dtype_, shape_, data_.get(), {}}; }

 private:
  friend class Module;
  /// The shape with which a run has left it, of as many elements as before or fewer.
  void become(std::vector<std::int64_t> shape) {
    shape_ = std::move(shape);
    bytes_ = element_size(dtype_);
    for (const std::int64_t size : shape_) bytes_ *= static_cast<std::size_t>(size);
  }
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
  };
  aitune_dtype dtype_;
  std::vector<std::int64_t> shape_;
  std::size_t bytes_ = 0;
  std::unique_ptr<std::byte, Delete> data_;
};

struct Options {
  int num_threads = 0;          ///< 0: as tuned
  bool skip_checksums = false;  ///< trust the file system; the plan is verified all the same
  std::string module;           ///< which module of the file, by name or number ("0"); empty: the first
  std::string precision;        ///< "fp32", "bf16" or "int8"; empty: what tuning preferred
  /// Bytes of the weights that may be in memory at a time, the others stay in the file; 0: no limit, or, for a file
  /// that was tuned with enable_weight_streaming, what two steps in a row need.
  std::uint64_t weight_budget = 0;
};

/// A loaded model. All const functions may be called by many threads at once. Throws Error.
class Module {
 public:
  explicit Module(const std::string& path, const Options& options = {}) {
    const auto raw = raw_options(options);
    aitune_module* module = nullptr;
    check(aitune_load(path.c_str(), &raw, &module));
    module_.reset(module);
  }
  /// From an .ait in memory that outlives the module.
  explicit Module(std::span<const std::byte> bytes, const Options& options = {}) {
    const auto raw = raw_options(options);
    aitune_module* module = nullptr;
    check(aitune_load_from_memory(bytes.data(), bytes.size(), &raw, &module));
    module_.reset(module);
  }

  std::size_t input_count() const { return aitune_input_count(module_.get()); }
  std::size_t output_count() const { return aitune_output_count(module_.get()); }
  aitune_tensor_info input(std::size_t index) const {
    aitune_tensor_info info;
    check(aitune_input_info(module_.get(), index, &info));
    return info;
  }
  aitune_tensor_info output(std::size_t index) const {
    aitune_tensor_info info;
    check(aitune_output_info(module_.get(), index, &info));
    return info;
  }
  /// Whether the model writes to an input, and where what it writes comes out; of a buffer, its first value.
  aitune_state_info input_state(std::size_t index) const {
    aitune_state_info state;
    check(aitune_input_state(module_.get(), index, &state));
    return state;
  }
  /// Position of the input or output called `name`; empty if there is none.
  std::optional<std::size_t> find_input(std::string_view name) const {
    for (std::size_t i = 0; i < input_count(); ++i) {
      if (input(i).name == name) return i;
    }
    return std::nullopt;
  }
  std::optional<std::size_t> find_output(std::string_view name) const {
    for (std::size_t i = 0; i < output_count(); ++i) {
      if (output(i).name == name) return i;
    }
    return std::nullopt;
  }

  /// Runs the model into fresh tensors, in the shapes that the outputs have.
  std::vector<Tensor> run(std::span<const TensorView> inputs) const {
    const auto raw = raw_tensors(inputs);
    std::vector<Tensor> outputs;
    std::vector<aitune_tensor> raw_outputs;
    for (std::size_t i = 0; i < output_count(); ++i) {
      const aitune_tensor_info info = output(i);
      std::vector<std::int64_t> shape(static_cast<std::size_t>(info.rank));
      check(aitune_output_shape(module_.get(), raw.data(), raw.size(), i, shape.data()));
      outputs.emplace_back(info.dtype, std::move(shape));
    }
    for (Tensor& t : outputs) {
      raw_outputs.push_back(
          {t.dtype(), static_cast<std::int32_t>(t.shape().size()), t.shape().data(), nullptr, t.data()});
    }
    auto shapes = run_shapes(raw, raw_outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i].become(std::move(shapes[i]));
    return outputs;
  }
  std::vector<Tensor> run(std::initializer_list<TensorView> inputs) const {
    return run(std::span(inputs.begin(), inputs.size()));
  }
  /// Runs the model into memory of the caller, and returns the shapes that the outputs have: those of `outputs`, or
  /// smaller ones where data decide a size (the memory is for the largest then, and the elements stand at its
  /// beginning). Allocates small arrays only; the C functions allocate nothing.
  std::vector<std::vector<std::int64_t>> run_into(std::span<const TensorView> inputs,
                                                  std::span<const TensorView> outputs) const {
    return run_shapes(raw_tensors(inputs), raw_tensors(outputs));
  }

 private:
  std::vector<std::vector<std::int64_t>> run_shapes(const std::vector<aitune_tensor>& inputs,
                                                    const std::vector<aitune_tensor>& outputs) const {
    std::vector<std::vector<std::int64_t>> shapes;
    std::vector<std::int64_t*> raw;
    for (const aitune_tensor& output : outputs) shapes.emplace_back(output.shape, output.shape + output.rank);
    for (auto& shape : shapes) raw.push_back(shape.data());
    check(aitune_run_shapes(module_.get(), inputs.data(), inputs.size(), outputs.data(), outputs.size(), raw.data()));
    return shapes;
  }
  struct Free {
    void operator()(aitune_module* module) const { aitune_free(module); }
  };
  static aitune_load_options raw_options(const Options& options) {
    aitune_load_options raw{};
    raw.struct_size = sizeof raw;
    raw.num_threads = options.num_threads;
    raw.weight_budget = options.weight_budget;
    raw.skip_checksums = options.skip_checksums ? 1 : 0;
    raw.module = options.module.empty() ? nullptr : options.module.c_str();
    raw.precision = options.precision.empty() ? nullptr : options.precision.c_str();
    return raw;
  }
  static std::vector<aitune_tensor> raw_tensors(std::span<const TensorView> views) {
    std::vector<aitune_tensor> raw;
    raw.reserve(views.size());
    for (const TensorView& view : views) raw.push_back(view.raw());
    return raw;
  }

  std::unique_ptr<aitune_module, Free> module_;
};

/// Loads a library of custom operators into the process, for modules loaded afterwards. Throws Error.
inline void load_custom_ops(const std::string& library) { check(aitune_load_custom_ops(library.c_str())); }

/// Compares everything in the file with the checksums in it. Throws Error naming all that differs.
inline void verify_file(const std::string& path) { check(aitune_verify_file(path.c_str())); }

}  // namespace aitune::runtime
