// Arithmetic on sizes that several rules share.

#include <fmt/format.h>

#include <algorithm>

#include "compiler/ops/broadcast.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {

bool differ(const SymInt& a, const SymInt& b) {
  const auto difference = (a - b).as_constant();
  return difference && *difference != 0;
}

SymInt unify(const Call& call, const SymInt& a, const SymInt& b) {
  if (differ(a, b)) call.fail(fmt::format("sizes {} and {} must be equal", a.str(), b.str()));
  call.assume_equal(a, b);
  return b.is_constant() ? b : a;
}

SymShape broadcast(const Call& call, const SymShape& a, const SymShape& b) {
  const SymShape& longer = a.size() >= b.size() ? a : b;
  const SymShape& shorter = a.size() >= b.size() ? b : a;
  SymShape result = longer;
  const std::size_t offset = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    const SymInt &x = longer[offset + i], &y = shorter[i];
    if (is_repeated(x, y)) {
      result[offset + i] = y;
    } else if (!is_repeated(y, x)) {
      if (differ(x, y))
        call.fail(fmt::format("shapes {} and {} do not broadcast: {} against {} in dimension {}", to_string(a),
                              to_string(b), x.str(), y.str(), offset + i));
      call.assume_equal(x, y);
      result[offset + i] = y.is_constant() ? y : x;
    }
  }
  return result;
}

void broadcast_to(const Call& call, const SymShape& from, const SymShape& target) {
  const SymShape both = broadcast(call, from, target);
  if (both.size() != target.size())
    call.fail(fmt::format("{} has more dimensions than {}", to_string(from), to_string(target)));
  for (std::size_t i = 0; i < target.size(); ++i) unify(call, both[i], target[i]);
}

SymInt window_size(const SymInt& size, const SymInt& pad_total, const SymInt& dilation, const SymInt& kernel,
                   const SymInt& stride) {
  return floordiv(size + pad_total - dilation * (kernel - 1) - 1, stride) + 1;
}

SymInt ceil_div(const SymInt& a, const SymInt& b) { return floordiv(a + b - 1, b); }

SymShape fill_in_size(const Call& call, SymShape wanted, const SymInt& count) {
  std::optional<std::size_t> hole;
  SymInt known = 1;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].is(-1)) {
      known *= wanted[i];
    } else {
      call.require(!hole, "only one size may be -1");
      hole = i;
    }
  }
  if (!hole) {
    if (differ(known, count))
      call.fail(fmt::format("shape {} does not hold {} elements", to_string(wanted), count.str()));
    call.assume_equal(known, count);
    return wanted;
  }
  call.require(!known.is(0), "a size of -1 is ambiguous where another size is 0");
  if (known.is_constant() && count.is_constant() && count.constant() % known.constant() != 0)
    call.fail(fmt::format("{} elements do not divide into {}", count.str(), to_string(wanted)));
  wanted[*hole] = floordiv(count, known);
  call.assume_equal(wanted[*hole] * known, count);
  return wanted;
}

SymInt slice_length(const Call& call, const SymInt& size, const Arg& start, const Arg& end, const SymInt& step) {
  const auto bound = [&](const Arg& arg, const SymInt& otherwise) -> SymInt {
    if (arg.is_none()) return otherwise;
    const SymInt& v = arg.sym();
    const auto value = v.as_constant();
    if (!value) return v;  // torch.export has guarded that it lies within
    if (*value == INT64_MAX) return size;
    const auto length = size.as_constant();
    if (length) return std::clamp<std::int64_t>(*value < 0 ? *value + *length : *value, 0, *length);
    if (*value <= 0) return *value == 0 ? SymInt(0) : size + *value;
    return min(v, size);
  };
  if (const auto s = step.as_constant(); s && *s <= 0) call.fail("the step must be positive");
  // A start beyond a symbolic size would be empty; exported programs guard against it.
  const SymInt from = !start.is_none() && !size.is_constant() && start.sym().is_constant() && start.integer() > 0
                          ? start.sym()
                          : bound(start, 0);
  const SymInt to = bound(end, size);
  const SymInt length = to - from;
  call.require_at_least(from, 0, "the slice starts before the first element");
  if (!size.is_constant() || !to.is_constant())
    call.require_at_least(size, to, "the slice ends after the last element");
  if (const auto n = length.as_constant(); n && *n <= 0) return 0;
  return ceil_div(length, step);
}

}  // namespace aitune::infer
