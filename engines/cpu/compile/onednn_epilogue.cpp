#include "engines/cpu/compile/onednn_epilogue.h"

#include <algorithm>
#include <cmath>

namespace aitune::cpu {
namespace {

using kernels::Access;
using kernels::Expr;
using kernels::ExprOp;
using kernels::ExprType;

/// Walks from what is stored down to the accumulator, one activation or addition at a time.
class Matcher {
 public:
  explicit Matcher(const kernels::GemmKernel& kernel) : kernel_(kernel) {}

  std::optional<OneDnnEpilogue> run() {
    if (kernel_.stores.size() != 1) return std::nullopt;
    result_.store = &access(kernel_.stores[0].access);
    const bool plain =
        result_.store->indirect < 0 && result_.store->strides.back().is(1) && is_float(result_.store->dtype);
    if (!plain || !descend(kernel_.stores[0].value)) return std::nullopt;
    return result_;
  }

 private:
  using Id = std::int32_t;
  static bool is_float(DType t) { return t == DType::f32 || t == DType::bf16; }
  const Expr& at(Id e) const { return kernel_.exprs[static_cast<std::size_t>(e)]; }
  const Access& access(std::int32_t i) const { return kernel_.accesses[static_cast<std::size_t>(i)]; }
  bool is(Id e, ExprOp op) const { return e >= 0 && at(e).op == op; }
  bool number(Id e, double value) const {
    return is(e, ExprOp::constant) && at(e).type == ExprType::f32 && std::abs(at(e).number - value) < 1e-6;
  }
  /// Whether two expressions are the same; the writer need not have merged them.
  bool same(Id x, Id y) const {
    if (x == y) return true;
    if (x < 0 || y < 0) return false;
    Expr a = at(x), b = at(y);
    if (!same(a.a, b.a) || !same(a.b, b.b) || !same(a.c, b.c)) return false;
    a.a = a.b = a.c = b.a = b.b = b.c = -1;
    return a == b;
  }

  bool descend(Id e) {
    if (at(e).type != ExprType::f32) return false;
    if (is(e, ExprOp::accumulator)) return true;
    if (is(e, ExprOp::cast)) return descend(at(e).a);
    if (is(e, ExprOp::add)) return add(at(e).a, at(e).b) || add(at(e).b, at(e).a);
    const auto [post, inner] = activation(e);
    if (inner < 0 || !descend(inner)) return false;
    result_.posts.push_back(post);
    activated_ = true;
    return true;
  }

  bool add(Id sum, Id leaf) {
    if (!is(leaf, ExprOp::load) || is(sum, ExprOp::load) || !descend(sum)) return false;
    const Access& a = access(at(leaf).access);
    if (a.indirect >= 0 || !a.strides.back().is(1)) return false;
    const bool broadcast = std::all_of(a.strides.begin(), a.strides.end() - 1, [](const SymInt& s) { return s.is(0); });
    // The bias is added first, so nothing but another addition may stand before it.
    if (broadcast && a.dtype == DType::f32 && !result_.bias && !activated_) {
      result_.bias = &a;
      return true;
    }
    if (!is_float(a.dtype) || result_.residual) return false;
    result_.residual = &a;
    result_.posts.push_back(OneDnnPost::residual);
    return true;
  }

  /// The activation that `e` is, and what it is applied to (-1: none that is known).
  std::pair<OneDnnPost, Id> activation(Id e) const {
    const Expr& x = at(e);
    if (x.op == ExprOp::max && number(x.b, 0)) return {OneDnnPost::relu, x.a};
    if (x.op != ExprOp::mul) return {OneDnnPost::relu, -1};
    if (is(x.b, ExprOp::sigmoid) && same(at(x.b).a, x.a)) return {OneDnnPost::silu, x.a};
    if (is_hardsigmoid(x.b, x.a)) return {OneDnnPost::hardswish, x.a};
    if (!is(x.a, ExprOp::mul) || !number(at(x.a).b, 0.5) || !is(x.b, ExprOp::add) || !number(at(x.b).b, 1))
      return {OneDnnPost::relu, -1};
    const Id inner = at(x.a).a, curve = at(x.b).a;
    if (is_erf_of(curve, inner)) return {OneDnnPost::gelu_erf, inner};
    if (is_tanh_of(curve, inner)) return {OneDnnPost::gelu_tanh, inner};
    return {OneDnnPost::relu, -1};
  }
  bool is_scaled(Id e, Id x, double factor) const {
    return is(e, ExprOp::mul) && number(at(e).b, factor) && same(at(e).a, x);
  }
  bool is_erf_of(Id e, Id x) const { return is(e, ExprOp::erf) && is_scaled(at(e).a, x, M_SQRT1_2); }
  bool is_tanh_of(Id e, Id x) const {
    if (!is(e, ExprOp::tanh) || !is(at(e).a, ExprOp::mul)) return false;
    const Expr& scaled = at(at(e).a);
    if (!number(scaled.a, std::sqrt(2 / M_PI)) || !is(scaled.b, ExprOp::add) || !same(at(scaled.b).a, x)) return false;
    const Id cubic = at(scaled.b).b;
    if (!is(cubic, ExprOp::mul) || !number(at(cubic).b, 0.044715) || !is(at(cubic).a, ExprOp::mul)) return false;
    const Expr& cube = at(at(cubic).a);
    return same(cube.b, x) && is(cube.a, ExprOp::mul) && same(at(cube.a).a, x) && same(at(cube.a).b, x);
  }
  bool is_hardsigmoid(Id e, Id x) const {
    if (!is(e, ExprOp::mul) || !number(at(e).b, 1.0 / 6) || !is(at(e).a, ExprOp::min)) return false;
    const Expr& low = at(at(e).a);
    if (!number(low.b, 6) || !is(low.a, ExprOp::max) || !number(at(low.a).b, 0)) return false;
    const Id shifted = at(low.a).a;
    return is(shifted, ExprOp::add) && number(at(shifted).b, 3) && same(at(shifted).a, x);
  }

  const kernels::GemmKernel& kernel_;
  OneDnnEpilogue result_;
  bool activated_ = false;
};

}  // namespace

std::optional<OneDnnEpilogue> onednn_epilogue(const kernels::GemmKernel& kernel) { return Matcher(kernel).run(); }

}  // namespace aitune::cpu
