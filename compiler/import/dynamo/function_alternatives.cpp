// Functions that export keeps whole: windows, which are constants, and a loss.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "compiler/import/dynamo/alternatives.h"

namespace aitune::dynamo {
namespace {

constexpr std::int64_t kMaxWindow = std::int64_t{1} << 24;
constexpr double kMaxBeta = 500;  // beyond, the Bessel function leaves double precision

/// The weight at `at`, which runs from 0 to 1; `beta` is the Kaiser window's alone.
using Window = double (*)(double at, double beta);

double bartlett(double at, double) { return 1 - std::abs(2 * at - 1); }

double blackman(double at, double) {
  const double turn = 2 * std::numbers::pi * at;
  return 0.42 - 0.5 * std::cos(turn) + 0.08 * std::cos(2 * turn);
}

/// The modified Bessel function of order 0, by its series.
double bessel(double x) {
  double term = 1, sum = 1;
  for (double k = 1; term > sum * 1e-17; ++k) sum += term *= (x / 2 / k) * (x / 2 / k);
  return sum;
}

double kaiser(double at, double beta) {
  const double side = 2 * at - 1;
  return bessel(beta * std::sqrt(std::max(0.0, 1 - side * side))) / bessel(beta);
}

std::vector<double> window_values(Window window, std::int64_t length, bool periodic, double beta) {
  const double last = static_cast<double>(periodic ? length : length - 1);
  std::vector<double> values;
  for (std::int64_t i = 0; i < length; ++i)
    values.push_back(length == 1 ? 1 : window(static_cast<double>(i) / last, beta));
  return values;
}

template <Window Function>
Alternative window(const NamedArgs& args, Graph& graph) {
  const auto length = take(args, "window_length").sym().as_constant();
  if (!length || *length > kMaxWindow) throw Unsupported("a window whose length is not fixed, or too large");
  if (*length < 0) throw InvalidArgument("window_length is negative");
  const Arg periodic = take(args, "periodic"), given = take(args, "beta"), dtype = take(args, "dtype");
  const double beta = given.is_none() ? 12 : given.number();
  if (!(std::abs(beta) <= kMaxBeta)) throw Unsupported("a Kaiser window with such a beta");
  const DType* type = std::get_if<DType>(&dtype);
  if (type != nullptr && !is_floating(*type)) throw InvalidArgument("the dtype of a window is not one of floats");
  const std::vector<double> values = window_values(Function, *length, periodic.is_none() || periodic.boolean(), beta);
  const std::string name = "window_" + std::to_string(graph.weights.size());
  Value* made = graph.add_weight(name, name, Tensor::of<double>(type == nullptr ? DType::f32 : *type, values));
  return {"aten.alias.default", {{"self", made}}};
}

/// Stirling's approximation of log(target!), for targets above 1.
Value* stirling(const EmitOperator& emit, Value* target) {
  Value* whole =
      emit("aten.sub.Tensor", {emit("aten.mul.Tensor", {target, emit("aten.log.default", {target})}), target});
  Value* turns = emit("aten.log.default", {emit("aten.mul.Scalar", {target, 2 * std::numbers::pi})});
  Value* sum = emit("aten.add.Tensor", {whole, emit("aten.mul.Scalar", {turns, 0.5})});
  return emit("aten.masked_fill.Scalar", {sum, emit("aten.le.Scalar", {target, SymInt(1)}), SymInt(0)});
}

Alternative poisson_nll_loss(const NamedArgs& args, Graph& graph) {
  const EmitOperator emit = emitter(graph);
  Value *input = tensor(args, "input"), *target = tensor(args, "target");
  Value* losses = nullptr;
  if (take(args, "log_input").boolean()) {
    losses = emit("aten.sub.Tensor", {emit("aten.exp.default", {input}), emit("aten.mul.Tensor", {target, input})});
  } else {
    Value* logarithm = emit("aten.log.default", {emit("aten.add.Scalar", {input, take(args, "eps")})});
    losses = emit("aten.sub.Tensor", {input, emit("aten.mul.Tensor", {target, logarithm})});
  }
  if (take(args, "full").boolean()) losses = emit("aten.add.Tensor", {losses, stirling(emit, target)});
  const std::int64_t reduction = take(args, "reduction").integer();
  if (reduction < 0 || reduction > 2) throw InvalidArgument("reduction is none of 0, 1 and 2");
  static constexpr std::string_view kReductions[] = {"aten.alias.default", "aten.mean.default", "aten.sum.default"};
  return {kReductions[reduction], {{"self", losses}}};
}

}  // namespace

void add_function_alternatives(AlternativeTable& table) {
  for (const std::string_view name : {"aten.bartlett_window.default", "aten.bartlett_window.periodic"})
    table[name] = window<bartlett>;
  for (const std::string_view name : {"aten.blackman_window.default", "aten.blackman_window.periodic"})
    table[name] = window<blackman>;
  for (const std::string_view name :
       {"aten.kaiser_window.default", "aten.kaiser_window.periodic", "aten.kaiser_window.beta"})
    table[name] = window<kaiser>;
  table["aten.poisson_nll_loss.default"] = poisson_nll_loss;
}

}  // namespace aitune::dynamo
