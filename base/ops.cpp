#include "base/ops.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/custom_ops.h"

namespace aitune {
namespace {
struct Row {
  std::string_view name, schema;
};
constexpr Row kRows[] = {
#define AITUNE_OP(identifier, name, schema) Row{name, schema},
#include "base/ops.def"
#undef AITUNE_OP
};
constexpr Row kNoRow{"unknown operator", ""};

constexpr auto kSpellings = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"aten.__lshift__.Tensor", "aten.bitwise_left_shift.Tensor"},
    {"aten.__rshift__.Tensor", "aten.bitwise_right_shift.Tensor"},
    {"aten._reshape_copy.default", "aten.view.default"},
    {"aten._unsafe_index.Tensor", "aten.index.Tensor"},
    {"aten._unsafe_index_put.default", "aten.index_put.default"},
    {"aten.absolute.default", "aten.abs.default"},
    {"aten.arccos.default", "aten.acos.default"},
    {"aten.arccosh.default", "aten.acosh.default"},
    {"aten.arcsin.default", "aten.asin.default"},
    {"aten.arcsinh.default", "aten.asinh.default"},
    {"aten.arctan.default", "aten.atan.default"},
    {"aten.arctan2.default", "aten.atan2.default"},
    {"aten.arctanh.default", "aten.atanh.default"},
    {"aten.as_strided_copy.default", "aten.as_strided.default"},
    {"aten.concatenate.default", "aten.cat.default"},
    {"aten.diagonal_copy.default", "aten.diagonal.default"},
    {"aten.divide.Scalar", "aten.div.Scalar"},
    {"aten.divide.Scalar_mode", "aten.div.Scalar_mode"},
    {"aten.divide.Tensor_mode", "aten.div.Tensor_mode"},
    {"aten.fix.default", "aten.trunc.default"},
    {"aten.greater.Scalar", "aten.gt.Scalar"},
    {"aten.greater_equal.Scalar", "aten.ge.Scalar"},
    {"aten.greater_equal.Tensor", "aten.ge.Tensor"},
    {"aten.less.Scalar", "aten.lt.Scalar"},
    {"aten.less_equal.Scalar", "aten.le.Scalar"},
    {"aten.less_equal.Tensor", "aten.le.Tensor"},
    {"aten.linalg_diagonal.default", "aten.diagonal.default"},
    {"aten.linalg_matmul.default", "aten.matmul.default"},
    {"aten.matrix_H.default", "aten.mH.default"},
    {"aten.moveaxis.int", "aten.movedim.int"},
    {"aten.moveaxis.intlist", "aten.movedim.intlist"},
    {"aten.multiply.Scalar", "aten.mul.Scalar"},
    {"aten.narrow_copy.default", "aten.narrow.default"},
    {"aten.native_channel_shuffle.default", "aten.channel_shuffle.default"},
    {"aten.negative.default", "aten.neg.default"},
    {"aten.not_equal.Scalar", "aten.ne.Scalar"},
    {"aten.row_stack.default", "aten.vstack.default"},
    {"aten.special_digamma.default", "aten.digamma.default"},
    {"aten.special_erf.default", "aten.erf.default"},
    {"aten.special_erfc.default", "aten.erfc.default"},
    {"aten.special_erfinv.default", "aten.erfinv.default"},
    {"aten.special_exp2.default", "aten.exp2.default"},
    {"aten.special_expit.default", "aten.sigmoid.default"},
    {"aten.special_expm1.default", "aten.expm1.default"},
    {"aten.special_gammainc.default", "aten.igamma.default"},
    {"aten.special_gammaincc.default", "aten.igammac.default"},
    {"aten.special_gammaln.default", "aten.lgamma.default"},
    {"aten.special_i0.default", "aten.i0.default"},
    {"aten.special_log1p.default", "aten.log1p.default"},
    {"aten.special_log_softmax.default", "aten.log_softmax.int"},
    {"aten.special_logit.default", "aten.logit.default"},
    {"aten.special_logsumexp.default", "aten.logsumexp.default"},
    {"aten.special_multigammaln.default", "aten.mvlgamma.default"},
    {"aten.special_polygamma.default", "aten.polygamma.default"},
    {"aten.special_psi.default", "aten.digamma.default"},
    {"aten.special_sinc.default", "aten.sinc.default"},
    {"aten.special_softmax.default", "aten.softmax.int"},
    {"aten.special_xlogy.default", "aten.xlogy.Tensor"},
    {"aten.split_copy.Tensor", "aten.split.Tensor"},
    {"aten.split_with_sizes_copy.default", "aten.split_with_sizes.default"},
    {"aten.subtract.Scalar", "aten.sub.Scalar"},
    {"aten.true_divide.Scalar", "aten.div.Scalar"},
    {"aten.unbind_copy.int", "aten.unbind.int"},
    {"aten.unfold_copy.default", "aten.unfold.default"},
});

using enum OpId;
constexpr auto kRandom = std::to_array<OpId>({aten_rand_default,         aten_randn_default,
                                              aten_rand_like_default,    aten_randn_like_default,
                                              aten_randint_default,      aten_randint_low,
                                              aten_randint_like_default, aten_randint_like_low_dtype,
                                              aten_randperm_default,     aten_bernoulli_default,
                                              aten_bernoulli_p,          aten_normal_float_float,
                                              aten_normal_Tensor_float,  aten_normal_functional_default,
                                              aten_uniform_default,      aten_multinomial_default,
                                              aten_bernoulli_Tensor,     aten_bernoulli__float,
                                              aten_bernoulli__Tensor,    aten_normal_float_Tensor,
                                              aten_normal_Tensor_Tensor, aten_normal__default,
                                              aten_uniform__default,     aten_random_default,
                                              aten_random_from,          aten_random_to,
                                              aten_random__default,      aten_random__from,
                                              aten_random__to,           aten_randint_like_Tensor,
                                              aten_exponential_default,  aten_exponential__default,
                                              aten_geometric_default,    aten_geometric__default,
                                              aten_cauchy_default,       aten_cauchy__default,
                                              aten_log_normal_default,   aten_log_normal__default,
                                              aten_poisson_default,      aten_binomial_default});

Row row_of(OpId id) noexcept {
  if (is_listed(id)) return kRows[static_cast<std::size_t>(id)];
  const CustomOp* custom = find_custom_op(id);
  return custom == nullptr ? kNoRow : Row{custom->name, custom->schema};
}

/// "aten.atan.default" of "aten.atan_.default"; empty where the name has no such underscore.
std::string without_underscore(std::string_view name) {
  const std::size_t dot = name.find('.', name.find('.') + 1);
  if (dot == std::string_view::npos || name[dot - 1] != '_') return {};
  return std::string(name.substr(0, dot - 1)) + std::string(name.substr(dot));
}

struct Forms {
  std::vector<OpId> plain, implementation;

  Forms() {
    for (std::size_t i = 0; i < std::size(kRows); ++i) plain.push_back(static_cast<OpId>(i));
    for (const auto& [name, target] : kSpellings)
      if (const auto from = find_op_id(name), to = find_op_id(target); from && to)
        plain[static_cast<std::size_t>(*from)] = *to;
    implementation = plain;
    for (std::size_t i = 0; i < std::size(kRows); ++i)
      if (const auto functional = find_op_id(without_underscore(kRows[i].name)))
        implementation[i] = plain[static_cast<std::size_t>(*functional)];
  }
};

const Forms& forms() {
  static const Forms table;
  return table;
}
}  // namespace

std::string_view op_name(OpId id) noexcept { return row_of(id).name; }
std::string_view op_schema(OpId id) noexcept { return row_of(id).schema; }

std::optional<OpId> find_op_id(std::string_view name) noexcept {
  static const auto index = [] {
    std::unordered_map<std::string_view, OpId> map;
    for (std::size_t i = 0; i < std::size(kRows); ++i) map.emplace(kRows[i].name, static_cast<OpId>(i));
    return map;
  }();
  if (const auto it = index.find(name); it != index.end()) return it->second;
  if (const auto it = index.find(std::string(name) + ".default"); it != index.end()) return it->second;
  return find_custom_op_id(name);
}

OpId spelled_plainly(OpId id) noexcept { return is_listed(id) ? forms().plain[static_cast<std::size_t>(id)] : id; }

OpId implemented_as(OpId id) noexcept {
  return is_listed(id) ? forms().implementation[static_cast<std::size_t>(id)] : id;
}

std::span<const OpId> random_ops() noexcept { return kRandom; }

bool is_random(OpId id) noexcept { return std::ranges::find(kRandom, id) != kRandom.end(); }

}  // namespace aitune
