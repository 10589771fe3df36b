// Operators that make a tensor out of numbers.

#include "base/error.h"
#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

void fill(Tensor& out, const Tensor& value) {
  if (!is_complex(out.dtype())) return copy_elements(out, value);
  store_complex(out, std::vector<Complex>(static_cast<std::size_t>(out.numel()), complex_values(value).front()));
}

template <int Value>
void constant(const Call& call) {
  fill(call.out(), scalar(Value));
}

void full(const Call& call) { fill(call.out(), operand(call, call.has("s") ? "s" : "fill_value")); }

/// start + i * step, where each element is computed on its own so that errors do not add up.
void arange(const Call& call) {
  const std::int64_t n = call.out().numel();
  visit_compute(is_floating(call.out().dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const auto value = [&](std::string_view name, C otherwise) {
      if (!call.has(name)) return otherwise;
      if (const auto* i = std::get_if<std::int64_t>(&call[name])) return static_cast<C>(*i);
      return static_cast<C>(call.number(name));
    };
    const C start = value("start", C(0)), step = value("step", C(1));
    std::vector<C> values;
    for (std::int64_t i = 0; i < n; ++i) values.push_back(wrap_add(start, wrap_mul(step, static_cast<C>(i))));
    store<C>(call.out().dtype(), call.out().data(), 1, n, values.data());
  });
}

void eye(const Call& call) {
  const std::int64_t rows = call.out().size(0), columns = call.out().size(1);
  std::vector<std::int64_t> values(static_cast<std::size_t>(rows * columns), 0);
  for (std::int64_t i = 0; i < std::min(rows, columns); ++i) values[static_cast<std::size_t>(i * columns + i)] = 1;
  if (is_complex(call.out().dtype())) return store_complex(call.out(), {values.begin(), values.end()});
  store<std::int64_t>(call.out().dtype(), call.out().data(), 1, rows * columns, values.data());
}

/// What is random has no answer that tuning could hold an engine to: it may stand where nothing reads it.
void random_numbers(const Call&) {
  throw Unsupported("the reference engine has no kernel for random numbers, which a result of the model needs", "",
                    "give them as an input, or call model.eval()");
}

}  // namespace

void add_creation_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_full_default, aten_full_like_default, aten_new_full_default, aten_scalar_tensor_default}, full);
  table.add({aten_ones_default, aten_ones_like_default, aten_new_ones_default}, constant<1>);
  // An empty tensor holds anything; zeros make runs repeatable.
  table.add({aten_zeros_default, aten_zeros_like_default, aten_new_zeros_default, aten_empty_memory_format,
             aten_empty_like_default, aten_new_empty_default},
            constant<0>);
  table.add({aten_arange_default, aten_arange_start, aten_arange_start_step}, arange);
  table.add({aten_eye_default, aten_eye_m}, eye);
  for (const OpId id : random_ops()) table.add({id}, random_numbers);
}

}  // namespace aitune::reference
