// What asks about the state of PyTorch itself, or changes it: nothing of that is left in a compiled model.

#include "compiler/import/torchscript/builtins.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;

Result nothing(Call&) { return Val(None{}); }
Result no(Call&) { return false; }
Result yes(Call&) { return true; }
Result argument(Call& call) { return call[0]; }

// The type that autocast computes in on a device.
Result autocast_type(Call& call) {
  const auto* device = call.size() == 0 ? nullptr : call[0].get<std::string>();
  return SymInt(scalar_type_of(device == nullptr || *device == "cpu" ? DType::bf16 : DType::f16));
}

Result opaque_weight(Call& call) {
  call.evaluator.unsupported(
      "the file holds no weights: torch.jit.optimize_for_inference has put them into oneDNN's own form, which "
      "torch.jit.save leaves out",
      "save the model as it is before that; torch.jit.freeze may be used");
}

}  // namespace

void add_modes(BuiltinTable& table) {
  table.add({"warn", "print", "Print", "set_grad_enabled", "_set_grad_enabled", "profile_record", "manual_seed"},
            nothing);
  // Nested tensors leave padding out of the computation: what is computed for the rest is the same.
  table.add({"_nested_tensor_from_mask_left_aligned"}, no);
  table.add({"is_autocast_enabled", "is_autocast_cpu_enabled", "_is_tracing", "is_tracing"}, no);
  table.add({"get_autocast_dtype", "get_autocast_cpu_dtype"}, autocast_type);
  // As if gradients were wanted: what asks has a fused path for inference that says the same as plain operators.
  table.add({"is_scripting", "is_grad_enabled"}, yes);
  // A name for the profiler: what it gives is not None, and is given back at the end.
  table.add({"_record_function_enter_new", "_record_function_enter"}, yes);
  table.add({"_record_function_exit"}, nothing);
  // What is forked has run.
  table.add({"wait", "_call_end_callbacks_on_jit_fut"}, argument);
  // Tensors of oneDNN are like others.
  table.add({"to_mkldnn", "to_dense"}, argument);
  table.add({"ConstantMKLDNNTensor"}, opaque_weight);
}

}  // namespace aitune::torchscript
