/* Runs a tuned model from plain C, linked against libaitune_runtime alone:  embed_c MODEL.ait [RUNS]
 * Inputs are zeros of the smallest allowed sizes; the first values of every output are printed. */
#include <aitune/runtime.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { kMaxRank = 64, kMaxTensors = 64 };

static size_t element_size(aitune_dtype dtype) {
  static const size_t sizes[] = {1, 1, 2, 4, 8, 2, 4, 8, 8, 16, 1, 2};
  return sizes[dtype];
}

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, aitune_last_error());
  exit(1);
}

/* Zeroed memory for a tensor of this shape. */
static void allocate(aitune_tensor* tensor, aitune_dtype dtype, int32_t rank, const int64_t* shape) {
  size_t count = 1;
  for (int32_t d = 0; d < rank; ++d) count *= (size_t)shape[d];
  tensor->dtype = dtype;
  tensor->rank = rank;
  tensor->shape = shape;
  tensor->strides = NULL;
  tensor->data = calloc(count + 1, element_size(dtype));
}

static void print_output(const aitune_tensor_info* info, const aitune_tensor* tensor) {
  size_t count = 1;
  printf("%s [", info->name);
  for (int32_t d = 0; d < tensor->rank; ++d) {
    count *= (size_t)tensor->shape[d];
    printf("%s%" PRId64, d ? "," : "", tensor->shape[d]);
  }
  printf("]");
  if (tensor->dtype == AITUNE_F32) {
    for (size_t i = 0; i < count && i < 4; ++i) printf(" %g", ((const float*)tensor->data)[i]);
  }
  printf("\n");
}

int main(int argc, char** argv) {
  static aitune_tensor inputs[kMaxTensors], outputs[kMaxTensors];
  static int64_t output_shapes[kMaxTensors][kMaxRank];
  if (argc < 2) {
    fprintf(stderr, "usage: embed_c MODEL.ait [RUNS]\n");
    return 2;
  }
  aitune_module* model;
  if (aitune_load(argv[1], NULL, &model) != AITUNE_OK) fail("load");
  const size_t input_count = aitune_input_count(model), output_count = aitune_output_count(model);
  if (input_count > kMaxTensors || output_count > kMaxTensors) return 2;

  aitune_tensor_info info;
  for (size_t i = 0; i < input_count; ++i) {
    if (aitune_input_info(model, i, &info) != AITUNE_OK) fail("input");
    allocate(&inputs[i], info.dtype, info.rank, info.min_shape);
  }
  for (size_t i = 0; i < output_count; ++i) {
    if (aitune_output_info(model, i, &info) != AITUNE_OK) fail("output");
    if (aitune_output_shape(model, inputs, input_count, i, output_shapes[i]) != AITUNE_OK) fail("shape");
    allocate(&outputs[i], info.dtype, info.rank, output_shapes[i]);
  }
  const int runs = argc > 2 ? atoi(argv[2]) : 1;
  for (int run = 0; run < runs; ++run) {
    if (aitune_run(model, inputs, input_count, outputs, output_count) != AITUNE_OK) fail("run");
  }
  for (size_t i = 0; i < output_count; ++i) {
    if (aitune_output_info(model, i, &info) == AITUNE_OK) print_output(&info, &outputs[i]);
    free(outputs[i].data);
  }
  for (size_t i = 0; i < input_count; ++i) free(inputs[i].data);
  aitune_free(model);
  return 0;
}
