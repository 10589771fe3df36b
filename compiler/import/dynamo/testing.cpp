#include "compiler/import/dynamo/testing.h"

#include "base/error.h"

namespace aitune::dynamo {

std::string small_program() {
  return R"json({
  "graph_module": {
    "graph": {
      "inputs": [{"as_tensor": {"name": "w"}}, {"as_tensor": {"name": "x"}}],
      "outputs": [{"as_tensor": {"name": "view"}}],
      "nodes": [
        {"target": "torch.ops.aten.add.Tensor",
         "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1},
                    {"name": "other", "arg": {"as_tensor": {"name": "w"}}, "kind": 1}],
         "outputs": [{"as_tensor": {"name": "add"}}],
         "metadata": {
           "stack_trace": "  File \"model.py\", line 7, in forward\n    return f(x) + w\n  File \"/site-packages/torch/nn/f.py\", line 1, in f\n    return y",
           "nn_module_stack": "L__self__,,M;L['self'].layer1[0],layer1.0,torch.nn.modules.Linear"}},
        {"target": "torch.ops.aten.sym_size.int",
         "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}}, {"name": "dim", "arg": {"as_int": 0}}],
         "outputs": [{"as_sym_int": {"as_name": "sym_size"}}], "metadata": {}},
        {"target": "_operator.mul",
         "inputs": [{"name": "a", "arg": {"as_sym_int": {"as_name": "sym_size"}}}, {"name": "b", "arg": {"as_int": 3}}],
         "outputs": [{"as_sym_int": {"as_name": "mul"}}], "metadata": {}},
        {"target": "_operator.ge",
         "inputs": [{"name": "a", "arg": {"as_sym_int": {"as_name": "mul"}}}, {"name": "b", "arg": {"as_int": 1}}],
         "outputs": [{"as_sym_bool": {"as_name": "ge"}}], "metadata": {}},
        {"target": "torch.ops.aten._assert_scalar.default",
         "inputs": [{"name": "self", "arg": {"as_sym_bool": {"as_name": "ge"}}},
                    {"name": "assert_msg", "arg": {"as_string": "too small"}}],
         "outputs": [], "metadata": {}},
        {"target": "torch.ops.aten.view.default",
         "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "add"}}},
                    {"name": "size", "arg": {"as_sym_ints": [{"as_name": "mul"}]}}],
         "outputs": [{"as_tensor": {"name": "view"}}], "metadata": {}}
      ],
      "tensor_values": {
        "x": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "Symbol('s0', positive=True, integer=True)",
                                                 "hint": {"as_int": 2}}}, {"as_int": 3}],
              "requires_grad": false, "device": {"type": "cpu", "index": null},
              "strides": [{"as_int": 3}, {"as_int": 1}], "storage_offset": {"as_int": 0}, "layout": 7},
        "w": {"dtype": 7, "sizes": [{"as_int": 3}], "requires_grad": false, "device": {"type": "cpu"},
              "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}, "layout": 7},
        "add": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 3}], "requires_grad": false,
                "device": {"type": "cpu"}, "strides": [{"as_int": 3}, {"as_int": 1}],
                "storage_offset": {"as_int": 0}, "layout": 7}
      },
      "sym_int_values": {
        "sym_size": {"as_expr": {"expr_str": "s0"}},
        "mul": {"as_expr": {"expr_str": "3*s0"}},
        "seven": {"as_int": 7}
      },
      "sym_bool_values": {},
      "is_single_tensor_return": false,
      "custom_obj_values": {}
    },
    "signature": {
      "input_specs": [
        {"buffer": {"arg": {"name": "w"}, "buffer_name": "scale", "persistent": true}},
        {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}
      ],
      "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "view"}}}}]
    },
    "module_call_graph": [
      {"fqn": "", "signature": {"inputs": [], "outputs": [], "in_spec": "[1, {}]", "out_spec": "[1, {}]"}}
    ],
    "metadata": {}
  },
  "opset_version": {"aten": 10},
  "range_constraints": {"s0": {"min_val": 1, "max_val": 16}, "3*s0": {"min_val": 3, "max_val": 48}},
  "schema_version": {"major": 8, "minor": 20},
  "torch_version": "2.15.0"
})json";
}

TensorLookup fake_tensors() {
  return [](std::string_view name, const TensorType& type) {
    constexpr std::int64_t kMaxElements = 1 << 20;
    if (name == "missing") return Tensor();
    Shape shape;
    std::int64_t count = 1;
    for (const SymInt& size : type.shape) {
      shape.push_back(size.as_constant().value_or(0));
      if (shape.back() > kMaxElements) return Tensor();
      count *= std::max<std::int64_t>(shape.back(), 1);
      if (count > kMaxElements) return Tensor();
    }
    return Tensor(type.dtype, shape);
  };
}

}  // namespace aitune::dynamo
