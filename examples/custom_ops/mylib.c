/* Two custom operators for aitune: a library that needs nothing but <aitune/custom_op.h>.
 *   cc -shared -fPIC -I<aitune>/include -o libmylib.so mylib.c -lm
 *   aitune tune model.pt2 --set custom_ops=./libmylib.so ... && aitune run model.ait --custom-ops ./libmylib.so ... */
#include <aitune/custom_op.h>
#include <math.h>
#include <stdio.h>

static aitune_status fail(char* message, size_t size, const char* why) {
  snprintf(message, size, "%s", why);
  return AITUNE_INVALID_ARGUMENT;
}

static int64_t count(const aitune_tensor* t) {
  int64_t n = 1;
  for (int32_t d = 0; d < t->rank; ++d) n *= t->shape[d];
  return n;
}

/* mylib::scaled_tanh(Tensor x, float scale=1.0) -> Tensor: scale * tanh(x), of the same type. */
static aitune_status infer_scaled_tanh(aitune_shape_call* call, void* user) {
  (void)user;
  const aitune_type* x = call->args[0].as.tensor;
  if (x->dtype != AITUNE_F32) return fail(call->message, call->message_size, "x must be f32");
  call->add_output(call, x->dtype, x->rank, x->sizes);
  return AITUNE_OK;
}

static aitune_status run_scaled_tanh(const aitune_op_call* call, void* user) {
  (void)user;
  const aitune_op_arg* scale = &call->args[1];
  const float factor = scale->kind == AITUNE_ARG_INTEGER ? (float)scale->as.integer : (float)scale->as.number;
  const float* x = call->args[0].as.tensor->data;
  float* y = call->outputs[0].data;
  for (int64_t i = 0, n = count(&call->outputs[0]); i < n; ++i) y[i] = factor * tanhf(x[i]);
  return AITUNE_OK;
}

/* mylib::fold(Tensor x) -> (Tensor, Tensor): sums and differences of neighbours along the last dimension, which halves.
 */
static aitune_status infer_fold(aitune_shape_call* call, void* user) {
  (void)user;
  const aitune_type* x = call->args[0].as.tensor;
  if (x->dtype != AITUNE_F32 || x->rank < 1 || x->rank > 8)
    return fail(call->message, call->message_size, "x must be f32 of 1 to 8 dimensions");
  aitune_size sizes[8];
  for (int32_t d = 0; d < x->rank; ++d) sizes[d] = x->sizes[d];
  const aitune_size two = call->constant(call, 2), half = call->floor_divide(call, sizes[x->rank - 1], two);
  call->require_equal(call, call->multiply(call, half, two), sizes[x->rank - 1]);
  sizes[x->rank - 1] = half;
  call->add_output(call, x->dtype, x->rank, sizes);
  call->add_output(call, x->dtype, x->rank, sizes);
  return AITUNE_OK;
}

static aitune_status run_fold(const aitune_op_call* call, void* user) {
  (void)user;
  const float* x = call->args[0].as.tensor->data;
  float *sum = call->outputs[0].data, *difference = call->outputs[1].data;
  if (count(call->args[0].as.tensor) != 2 * count(&call->outputs[0]))
    return fail(call->message, call->message_size, "the last dimension is odd");
  for (int64_t i = 0, n = count(&call->outputs[0]); i < n; ++i) {
    sum[i] = x[2 * i] + x[2 * i + 1];
    difference[i] = x[2 * i] - x[2 * i + 1];
  }
  return AITUNE_OK;
}

static const aitune_custom_op ops[] = {
    {"mylib.scaled_tanh.default", "scaled_tanh(Tensor x, float scale=1.0) -> Tensor", infer_scaled_tanh,
     run_scaled_tanh, NULL},
    {"mylib::fold", "fold(Tensor x) -> (Tensor, Tensor)", infer_fold, run_fold, NULL},
};

const aitune_custom_op_table* aitune_custom_ops(void) {
  static const aitune_custom_op_table table = {AITUNE_CUSTOM_OPS_VERSION, sizeof(aitune_custom_op), ops,
                                               sizeof ops / sizeof *ops};
  return &table;
}
