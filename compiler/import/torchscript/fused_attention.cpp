// The fused operators behind nn.MultiheadAttention and nn.TransformerEncoderLayer
// (compiler/import/dynamo/fused_attention.h) as calls of TorchScript.

#include "compiler/import/dynamo/fused_attention.h"

#include "compiler/import/torchscript/composites.h"
#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

using dynamo::FusedAttention;

Val as_val(const Arg& arg) {
  if (const auto* value = std::get_if<Value*>(&arg)) return *value;
  if (const auto* size = std::get_if<SymInt>(&arg)) return *size;
  if (const auto* number = std::get_if<double>(&arg)) return *number;
  if (!arg.is_list()) return None{};
  Vals items;
  for (const Arg& item : arg.list()) items.push_back(as_val(item));
  return make_list(std::move(items));
}

/// Appends by the operator's name alone: which overload, the evaluator finds.
dynamo::EmitOperator emit_with(Evaluator& evaluator) {
  return [&evaluator](std::string_view op, const ArgList& args) {
    op.remove_prefix(op.find('.') + 1);
    Vals values;
    for (const Arg& arg : args) values.push_back(as_val(arg));
    return evaluator.tensor(call_operator(evaluator, op.substr(0, op.find('.')), values, {}));
  };
}

/// Arguments of both operators, which have those of an attention side by side. Nothing where they are of other kinds.
struct Given {
  Evaluator& evaluator;
  const Vals& args;
  Value* tensor(std::size_t i) const {
    return i < args.size() && !args[i].is_none() ? evaluator.tensor(args[i]) : nullptr;
  }
  bool flag(std::size_t i, bool otherwise) const {
    const bool* value = i < args.size() ? args[i].get<bool>() : nullptr;
    return value == nullptr ? otherwise : *value;
  }
  std::optional<dynamo::MaskType> mask_type(std::size_t i) const {
    if (i >= args.size() || args[i].is_none()) return dynamo::MaskType::pairs;
    const auto number = args[i].integer();
    return number ? dynamo::mask_type_of(SymInt(*number)) : std::nullopt;
  }
  /// Width and heads stand at `sizes`, four weights at `weights`, the mask and its type at `mask` and `type`.
  std::optional<FusedAttention> attention(std::size_t sizes, std::size_t weights, std::size_t mask,
                                          std::size_t type) const {
    const auto width = args[sizes].integer(), heads = args[sizes + 1].integer();
    const auto kind = mask_type(type);
    if (!width || !heads || !kind || !args[0].is_tensor()) return std::nullopt;
    FusedAttention a;
    a.query = tensor(0);
    a.width = *width;
    a.heads = *heads;
    a.in_weight = tensor(weights);
    a.in_bias = tensor(weights + 1);
    a.out_weight = tensor(weights + 2);
    a.out_bias = tensor(weights + 3);
    a.mask = tensor(mask);
    a.mask_type = *kind;
    return a;
  }
};

}  // namespace

std::optional<Val> fused_attention(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (args.size() < 9) return std::nullopt;
  const Given given{evaluator, args};
  auto a = given.attention(3, 5, 9, 12);
  if (!a) return std::nullopt;
  a->key = identical(args[1], args[0]) ? a->query : given.tensor(1);
  a->value = identical(args[2], args[1]) ? a->key : given.tensor(2);
  a->weights = given.flag(10, true);
  a->averaged = given.flag(11, true);
  const auto attended = attend(emit_with(evaluator), *a);
  if (!attended) return std::nullopt;
  return make_tuple({attended->result, attended->weights == nullptr ? Val(None{}) : Val(attended->weights)});
}

std::optional<Val> fused_encoder_layer(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (args.size() < 18 || args[7].get<bool>() == nullptr || args[8].get<bool>() == nullptr) return std::nullopt;
  const Given given{evaluator, args};
  const double* eps = args[9].get<double>();
  const auto a = given.attention(1, 3, 18, 19);
  if (!a || eps == nullptr) return std::nullopt;
  dynamo::FusedEncoderLayer layer{*a, given.flag(7, false), given.flag(8, false), *eps};
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t part = 0; part < 2; ++part) {
      layer.norms[i][part] = given.tensor(10 + 2 * i + part);
      layer.linears[i][part] = given.tensor(14 + 2 * i + part);
    }
  Value* result = encoder_layer(emit_with(evaluator), layer);
  return result == nullptr ? std::nullopt : std::optional(Val(result));
}

}  // namespace aitune::torchscript
