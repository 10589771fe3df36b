/* The plain C interface of libaitune_runtime: open a tuned model (.ait) and run it.
 *
 *   aitune_module* model;
 *   if (aitune_load("model.ait", NULL, &model) != AITUNE_OK) fail(aitune_last_error());
 *   int64_t shape[] = {1, 4};
 *   aitune_tensor in = {AITUNE_F32, 2, shape, NULL, x}, out = {AITUNE_F32, 2, shape, NULL, y};
 *   if (aitune_run(model, &in, 1, &out, 1) != AITUNE_OK) fail(aitune_last_error());
 *   aitune_free(model);
 *
 * Every function may be called from any thread, and many threads may use one module at once; only aitune_free needs the
 * module to be idle. Nothing is thrown, nothing is printed. The numbers in here never change their meaning. */
#ifndef AITUNE_RUNTIME_H
#define AITUNE_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define AITUNE_API __attribute__((visibility("default")))
#else
#define AITUNE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum aitune_status {
  AITUNE_OK = 0,
  AITUNE_INVALID_ARGUMENT = 1, /* the caller gave something wrong: a name, shape, dtype, null */
  AITUNE_NOT_FOUND = 2,        /* a file, entry or module that does not exist */
  AITUNE_CORRUPT = 3,          /* bytes that do not hold what their format promises */
  AITUNE_UNSUPPORTED = 4,      /* well-formed, but beyond what this version can do */
  AITUNE_INCOMPATIBLE = 5,     /* made for another machine, or for a newer format */
  AITUNE_UNAVAILABLE = 6,      /* a library or device that is missing here */
  AITUNE_IO = 7,               /* the operating system refused: permission, memory */
  AITUNE_VALIDATION = 8,       /* results are wrong */
  AITUNE_INTERNAL = 9          /* a bug of aitune */
} aitune_status;

typedef enum aitune_dtype {
  AITUNE_U8 = 0,
  AITUNE_I8 = 1,
  AITUNE_I16 = 2,
  AITUNE_I32 = 3,
  AITUNE_I64 = 4,
  AITUNE_F16 = 5,
  AITUNE_F32 = 6,
  AITUNE_F64 = 7,
  AITUNE_C64 = 8,
  AITUNE_C128 = 9,
  AITUNE_BOOL = 10,
  AITUNE_BF16 = 11
} aitune_dtype;

/* A loaded model. */
typedef struct aitune_module aitune_module;

/* A tensor in the caller's memory, read or written during a call and never kept. */
typedef struct aitune_tensor {
  aitune_dtype dtype;
  int32_t rank;
  const int64_t* shape;   /* `rank` sizes; may be NULL if rank is 0 */
  const int64_t* strides; /* in elements; NULL: contiguous, row-major. Outputs must be contiguous. */
  void* data;             /* inputs are not written to; may be NULL if there are no elements */
} aitune_tensor;

/* What an input or output looks like. Pointers live as long as the module. */
typedef struct aitune_tensor_info {
  const char* name;
  aitune_dtype dtype;
  int32_t rank;
  const int64_t* min_shape; /* smallest and largest size of each dimension; equal where it is fixed */
  const int64_t* max_shape; /* INT64_MAX: no limit */
} aitune_tensor_info;

/* An input that the model writes to: an argument of its forward(), or state that it keeps in a buffer. A module keeps
 * nothing between runs: the caller gives what that output held as this input of the next run. */
typedef struct aitune_state_info {
  int32_t is_written;      /* 0: the model leaves this input alone, and the rest is 0, too */
  size_t output;           /* the output that holds it afterwards */
  const char* buffer;      /* its name in the model, "cache.keys"; NULL: an argument of forward() */
  const void* first_value; /* what a buffer holds before the first run, contiguous; NULL: an argument of forward() */
  size_t bytes;            /* of the first value */
} aitune_state_info;

/* Zero-initialise, set struct_size = sizeof(aitune_load_options), then what differs from the defaults. */
typedef struct aitune_load_options {
  size_t struct_size;
  int32_t num_threads;    /* 0: as tuned; at most 1024 */
  int32_t skip_checksums; /* not 0: trust the file system. The plan is verified all the same. */
  const char* module;     /* which module of the file, by name or number ("0"); NULL: the first */
  const char* precision;  /* "fp32", "bf16" or "int8"; NULL: what tuning preferred */
  /* Bytes of the weights that may be in memory at a time; the others stay in the file and are read when they are
   * wanted. 0: no limit, or, for a file that was tuned with enable_weight_streaming, what two steps in a row need.
   * Models in memory (aitune_load_from_memory) take no limit. */
  uint64_t weight_budget;
} aitune_load_options;

/* "0.1.0" */
AITUNE_API const char* aitune_version(void);

/* The message of this thread's latest call that did not return AITUNE_OK: what, where, what to do. Never NULL. It stays
 * until this thread's next such call. */
AITUNE_API const char* aitune_last_error(void);

/* Loads a library of custom operators (<aitune/custom_op.h>) into the process, for all modules loaded afterwards. No
 * file makes this happen by itself: a model that needs a library which was not named here is refused. Loading a library
 * twice is fine. A path without a slash is taken in the working folder. */
AITUNE_API aitune_status aitune_load_custom_ops(const char* path);

/* Opens the file at `path`, checks what it will use of it and picks the plan that fits this machine. The file is
 * mapped: it must not be written to while the module lives (replacing it by renaming is fine). `options` may be NULL.
 * On success *module must be freed; otherwise it is NULL. */
AITUNE_API aitune_status aitune_load(const char* path, const aitune_load_options* options, aitune_module** module);

/* The same from an .ait in memory, which must outlive the module. Memory aligned to 64 bytes is used in place. */
AITUNE_API aitune_status aitune_load_from_memory(const void* data, size_t size, const aitune_load_options* options,
                                                 aitune_module** module);

/* NULL is fine. */
AITUNE_API void aitune_free(aitune_module* module);

AITUNE_API size_t aitune_input_count(const aitune_module* module);
AITUNE_API size_t aitune_output_count(const aitune_module* module);
AITUNE_API aitune_status aitune_input_info(const aitune_module* module, size_t index, aitune_tensor_info* info);
AITUNE_API aitune_status aitune_output_info(const aitune_module* module, size_t index, aitune_tensor_info* info);

/* Pointers live as long as the module. */
AITUNE_API aitune_status aitune_input_state(const aitune_module* module, size_t index, aitune_state_info* state);

/* The shape of output `index` for inputs of these shapes (their data is not looked at): writes as many sizes to `shape`
 * as the output's rank, which aitune_output_info gives; may be NULL if that is 0. Where data decide a size it is the
 * largest possible. */
AITUNE_API aitune_status aitune_output_shape(const aitune_module* module, const aitune_tensor* inputs,
                                             size_t input_count, size_t index, int64_t* shape);

/* Runs the model: reads the inputs, in order, and writes the outputs, in order, into memory that the caller brought and
 * that overlaps neither an input nor another output. Allocates nothing once these shapes have been seen. After an error
 * the outputs' contents are unspecified. */
AITUNE_API aitune_status aitune_run(const aitune_module* module, const aitune_tensor* inputs, size_t input_count,
                                    const aitune_tensor* outputs, size_t output_count);

/* The same for models with outputs whose size data decide, such as the boxes that were found; aitune_run refuses those.
 * Each output comes with memory for the shape that aitune_output_shape gives. The shape that it really has is written
 * to shapes[i], as many sizes as its rank (shapes[i] may be NULL); the elements stand row-major in that shape at the
 * beginning of the memory. */
AITUNE_API aitune_status aitune_run_shapes(const aitune_module* module, const aitune_tensor* inputs, size_t input_count,
                                           const aitune_tensor* outputs, size_t output_count, int64_t* const* shapes);

/* Compares everything in the file with the checksums in it, reading all of it. */
AITUNE_API aitune_status aitune_verify_file(const char* path);

#ifdef __cplusplus
}
#endif

#endif
