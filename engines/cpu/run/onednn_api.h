#pragma once
// The few declarations of oneDNN's C interface, version 3, that we call: oneAPI specification, "oneDNN", C API.
// Numbers and signatures are that interface's; none of its headers is needed.

#include <array>
#include <cstddef>
#include <cstdint>

namespace aitune::cpu::dnnl {

struct MemoryDescObject;
struct MemoryObject;
struct EngineObject;
struct StreamObject;
struct PrimitiveDescObject;
struct PrimitiveObject;
struct AttrObject;
struct PostOpsObject;

using Status = int;  // 0: success
inline constexpr Status kSuccess = 0, kOutOfMemory = 1, kUnimplemented = 3;
using Dims = std::array<std::int64_t, 12>;  // dnnl_dims_t
static_assert(sizeof(Dims) == 12 * sizeof(std::int64_t));

enum class DataType : int { bf16 = 2, f32 = 3 };
enum class FormatTag : int { any = 1 };
enum class FormatKind : int { blocked = 2 };
enum class Algorithm : int {
  convolution_direct = 0x1,
  eltwise_relu = 0x20,
  eltwise_gelu_tanh = 0x2b,
  eltwise_swish = 0x2c,
  eltwise_gelu_erf = 0x31,
  eltwise_hardswish = 0x34,
  binary_add = 0x1fff0,
};
enum class Query : int {
  impl_info_str = 8,
  weights_md = 131,
  scratchpad_md = 136,
  ndims = 256,
  dims = 257,
  data_type = 258,
  padded_dims = 260,
  format_kind = 262,
  inner_nblks = 263,
  inner_blks = 264,
  inner_idxs = 265,
  strides = 14,
};
inline constexpr int kForwardInference = 96, kCpu = 1, kInOrder = 1, kScratchpadOfUser = 1;
inline constexpr int kArgSrc = 1, kArgSrc1 = 2, kArgDst = 17, kArgWeights = 33, kArgBias = 41, kArgScratchpad = 80;
inline constexpr int kArgPostOp = 32768;  // times the operation's number, from one
/// What oneDNN was built to run its own threads with.
enum class Threading : unsigned { sequential = 1, omp = 2, tbb = 4, threadpool = 8 };

struct Version {
  int major, minor, patch;
  const char* hash;
  unsigned cpu_runtime, gpu_runtime;
};
struct ExecArg {
  int arg;
  MemoryObject* memory;
};

/// The functions, by their names without "dnnl_".
struct Api {
  const Version* (*version)() = nullptr;
  const char* (*status2str)(Status) = nullptr;
  Status (*engine_create)(EngineObject**, int kind, std::size_t index) = nullptr;
  Status (*engine_destroy)(EngineObject*) = nullptr;
  Status (*stream_create)(StreamObject**, EngineObject*, unsigned flags) = nullptr;
  Status (*stream_destroy)(StreamObject*) = nullptr;
  Status (*stream_wait)(StreamObject*) = nullptr;
  Status (*memory_desc_create_with_strides)(MemoryDescObject**, int ndims, const std::int64_t* dims, DataType,
                                            const std::int64_t* strides) = nullptr;
  Status (*memory_desc_create_with_tag)(MemoryDescObject**, int ndims, const std::int64_t* dims, DataType,
                                        FormatTag) = nullptr;
  Status (*memory_desc_clone)(MemoryDescObject**, const MemoryDescObject*) = nullptr;
  Status (*memory_desc_destroy)(MemoryDescObject*) = nullptr;
  Status (*memory_desc_query)(const MemoryDescObject*, Query, void* result) = nullptr;
  std::size_t (*memory_desc_get_size)(const MemoryDescObject*) = nullptr;
  Status (*memory_create)(MemoryObject**, const MemoryDescObject*, EngineObject*, void* handle) = nullptr;
  Status (*memory_destroy)(MemoryObject*) = nullptr;
  Status (*memory_set_data_handle)(MemoryObject*, void* handle) = nullptr;
  Status (*post_ops_create)(PostOpsObject**) = nullptr;
  Status (*post_ops_destroy)(PostOpsObject*) = nullptr;
  Status (*post_ops_append_eltwise)(PostOpsObject*, Algorithm, float alpha, float beta) = nullptr;
  Status (*post_ops_append_binary)(PostOpsObject*, Algorithm, const MemoryDescObject*) = nullptr;
  Status (*primitive_attr_create)(AttrObject**) = nullptr;
  Status (*primitive_attr_destroy)(AttrObject*) = nullptr;
  Status (*primitive_attr_set_scratchpad_mode)(AttrObject*, int mode) = nullptr;
  Status (*primitive_attr_set_post_ops)(AttrObject*, const PostOpsObject*) = nullptr;
  Status (*matmul_primitive_desc_create)(PrimitiveDescObject**, EngineObject*, const MemoryDescObject* src,
                                         const MemoryDescObject* weights, const MemoryDescObject* bias,
                                         const MemoryDescObject* dst, const AttrObject*) = nullptr;
  Status (*convolution_forward_primitive_desc_create)(PrimitiveDescObject**, EngineObject*, int prop_kind, Algorithm,
                                                      const MemoryDescObject* src, const MemoryDescObject* weights,
                                                      const MemoryDescObject* bias, const MemoryDescObject* dst,
                                                      const std::int64_t* strides, const std::int64_t* dilates,
                                                      const std::int64_t* padding_l, const std::int64_t* padding_r,
                                                      const AttrObject*) = nullptr;
  Status (*reorder_primitive_desc_create)(PrimitiveDescObject**, const MemoryDescObject* src, EngineObject* src_engine,
                                          const MemoryDescObject* dst, EngineObject* dst_engine,
                                          const AttrObject*) = nullptr;
  Status (*primitive_desc_destroy)(PrimitiveDescObject*) = nullptr;
  Status (*primitive_desc_query)(const PrimitiveDescObject*, Query, int index, void* result) = nullptr;
  const MemoryDescObject* (*primitive_desc_query_md)(const PrimitiveDescObject*, Query, int index) = nullptr;
  Status (*primitive_create)(PrimitiveObject**, const PrimitiveDescObject*) = nullptr;
  Status (*primitive_destroy)(PrimitiveObject*) = nullptr;
  Status (*primitive_execute)(const PrimitiveObject*, StreamObject*, int nargs, const ExecArg* args) = nullptr;
  // Of the OpenMP runtime that oneDNN brings along; null where it has none.
  void (*omp_set_num_threads)(int) = nullptr;
  int (*omp_get_max_threads)() = nullptr;
};

}  // namespace aitune::cpu::dnnl
