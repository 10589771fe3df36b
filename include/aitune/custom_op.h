/* Custom operators: what a shared library of the user's exports so that aitune compiles and runs models with operators
 * of its own. Plain C, so that any compiler's library fits; version 1 of the interface.
 *
 * The library defines one function, aitune_custom_ops, which returns a table that stays as it is. The user names the
 * library when tuning and when running (docs/custom-operators.md); no file makes aitune load code by itself. The
 * library is never unloaded. Its functions may be called from many threads at once, and must not throw.
 *
 * Only this header is needed to build one: nothing is linked. */
#ifndef AITUNE_CUSTOM_OP_H
#define AITUNE_CUSTOM_OP_H

#include <stddef.h>
#include <stdint.h>

#include <aitune/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AITUNE_CUSTOM_OPS_VERSION 1

typedef enum aitune_arg_kind {
  AITUNE_ARG_NONE = 0,
  AITUNE_ARG_TENSOR = 1,
  AITUNE_ARG_INTEGER = 2, /* and memory formats */
  AITUNE_ARG_NUMBER = 3,  /* a float; a Scalar may also be an integer or a bool */
  AITUNE_ARG_BOOLEAN = 4, /* in `integer`: 0 or 1 */
  AITUNE_ARG_STRING = 5,  /* and devices */
  AITUNE_ARG_DTYPE = 6,   /* in `integer`: an aitune_dtype */
  AITUNE_ARG_LIST = 7
} aitune_arg_kind;

/* --- running --- */

/* One argument, in the order of the schema, with its default where the model gives none. */
typedef struct aitune_op_arg {
  aitune_arg_kind kind;
  size_t count; /* elements of a list */
  union {
    const aitune_tensor* tensor; /* contiguous; strides is NULL */
    int64_t integer;
    double number;
    const char* string;
    const struct aitune_op_arg* list;
  } as;
} aitune_op_arg;

/* One call: all pointers live as long as it. */
typedef struct aitune_op_call {
  const aitune_op_arg* args;
  size_t arg_count;
  const aitune_tensor* outputs; /* contiguous, of the dtypes and shapes that the shape function gave; to be filled */
  size_t output_count;
  char* message; /* where to write why it failed, of message_size bytes */
  size_t message_size;
} aitune_op_call;

/* --- shapes --- */

/* A size of a tensor while a model is compiled: a number, or a formula of the model's dynamic dimensions. A handle that
 * is valid during the call; made and combined by the functions below. */
typedef int64_t aitune_size;

typedef struct aitune_type {
  aitune_dtype dtype;
  int32_t rank;
  const aitune_size* sizes;
} aitune_type;

typedef struct aitune_shape_arg {
  aitune_arg_kind kind;
  size_t count;
  union {
    const aitune_type* tensor;
    aitune_size size; /* AITUNE_ARG_INTEGER */
    int64_t integer;  /* AITUNE_ARG_BOOLEAN, AITUNE_ARG_DTYPE */
    double number;
    const char* string;
    const struct aitune_shape_arg* list;
  } as;
} aitune_shape_arg;

typedef struct aitune_shape_call aitune_shape_call;
struct aitune_shape_call {
  size_t struct_size;
  const aitune_shape_arg* args;
  size_t arg_count;
  /* Arithmetic on sizes. */
  aitune_size (*constant)(aitune_shape_call*, int64_t value);
  aitune_size (*add)(aitune_shape_call*, aitune_size, aitune_size);
  aitune_size (*subtract)(aitune_shape_call*, aitune_size, aitune_size);
  aitune_size (*multiply)(aitune_shape_call*, aitune_size, aitune_size);
  aitune_size (*floor_divide)(aitune_shape_call*, aitune_size, aitune_size);
  /* 1 if the size is a number, and then what it is; 0 if it depends on dynamic dimensions. */
  int (*value)(aitune_shape_call*, aitune_size, int64_t* value);
  /* The model is refused where the two certainly differ; where they may, the runtime checks them for every input. */
  void (*require_equal)(aitune_shape_call*, aitune_size, aitune_size);
  /* Appends a result. Tensors that the schema returns are added in its order. */
  void (*add_output)(aitune_shape_call*, aitune_dtype, int32_t rank, const aitune_size* sizes);
  char* message; /* where to write why it failed, of message_size bytes */
  size_t message_size;
  void* host; /* aitune's own */
  /* A size as text, "2*s0 + 1": returns its length, and writes at most
   * text_size bytes of it, zero-terminated. And a size from such text: +, -, *, //, Mod(a, b), Min(a, b), Max(a, b). */
  size_t (*print)(aitune_shape_call*, aitune_size, char* text, size_t text_size);
  aitune_size (*parse)(aitune_shape_call*, const char* text);
};

/* --- registration --- */

typedef struct aitune_custom_op {
  const char* name;   /* "mylib.myop.default"; "mylib::myop" is taken as well */
  const char* schema; /* "myop(Tensor x, float alpha=1.0) -> Tensor", as PyTorch prints it, without the namespace */
  /* The types of the results. AITUNE_OK, or what is wrong with the call. */
  aitune_status (*infer)(aitune_shape_call* call, void* user);
  /* Fills the outputs; reads the arguments and keeps no pointer. */
  aitune_status (*run)(const aitune_op_call* call, void* user);
  void* user; /* handed to both */
} aitune_custom_op;

typedef struct aitune_custom_op_table {
  uint32_t version;     /* AITUNE_CUSTOM_OPS_VERSION */
  uint32_t struct_size; /* sizeof(aitune_custom_op): later versions may append to it */
  const aitune_custom_op* ops;
  size_t count;
} aitune_custom_op_table;

/* What the library exports. It is called once. */
AITUNE_API const aitune_custom_op_table* aitune_custom_ops(void);

#ifdef __cplusplus
}
#endif

#endif
