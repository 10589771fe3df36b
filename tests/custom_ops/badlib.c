/* A library whose table cannot be used: an operator of a name that exists. */
#include <aitune/custom_op.h>

static aitune_status infer(aitune_shape_call* call, void* user) {
  (void)call, (void)user;
  return AITUNE_OK;
}
static aitune_status run(const aitune_op_call* call, void* user) {
  (void)call, (void)user;
  return AITUNE_OK;
}

const aitune_custom_op_table* aitune_custom_ops(void) {
  static const aitune_custom_op op = {"aten.add.Tensor", "add(Tensor x) -> Tensor", infer, run, NULL};
  static const aitune_custom_op_table table = {AITUNE_CUSTOM_OPS_VERSION, sizeof(aitune_custom_op), &op, 1};
  return &table;
}
