// <aitune/runtime.h> over programs and instances. No exception leaves this file.

#include <aitune/runtime.h>
#include <aitune/version.h>
#include <cstring>

#include <new>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "base/custom_ops.h"
#include "base/error.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/instance_pool.h"

namespace aitune {
namespace {

constexpr int kMaxRank = 64;
constexpr int kMaxThreads = 1024;

static_assert(static_cast<int>(DType::bf16) == AITUNE_BF16 && static_cast<int>(DType::b8) == AITUNE_BOOL);
static_assert(static_cast<int>(ErrorCode::internal) == AITUNE_INTERNAL);

/// What a tensor info points into.
struct TensorInfo {
  std::vector<std::int64_t> min, max;
};

std::string& last_error() {
  thread_local std::string message;
  return message;
}

aitune_status fail(ErrorCode code, const char* message) noexcept {
  try {
    last_error() = message;
  } catch (const std::exception&) {
    last_error().clear();  // no memory even for the message: the status speaks
  }
  return static_cast<aitune_status>(code);
}

/// Runs `work` and turns whatever it throws into a status and a message.
template <typename Work>
aitune_status guarded(const Work& work) noexcept {
  try {
    work();
    return AITUNE_OK;
  } catch (const Error& e) {
    return fail(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::io, "no memory left");
  } catch (const std::system_error& e) {  // no more threads
    return fail(ErrorCode::io, e.what());
  } catch (const std::exception& e) {
    return fail(ErrorCode::internal, e.what());
  } catch (...) {
    return fail(ErrorCode::internal, "an unknown exception");
  }
}

void require(bool good, const char* what) {
  if (!good) throw InvalidArgument(what);
}

/// Smallest and largest size of every dimension of a plan's tensor.
TensorInfo limits_of(const Plan& plan, const PlanTensor& tensor) {
  TensorInfo info;
  for (const ExprId id : tensor.shape) {
    const PlanExpr& e = plan.exprs[id];
    SymRange range{0, SymRange::kNoMax};
    if (e.op == PlanExpr::Op::constant) range = {e.value, e.value};
    if (e.op == PlanExpr::Op::symbol) range = plan.symbols[static_cast<std::size_t>(e.value)].range;
    info.min.push_back(range.min);
    info.max.push_back(range.max);
  }
  return info;
}

LoadOptions read_options(const aitune_load_options* raw) {
  LoadOptions options;
  if (!raw) return options;
  // Later versions append fields: what an older caller does not have keeps its default.
  constexpr std::size_t kFirstVersion = offsetof(aitune_load_options, weight_budget);
  require(raw->struct_size >= kFirstVersion, "aitune_load_options.struct_size is not set");
  require(raw->num_threads >= 0 && raw->num_threads <= kMaxThreads, "num_threads must be from 0 to 1024");
  options.num_threads = raw->num_threads;
  options.verify_checksums = raw->skip_checksums == 0;
  if (raw->struct_size >= sizeof(aitune_load_options)) options.weight_budget = raw->weight_budget;
  if (raw->module) options.module = raw->module;
  if (raw->precision) options.precision = raw->precision;
  return options;
}

void read_tensors(const aitune_tensor* tensors, std::size_t count, std::vector<TensorRef>& refs) {
  require(tensors || count == 0, "the array of tensors is null");
  refs.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const aitune_tensor& t = tensors[i];
    int dtype = 0;  // read as a plain integer: the caller may have put anything there
    static_assert(sizeof(dtype) == sizeof(t.dtype));
    std::memcpy(&dtype, &t.dtype, sizeof(dtype));
    require(dtype >= AITUNE_U8 && dtype <= AITUNE_BF16, "a tensor's dtype is none of aitune_dtype");
    require(t.rank >= 0 && t.rank <= kMaxRank, "a tensor's rank is negative or beyond 64");
    require(t.shape || t.rank == 0, "a tensor's shape is null");
    const auto rank = static_cast<std::size_t>(t.rank);
    TensorRef ref(static_cast<DType>(dtype), {t.shape, rank}, t.data);
    if (t.strides) ref.strides = {t.strides, rank};
    refs.push_back(ref);
  }
}

}  // namespace
}  // namespace aitune

/// A module is a program, its instances, and what infos point into.
struct aitune_module {
  explicit aitune_module(std::shared_ptr<const aitune::Program> program) : pool(std::move(program)) {
    const aitune::Plan& plan = pool.program().plan();
    for (const auto& t : plan.inputs) inputs.push_back(aitune::limits_of(plan, t));
    for (const auto& t : plan.outputs) outputs.push_back(aitune::limits_of(plan, t));
  }
  mutable aitune::InstancePool pool;
  std::vector<aitune::TensorInfo> inputs, outputs;
};

namespace aitune {
namespace {

aitune_status get_info(const std::vector<PlanTensor>& tensors, const std::vector<TensorInfo>& limits, std::size_t index,
                       aitune_tensor_info* info) {
  return guarded([&] {
    require(info, "info is null");
    if (index >= tensors.size())
      throw InvalidArgument(fmt::format("there is no tensor {} of {}", index, tensors.size()));
    const PlanTensor& t = tensors[index];
    *info = {t.name.c_str(), static_cast<aitune_dtype>(t.dtype), static_cast<std::int32_t>(t.shape.size()),
             limits[index].min.data(), limits[index].max.data()};
  });
}

}  // namespace
}  // namespace aitune

using aitune::guarded;
using aitune::require;

extern "C" {

const char* aitune_version(void) { return aitune::kVersion; }

const char* aitune_last_error(void) { return aitune::last_error().c_str(); }

aitune_status aitune_load_custom_ops(const char* path) {
  return guarded([&] {
    require(path, "path is null");
    aitune::load_custom_ops(path);
  });
}

aitune_status aitune_load(const char* path, const aitune_load_options* options, aitune_module** module) {
  if (module) *module = nullptr;
  return guarded([&] {
    require(path && module, "path or module is null");
    *module = new aitune_module(aitune::Program::open(path, aitune::read_options(options)));
  });
}

aitune_status aitune_load_from_memory(const void* data, size_t size, const aitune_load_options* options,
                                      aitune_module** module) {
  if (module) *module = nullptr;
  return guarded([&] {
    require(data && module, "data or module is null");
    const std::span bytes(static_cast<const std::byte*>(data), size);
    *module = new aitune_module(aitune::Program::from_bytes(bytes, "memory", aitune::read_options(options)));
  });
}

void aitune_free(aitune_module* module) { delete module; }

size_t aitune_input_count(const aitune_module* module) { return module ? module->inputs.size() : 0; }
size_t aitune_output_count(const aitune_module* module) { return module ? module->outputs.size() : 0; }

aitune_status aitune_input_info(const aitune_module* module, size_t index, aitune_tensor_info* info) {
  if (!module) return aitune::fail(aitune::ErrorCode::invalid_argument, "module is null");
  return aitune::get_info(module->pool.program().plan().inputs, module->inputs, index, info);
}

aitune_status aitune_output_info(const aitune_module* module, size_t index, aitune_tensor_info* info) {
  if (!module) return aitune::fail(aitune::ErrorCode::invalid_argument, "module is null");
  return aitune::get_info(module->pool.program().plan().outputs, module->outputs, index, info);
}

aitune_status aitune_input_state(const aitune_module* module, size_t index, aitune_state_info* state) {
  return guarded([&] {
    require(module && state, "module or state is null");
    require(index < module->inputs.size(), "there is no input of this index");
    *state = {};
    const aitune::Program::State* found = module->pool.program().state(index);
    if (found == nullptr) return;
    state->is_written = 1;
    state->output = found->output;
    if (found->buffer.empty()) return;
    state->buffer = found->buffer.c_str();
    state->first_value = found->first_value.data();
    state->bytes = found->first_value.byte_size();
  });
}

aitune_status aitune_output_shape(const aitune_module* module, const aitune_tensor* inputs, size_t input_count,
                                  size_t index, int64_t* shape) {
  return guarded([&] {
    require(module, "module is null");
    require(index < module->outputs.size(), "there is no output of this index");
    require(shape || module->outputs[index].min.empty(), "shape is null");
    const aitune::InstancePool::Lease lease(module->pool);
    aitune::read_tensors(inputs, input_count, lease->inputs);
    const aitune::Shape& result = lease->instance.output_shapes(lease->inputs)[index];
    std::copy(result.begin(), result.end(), shape);
  });
}

aitune_status aitune_run(const aitune_module* module, const aitune_tensor* inputs, size_t input_count,
                         const aitune_tensor* outputs, size_t output_count) {
  return guarded([&] {
    require(module, "module is null");
    const aitune::InstancePool::Lease lease(module->pool);
    aitune::read_tensors(inputs, input_count, lease->inputs);
    aitune::read_tensors(outputs, output_count, lease->outputs);
    for (const aitune::PlanTensor& output : module->pool.program().plan().outputs)
      require(output.largest.empty(), "data decide the shape of an output: call aitune_run_shapes");
    lease->instance.run(lease->inputs, lease->outputs);
  });
}

aitune_status aitune_run_shapes(const aitune_module* module, const aitune_tensor* inputs, size_t input_count,
                                const aitune_tensor* outputs, size_t output_count, int64_t* const* shapes) {
  return guarded([&] {
    require(module && (shapes || output_count == 0), "module or shapes is null");
    const aitune::InstancePool::Lease lease(module->pool);
    aitune::read_tensors(inputs, input_count, lease->inputs);
    aitune::read_tensors(outputs, output_count, lease->outputs);
    lease->instance.run(lease->inputs, lease->outputs);
    const auto results = lease->instance.result_shapes();
    for (std::size_t i = 0; i < results.size(); ++i)
      if (shapes[i]) std::copy(results[i].begin(), results[i].end(), shapes[i]);
  });
}

aitune_status aitune_verify_file(const char* path) {
  return guarded([&] {
    require(path, "path is null");
    aitune::verify_entries(aitune::ZipReader::open(path));
  });
}

}  // extern "C"
