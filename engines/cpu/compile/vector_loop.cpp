#include "engines/cpu/compile/vector_loop.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>

#include <bit>

#include "engines/cpu/compile/expr_emitter.h"
#include "engines/cpu/compile/kernel_frame.h"

namespace aitune::cpu {

using llvm::Value;
using Carried = std::vector<Value*>;

void VectorLoop::emit(Value* low, Value* high, int copies, Carried& carried, const Body& body) const {
  auto *first = llvm::dyn_cast<llvm::ConstantInt>(low), *last = llvm::dyn_cast<llvm::ConstantInt>(high);
  if (first && last) return emit_known(first->getSExtValue(), last->getSExtValue(), copies, carried, body);
  llvm::IRBuilderBase& b = *builder_;
  const auto number = [&](std::int64_t n) { return b.getInt64(static_cast<std::uint64_t>(n)); };
  Value* count = b.CreateNSWSub(high, low);
  Value* at = low;
  for (int group = copies;; group = 1) {
    const std::int64_t step = std::int64_t{group} * lanes_;
    Value* stop = b.CreateNSWAdd(low, b.CreateNSWSub(count, b.CreateURem(count, number(step))));
    CountedLoop loop(b, at, stop, number(step), carried);
    Carried inside = loop.all_carried();
    body(loop.index(), group, lanes_, nullptr, inside);
    carried = loop.finish(inside);
    at = stop;
    if (group == 1) break;
  }
  const int rest_step = can_mask_ ? lanes_ : 1;
  CountedLoop rest(b, at, high, number(rest_step), carried);
  Carried inside = rest.all_carried();
  Value* mask = can_mask_ ? tail_mask(b, b.CreateNSWSub(high, rest.index()), lanes_) : nullptr;
  body(rest.index(), 1, rest_step, mask, inside);
  carried = rest.finish(inside);
}

void VectorLoop::emit_known(std::int64_t low, std::int64_t high, int copies, Carried& carried, const Body& body) const {
  const auto number = [&](std::int64_t n) { return builder_->getInt64(static_cast<std::uint64_t>(n)); };
  const std::int64_t group = std::int64_t{lanes_} * copies;
  const std::int64_t groups = (high - low) / group;
  std::int64_t at = low + groups * group;
  if (groups == 1) {
    body(number(low), copies, lanes_, nullptr, carried);
  } else if (groups > 1) {
    CountedLoop loop(*builder_, number(low), number(at), number(group), carried);
    Carried inside = loop.all_carried();
    body(loop.index(), copies, lanes_, nullptr, inside);
    carried = loop.finish(inside);
  }
  if (high - at >= lanes_) {
    const auto vectors = static_cast<int>((high - at) / lanes_);
    body(number(at), vectors, lanes_, nullptr, carried);
    at += std::int64_t{vectors} * lanes_;
  }
  emit_rest(at, high, carried, body);
}

void VectorLoop::emit_rest(std::int64_t at, std::int64_t high, Carried& carried, const Body& body) const {
  while (at < high) {
    const auto left = static_cast<std::uint64_t>(high - at);
    // Accumulators have the full width; without them narrower vectors serve.
    std::uint64_t width = can_mask_ ? std::bit_ceil(left) : std::bit_floor(left);
    if (!carried.empty()) width = can_mask_ ? static_cast<std::uint64_t>(lanes_) : 1;
    Value* mask = width <= left ? nullptr : tail_mask(*builder_, builder_->getInt64(left), static_cast<int>(width));
    body(builder_->getInt64(static_cast<std::uint64_t>(at)), 1, static_cast<int>(width), mask, carried);
    at += static_cast<std::int64_t>(width);
  }
}

// log2 rounds of interleaving the first half of the rows with the second.
Carried transposed(llvm::IRBuilderBase& builder, Carried rows) {
  const int n = static_cast<int>(rows.size());
  llvm::SmallVector<int> low, high;
  for (int i = 0; i < n / 2; ++i) {
    low.push_back(i), low.push_back(n + i);
    high.push_back(n / 2 + i), high.push_back(n + n / 2 + i);
  }
  for (int round = 1; round < n; round *= 2) {
    Carried next;
    for (int i = 0; i < n / 2; ++i) {
      Value *x = rows[static_cast<std::size_t>(i)], *y = rows[static_cast<std::size_t>(i + n / 2)];
      next.push_back(builder.CreateShuffleVector(x, y, low));
      next.push_back(builder.CreateShuffleVector(x, y, high));
    }
    rows = std::move(next);
  }
  return rows;
}

}  // namespace aitune::cpu
