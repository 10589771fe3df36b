#include "compiler/import/dynamo/alternatives.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

using Rename = std::pair<std::string_view, std::string_view>;
using Table = AlternativeTable;
using Convert = Table::mapped_type;

/// The same arguments under other names; those that only say where a result lies are left out.
Convert renamed(std::string_view op, std::vector<Rename> renames = {}) {
  return [op, renames = std::move(renames)](const NamedArgs& args, Graph&) {
    Alternative call{op, {}};
    for (const auto& [name, arg] : args) {
      if (name == "device" || name == "requires_grad" || name == "non_blocking" || name == "return_debug_mask" ||
          name == "compute_log_sumexp")
        continue;
      const auto it = std::ranges::find(renames, name, &Rename::first);
      call.args.emplace_back(it == renames.end() ? name : std::string(it->second), arg);
    }
    return call;
  };
}

/// Integers are divided as in C.
Alternative quotient(const NamedArgs& args, Graph&) {
  const Arg a = take(args, "self"), b = take(args, "other");
  const bool whole = a.is_value() && is_integral(a.value()->type.dtype);
  if (whole) return {"aten.div.Tensor_mode", {{"self", a}, {"other", b}, {"rounding_mode", std::string("trunc")}}};
  return {"aten.div.Tensor", {{"self", a}, {"other", b}}};
}

/// A list without dimensions reduces nothing here, and everything there.
Convert reduced(std::string_view op, bool has_dtype) {
  return [op, has_dtype](const NamedArgs& args, Graph& graph) -> Alternative {
    Value* x = tensor(args, "inp");
    const Arg dims = take(args, "dims"), dtype = take(args, "output_dtype");
    if (dims.is_list() && dims.list().empty()) return {"aten.clone.default", {{"self", x}}};
    if (!has_dtype && !dtype.is_none())
      x = graph.add_node_inferred(*find_op("aten.to.dtype"), {x, dtype, false, false, None{}})->output();
    NamedArgs call = {{"self", x}, {"dim", dims}};
    if (dims.is_none()) {
      ArgList all;
      for (std::size_t d = 0; d < x->type.shape.size(); ++d) all.emplace_back(SymInt(static_cast<std::int64_t>(d)));
      call[1].second = all;
    }
    if (has_dtype) call.emplace_back("dtype", dtype);
    if (const Arg correction = take(args, "correction"); !correction.is_none())
      call.emplace_back("correction", correction);
    return {op, std::move(call)};
  };
}

Alternative broadcast_in_dim(const NamedArgs& args, Graph& graph) {
  Value* x = tensor(args, "a");
  const SymShape shape = take(args, "shape").sym_list();
  const auto places = take(args, "broadcast_dimensions").int_list();
  if (places.size() != x->type.shape.size())
    throw InvalidArgument("broadcast_dimensions does not name every dimension");
  SymShape spread(shape.size(), SymInt(1));
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i] < 0 || places[i] >= static_cast<std::int64_t>(shape.size()) || (i > 0 && places[i] <= places[i - 1]))
      throw InvalidArgument("broadcast_dimensions is out of order or out of range");
    spread[static_cast<std::size_t>(places[i])] = x->type.shape[i];
  }
  const auto list = [](const SymShape& sizes) { return ArgList(sizes.begin(), sizes.end()); };
  const Node* view = graph.add_node_inferred(*find_op("aten.view.default"), {x, list(spread)});
  return {"aten.expand.default", {{"self", view->output()}, {"size", list(shape)}}};
}

Alternative iota(const NamedArgs& args, Graph&) {
  const SymInt start = take(args, "start").sym(), step = take(args, "step").sym();
  return {"aten.arange.start_step",
          {{"start", start},
           {"end", start + take(args, "length").sym() * step},
           {"step", step},
           {"dtype", take(args, "dtype")}}};
}

/// One dimension after another, from the last; the dtype stays if no other is named.
Alternative product(const NamedArgs& args, Graph& graph) {
  Value* x = tensor(args, "inp");
  const auto rank = static_cast<std::int64_t>(x->type.shape.size());
  std::vector<std::int64_t> dims;
  if (const Arg given = take(args, "dims"); !given.is_none()) {
    dims = given.int_list();
  } else {
    for (std::int64_t d = 0; d < rank; ++d) dims.push_back(d);
  }
  for (std::int64_t& d : dims) {
    if (d < -rank || d >= rank) throw InvalidArgument("a dimension is out of range");
    if (d < 0) d += rank;
  }
  std::ranges::sort(dims, std::greater());
  if (std::ranges::adjacent_find(dims) != dims.end()) throw InvalidArgument("a dimension is named twice");
  Arg dtype = take(args, "output_dtype");
  if (dtype.is_none()) dtype = x->type.dtype;
  for (const std::int64_t d : dims)
    x = graph.add_node_inferred(*find_op("aten.prod.dim_int"), {x, SymInt(d), false, dtype})->output();
  return {"aten.to.dtype", {{"self", x}, {"dtype", dtype}}};
}

/// sign(x) |x|^(1/3)
Alternative cube_root(const NamedArgs& args, Graph& graph) {
  const auto call = [&graph](std::string_view op, ArgList operands) {
    return graph.add_node_inferred(*find_op(op), std::move(operands))->output();
  };
  Value* x = tensor(args, "self");
  Value* root = call("aten.pow.Tensor_Scalar", {call("aten.abs.default", {x}), 1.0 / 3});
  return {"aten.mul.Tensor", {{"self", call("aten.sign.default", {x})}, {"other", root}}};
}

Alternative split_dim(const NamedArgs& args, Graph&) {
  return {"aten.unflatten.int",
          {{"self", take(args, "a")},
           {"dim", take(args, "dim")},
           {"sizes", ArgList{take(args, "outer_length"), SymInt(-1)}}}};
}

Convert transform(std::string_view op) {
  return [op](NamedArgs args, Graph&) {
    args.emplace_back("normalization", SymInt(0));
    return Alternative{op, std::move(args)};
  };
}

/// Attention of one device as that of all.
Alternative attention(const NamedArgs& args, Graph&) {
  Alternative call{"aten.scaled_dot_product_attention.default", {}};
  for (const auto& [name, arg] : args) {
    if (name == "return_debug_mask" || name == "compute_log_sumexp") continue;
    call.args.emplace_back(name == "attn_bias" ? "attn_mask" : name, arg);
  }
  return call;
}

/// v * (g / |v|), with the length of all of v (dim -1), or of each slice along a dimension.
Alternative weight_norm(const NamedArgs& args, Graph& graph) {
  Value *v = tensor(args, "v"), *g = tensor(args, "g");
  const Arg given = take(args, "dim");
  const auto rank = static_cast<std::int64_t>(v->type.shape.size());
  const std::int64_t dim = given.is_none() ? 0 : given.integer(), kept = dim < -1 ? dim + rank : dim;
  if (kept < -1 || kept >= std::max<std::int64_t>(rank, 1)) throw InvalidArgument("dim is out of range");
  ArgList along;
  for (std::int64_t d = 0; d < rank; ++d)
    if (d != kept) along.emplace_back(SymInt(d));
  const auto call = [&](std::string_view op, ArgList operands) {
    return graph.add_node_inferred(*find_op(op), std::move(operands))->output();
  };
  Value* norm = along.empty() ? call("aten.abs.default", {v})
                              : call("aten.linalg_vector_norm.default", {v, SymInt(2), along, true, None{}});
  return {"aten.mul.Tensor", {{"self", v}, {"other", call("aten.div.Tensor", {g, norm})}}};
}

FusedAttention attention_of(const NamedArgs& args, std::string_view query, std::string_view heads) {
  FusedAttention a;
  a.query = a.key = a.value = tensor(args, query);
  a.width = take(args, "embed_dim").integer();
  a.heads = take(args, heads).integer();
  a.in_weight = tensor(args, "qkv_weight");
  a.in_bias = tensor(args, "qkv_bias");
  a.out_weight = tensor(args, "proj_weight");
  a.out_bias = tensor(args, "proj_bias");
  a.mask = take(args, "mask").value_or_null();
  const auto type = mask_type_of(take(args, "mask_type"));
  if (!type) throw InvalidArgument("mask_type is none of 0, 1 and 2");
  a.mask_type = *type;
  return a;
}

/// `value` under a name of its own, as the last call of an alternative.
Alternative given_as(Value* value) {
  if (value == nullptr) throw InvalidArgument("embed_dim and num_heads do not fit each other, or the input");
  return {"aten.alias.default", {{"self", value}}};
}

/// The shares of the keys are the second result; only the first of an alternative has a name.
Alternative fused_attention(const NamedArgs& args, Graph& graph) {
  FusedAttention a = attention_of(args, "query", "num_head");
  a.key = tensor(args, "key");
  a.value = tensor(args, "value");
  a.weights = false;
  const auto attended = attend(emitter(graph), a);
  return given_as(attended ? attended->result : nullptr);
}

Alternative fused_encoder_layer(const NamedArgs& args, Graph& graph) {
  FusedEncoderLayer layer{attention_of(args, "src", "num_heads"), take(args, "use_gelu").boolean(),
                          take(args, "norm_first").boolean(), take(args, "eps")};
  for (const std::size_t i : {0U, 1U})
    for (const std::size_t part : {0U, 1U}) {
      const std::string end = (part == 0 ? "weight_" : "bias_") + std::to_string(i + 1);
      layer.norms[i][part] = tensor(args, "norm_" + end);
      layer.linears[i][part] = tensor(args, "ffn_" + end);
    }
  return given_as(encoder_layer(emitter(graph), layer));
}

Table make_table() {
  Table table;
  // One tensor called self, and the same name.
  for (const auto& [prim, op] :
       std::initializer_list<Rename>{{"prims.abs.default", "aten.abs.default"},
                                     {"prims.acos.default", "aten.acos.default"},
                                     {"prims.acosh.default", "aten.acosh.default"},
                                     {"aten._is_all_true.default", "aten.all.default"},
                                     {"aten._is_any_true.default", "aten.any.default"},
                                     {"prims.asin.default", "aten.asin.default"},
                                     {"prims.asinh.default", "aten.asinh.default"},
                                     {"prims.atan.default", "aten.atan.default"},
                                     {"prims.atanh.default", "aten.atanh.default"},
                                     {"prims.bessel_i0.default", "aten.i0.default"},
                                     {"prims.bitwise_not.default", "aten.bitwise_not.default"},
                                     {"prims.ceil.default", "aten.ceil.default"},
                                     {"prims.clone.default", "aten.clone.default"},
                                     {"prims.conj_physical.default", "aten.conj_physical.default"},
                                     {"prims.cos.default", "aten.cos.default"},
                                     {"prims.cosh.default", "aten.cosh.default"},
                                     {"prims.erf.default", "aten.erf.default"},
                                     {"prims.erf_inv.default", "aten.erfinv.default"},
                                     {"prims.erfc.default", "aten.erfc.default"},
                                     {"prims.exp.default", "aten.exp.default"},
                                     {"prims.exp2.default", "aten.exp2.default"},
                                     {"prims.expm1.default", "aten.expm1.default"},
                                     {"prims.floor.default", "aten.floor.default"},
                                     {"prims.imag.default", "aten.imag.default"},
                                     {"prims.isfinite.default", "aten.isfinite.default"},
                                     {"prims.lgamma.default", "aten.lgamma.default"},
                                     {"prims.log.default", "aten.log.default"},
                                     {"prims.log10.default", "aten.log10.default"},
                                     {"prims.log1p.default", "aten.log1p.default"},
                                     {"prims.log2.default", "aten.log2.default"},
                                     {"prims.neg.default", "aten.neg.default"},
                                     {"prims.real.default", "aten.real.default"},
                                     {"prims.reciprocal.default", "aten.reciprocal.default"},
                                     {"prims.round.default", "aten.round.default"},
                                     {"prims.rsqrt.default", "aten.rsqrt.default"},
                                     {"prims.sign.default", "aten.sign.default"},
                                     {"prims.signbit.default", "aten.signbit.default"},
                                     {"prims.sin.default", "aten.sin.default"},
                                     {"prims.sinh.default", "aten.sinh.default"},
                                     {"prims.sqrt.default", "aten.sqrt.default"},
                                     {"prims.tan.default", "aten.tan.default"},
                                     {"prims.tanh.default", "aten.tanh.default"},
                                     {"prims.trunc.default", "aten.trunc.default"},
                                     // and two
                                     {"prims.add.default", "aten.add.Tensor"},
                                     {"prims.atan2.default", "aten.atan2.default"},
                                     {"prims.bitwise_and.default", "aten.bitwise_and.Tensor"},
                                     {"prims.bitwise_or.default", "aten.bitwise_or.Tensor"},
                                     {"prims.bitwise_xor.default", "aten.bitwise_xor.Tensor"},
                                     {"prims.eq.default", "aten.eq.Tensor"},
                                     {"prims.fmax.default", "aten.fmax.default"},
                                     {"prims.fmin.default", "aten.fmin.default"},
                                     {"prims.fmod.default", "aten.fmod.Tensor"},
                                     {"prims.gcd.default", "aten.gcd.default"},
                                     {"prims.ge.default", "aten.ge.Tensor"},
                                     {"prims.gt.default", "aten.gt.Tensor"},
                                     {"prims.hypot.default", "aten.hypot.default"},
                                     {"prims.le.default", "aten.le.Tensor"},
                                     {"prims.lt.default", "aten.lt.Tensor"},
                                     {"prims.maximum.default", "aten.maximum.default"},
                                     {"prims.minimum.default", "aten.minimum.default"},
                                     {"prims.mul.default", "aten.mul.Tensor"},
                                     {"prims.ne.default", "aten.ne.Tensor"},
                                     {"prims.nextafter.default", "aten.nextafter.default"},
                                     {"prims.pow.default", "aten.pow.Tensor_Tensor"},
                                     {"prims.remainder.default", "aten.remainder.Tensor"},
                                     {"prims.shift_left.default", "aten.bitwise_left_shift.Tensor"},
                                     {"prims.shift_right_arithmetic.default", "aten.bitwise_right_shift.Tensor"},
                                     {"prims.sub.default", "aten.sub.Tensor"},
                                     {"prims.cat.default", "aten.cat.default"},
                                     {"prims.fill.default", "aten.fill.Scalar"},
                                     {"prims.scalar_tensor.default", "aten.scalar_tensor.default"},
                                     // special functions
                                     {"prims.bessel_i0e.default", "aten.special_i0e.default"},
                                     {"prims.bessel_i1.default", "aten.special_i1.default"},
                                     {"prims.bessel_i1e.default", "aten.special_i1e.default"},
                                     {"prims.bessel_j0.default", "aten.special_bessel_j0.default"},
                                     {"prims.bessel_j1.default", "aten.special_bessel_j1.default"},
                                     {"prims.digamma.default", "aten.digamma.default"},
                                     {"prims.erfcx.default", "aten.special_erfcx.default"},
                                     {"prims.ndtri.default", "aten.special_ndtri.default"},
                                     {"prims.igamma.default", "aten.igamma.default"},
                                     {"prims.igammac.default", "aten.igammac.default"},
                                     {"prims.zeta.default", "aten.special_zeta.default"},
                                     {"prims.frexp.default", "aten.frexp.Tensor"},
                                     {"prims.svd.default", "aten.linalg_svd.default"}})
    table[prim] = renamed(op);
  table["prims.div.default"] = quotient;
  table["prims.where.default"] = renamed("aten.where.self", {{"pred", "condition"}, {"a", "self"}, {"b", "other"}});
  table["prims.sum.default"] = reduced("aten.sum.dim_IntList", true);
  table["prims.amax.default"] = reduced("aten.amax.default", false);
  table["prims.amin.default"] = reduced("aten.amin.default", false);
  table["prims.var.default"] = reduced("aten.var.correction", false);
  table["prims.spherical_bessel_j0.default"] = renamed("aten.special_spherical_bessel_j0.default", {{"self", "x"}});
  table["prims.prod.default"] = product;
  table["prims.cbrt.default"] = cube_root;
  table["prims.broadcast_in_dim.default"] = broadcast_in_dim;
  table["prims.convert_element_type.default"] = renamed("aten._to_copy.default", {{"a", "self"}});
  table["prims.view_of.default"] = table["prims.device_put.default"] = renamed("aten.alias.default", {{"a", "self"}});
  table["prims.view_of_dtype.default"] = renamed("aten.view.dtype", {{"a", "self"}});
  table["prims.conj.default"] = renamed("aten._conj.default", {{"a", "self"}});
  table["prims.collapse.default"] = table["prims.collapse_view.default"] =
      renamed("aten.flatten.using_ints", {{"a", "self"}, {"start", "start_dim"}, {"end", "end_dim"}});
  table["prims.reshape.default"] = renamed("aten.reshape.default", {{"a", "self"}});
  table["prims.rev.default"] = renamed("aten.flip.default", {{"a", "self"}});
  table["prims.transpose.default"] = renamed("aten.permute.default", {{"a", "self"}, {"permutation", "dims"}});
  table["prims.squeeze.default"] = renamed("aten.squeeze.dims", {{"a", "self"}, {"dimensions", "dim"}});
  table["prims.split_dim.default"] = split_dim;
  table["prims.full.default"] = renamed("aten.full.default", {{"shape", "size"}});
  table["prims.empty.default"] = renamed("aten.empty.memory_format", {{"shape", "size"}});
  table["prims.empty_permuted.default"] = renamed("aten.empty_permuted.default", {{"shape", "size"}});
  table["prims.empty_strided.default"] =
      renamed("aten.empty_strided.default", {{"shape", "size"}, {"strides", "stride"}});
  table["prims.as_strided.default"] = renamed("aten.as_strided.default", {{"a", "self"}});
  table["prims.as_strided_scatter.default"] = renamed("aten.as_strided_scatter.default");
  table["prims.copy_to.default"] = renamed("aten.copy_.default", {{"a", "self"}, {"b", "src"}});
  // How its result lies in memory is nothing that a graph says.
  table["prims.copy_strided.default"] = [](const NamedArgs& args, Graph&) {
    return Alternative{"aten.clone.default", {{"self", take(args, "a")}}};
  };
  table["prims.full_like.default"] = renamed("aten.full_like.default", {{"a", "self"}});
  table["prims.iota.default"] = iota;
  table["prims.fft_c2c.default"] = transform("aten._fft_c2c.default");
  table["prims.fft_r2c.default"] = transform("aten._fft_r2c.default");
  table["prims.fft_c2r.default"] = transform("aten._fft_c2r.default");
  for (const std::string_view name :
       {"aten._scaled_dot_product_flash_attention.default", "aten._scaled_dot_product_efficient_attention.default",
        "aten._scaled_dot_product_cudnn_attention.default"})
    table[name] = attention;
  table["transformers.grouped_mm_fallback.default"] =
      renamed("aten._grouped_mm.default", {{"input", "self"}, {"weight", "mat2"}});
  table["aten._native_multi_head_attention.default"] = fused_attention;
  table["aten._transformer_encoder_layer_fwd.default"] = fused_encoder_layer;
  add_quantised_alternatives(table);
  add_function_alternatives(table);
  table["aten.ger.default"] = renamed("aten.outer.default");
  // The lengths, which the second has for its gradient, are of no use here.
  table["aten._weight_norm.default"] = table["aten._weight_norm_interface.default"] = weight_norm;
  return table;
}

const Table& table() {
  static const Table entries = make_table();
  return entries;
}

}  // namespace

Arg take(const NamedArgs& args, std::string_view name) {
  const auto it = std::ranges::find(args, name, [](const auto& named) { return std::string_view(named.first); });
  return it == args.end() ? Arg(None{}) : it->second;
}

Value* tensor(const NamedArgs& args, std::string_view name) {
  const Arg arg = take(args, name);
  if (!arg.is_value()) throw InvalidArgument("argument " + std::string(name) + " is not a tensor");
  return arg.value();
}

EmitOperator emitter(Graph& graph) {
  return [&graph](std::string_view op, ArgList args) {
    const OpInfo& info = *find_op(op);
    return graph.add_node_inferred(info, bind_arguments(info, std::move(args), {}))->outputs.at(0);
  };
}

bool has_alternative(std::string_view name) { return table().contains(name) || !form_of_each(name).empty(); }

std::string_view form_of_each(std::string_view name) {
  static constexpr auto rows = std::to_array<Rename>({{"aten.atleast_1d.Sequence", "aten.atleast_1d.default"},
                                                      {"aten.atleast_2d.Sequence", "aten.atleast_2d.default"},
                                                      {"aten.atleast_3d.Sequence", "aten.atleast_3d.default"}});
  const auto* const row = std::ranges::find(rows, name, &Rename::first);
  return row == rows.end() ? std::string_view() : row->second;
}

Alternative alternative_of(std::string_view name, NamedArgs args, Graph& graph) {
  return table().at(name)(std::move(args), graph);
}

}  // namespace aitune::dynamo
