#include "engines/cpu/run/onednn_library.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/error.h"

namespace aitune::cpu {
namespace {

constexpr const char* kName = "libdnnl.so.3";
constexpr const char* kFix =
    "Install oneDNN 3 (pip download onednn-cpu-gomp holds it) and put libdnnl.so.3 where the loader finds it, or name "
    "the "
    "file in AITUNE_ONEDNN; a model tuned with onednn=false does not need it";

DynLib open_library() {
  const char* named = std::getenv("AITUNE_ONEDNN");
  const std::string file = named && *named ? named : kName;
  std::string why;
  if (auto library = DynLib::open({file}, &why)) return std::move(*library);
  throw Unavailable(std::move(why), "oneDNN", kFix);
}

}  // namespace

OneDnn::OneDnn(DynLib library) : library_(std::move(library)) {
  if (!library_.bind("dnnl_version", api_.version))
    throw Unavailable("it is no oneDNN: it has no dnnl_version", path(), kFix);
  const dnnl::Version& v = *api_.version();
  version_ = fmt::format("{}.{}.{}", v.major, v.minor, v.patch);
  if (v.major != 3) throw Unavailable(fmt::format("it is oneDNN {}, and version 3 is needed", version_), path(), kFix);
  bind_all();
  const auto threading = static_cast<dnnl::Threading>(v.cpu_runtime);
  const bool bound = api_.omp_set_num_threads && api_.omp_get_max_threads;
  if (threading != dnnl::Threading::sequential && threading != dnnl::Threading::threadpool &&
      !(threading == dnnl::Threading::omp && bound))
    throw Unavailable("it was built for a threading library other than OpenMP, which aitune cannot keep to one thread",
                      path(), kFix);
  dnnl::EngineObject* engine = nullptr;
  check(api_.engine_create(&engine, dnnl::kCpu, 0), "making an engine");
  engine_ = {engine, api_.engine_destroy};
}

void OneDnn::bind_all() {
  const auto need = [&](const char* name, auto& function) {
    if (!library_.bind(name, function))
      throw Unavailable(fmt::format("oneDNN {} has no function {}", version_, name), path(), kFix);
  };
  need("dnnl_status2str", api_.status2str);
  need("dnnl_engine_create", api_.engine_create);
  need("dnnl_engine_destroy", api_.engine_destroy);
  need("dnnl_stream_create", api_.stream_create);
  need("dnnl_stream_destroy", api_.stream_destroy);
  need("dnnl_stream_wait", api_.stream_wait);
  need("dnnl_memory_desc_create_with_strides", api_.memory_desc_create_with_strides);
  need("dnnl_memory_desc_create_with_tag", api_.memory_desc_create_with_tag);
  need("dnnl_memory_desc_clone", api_.memory_desc_clone);
  need("dnnl_memory_desc_destroy", api_.memory_desc_destroy);
  need("dnnl_memory_desc_query", api_.memory_desc_query);
  need("dnnl_memory_desc_get_size", api_.memory_desc_get_size);
  need("dnnl_memory_create", api_.memory_create);
  need("dnnl_memory_destroy", api_.memory_destroy);
  need("dnnl_memory_set_data_handle", api_.memory_set_data_handle);
  need("dnnl_post_ops_create", api_.post_ops_create);
  need("dnnl_post_ops_destroy", api_.post_ops_destroy);
  need("dnnl_post_ops_append_eltwise", api_.post_ops_append_eltwise);
  need("dnnl_post_ops_append_binary", api_.post_ops_append_binary);
  need("dnnl_primitive_attr_create", api_.primitive_attr_create);
  need("dnnl_primitive_attr_destroy", api_.primitive_attr_destroy);
  need("dnnl_primitive_attr_set_scratchpad_mode", api_.primitive_attr_set_scratchpad_mode);
  need("dnnl_primitive_attr_set_post_ops", api_.primitive_attr_set_post_ops);
  need("dnnl_matmul_primitive_desc_create", api_.matmul_primitive_desc_create);
  need("dnnl_convolution_forward_primitive_desc_create", api_.convolution_forward_primitive_desc_create);
  need("dnnl_reorder_primitive_desc_create", api_.reorder_primitive_desc_create);
  need("dnnl_primitive_desc_destroy", api_.primitive_desc_destroy);
  need("dnnl_primitive_desc_query", api_.primitive_desc_query);
  need("dnnl_primitive_desc_query_md", api_.primitive_desc_query_md);
  need("dnnl_primitive_create", api_.primitive_create);
  need("dnnl_primitive_destroy", api_.primitive_destroy);
  need("dnnl_primitive_execute", api_.primitive_execute);
  library_.bind("omp_set_num_threads", api_.omp_set_num_threads);
  library_.bind("omp_get_max_threads", api_.omp_get_max_threads);
}

std::shared_ptr<const OneDnn> OneDnn::open() { return std::shared_ptr<const OneDnn>(new OneDnn(open_library())); }

void OneDnn::check(dnnl::Status status, const char* what) const {
  if (status == dnnl::kSuccess) return;
  throw InternalError(fmt::format("oneDNN {} refused {}: {}", version_, what, api_.status2str(status)));
}

OneDnnPtr<dnnl::MemoryDescObject> OneDnn::strided(std::initializer_list<std::int64_t> dims, dnnl::DataType type,
                                                  std::initializer_list<std::int64_t> strides) const {
  dnnl::MemoryDescObject* desc = nullptr;
  check(api_.memory_desc_create_with_strides(&desc, static_cast<int>(dims.size()), dims.begin(), type, strides.begin()),
        "a tensor");
  return {desc, api_.memory_desc_destroy};
}

OneDnnPtr<dnnl::MemoryDescObject> OneDnn::any_layout(std::initializer_list<std::int64_t> dims,
                                                     dnnl::DataType type) const {
  dnnl::MemoryDescObject* desc = nullptr;
  check(
      api_.memory_desc_create_with_tag(&desc, static_cast<int>(dims.size()), dims.begin(), type, dnnl::FormatTag::any),
      "a tensor");
  return {desc, api_.memory_desc_destroy};
}

OneDnnPtr<dnnl::MemoryObject> OneDnn::memory(const dnnl::MemoryDescObject* desc, void* data) const {
  dnnl::MemoryObject* memory = nullptr;
  check(api_.memory_create(&memory, desc, engine_.get(), data), "memory");
  return {memory, api_.memory_destroy};
}

OneDnnPtr<dnnl::StreamObject> OneDnn::stream() const {
  dnnl::StreamObject* stream = nullptr;
  check(api_.stream_create(&stream, engine_.get(), dnnl::kInOrder), "a stream");
  return {stream, api_.stream_destroy};
}

OneDnnOnThisThread::OneDnnOnThisThread(const dnnl::Api& api) : api_(api) {
  if (!api_.omp_set_num_threads) return;
  threads_ = api_.omp_get_max_threads();
  if (threads_ != 1) api_.omp_set_num_threads(1);
}

OneDnnOnThisThread::~OneDnnOnThisThread() {
  if (threads_ != 1) api_.omp_set_num_threads(threads_);
}

}  // namespace aitune::cpu
