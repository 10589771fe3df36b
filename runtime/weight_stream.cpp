#include "runtime/weight_stream.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace aitune {
namespace {

/// The constants that a step reads: offset and size. Offsets and sizes of constants depend on no symbol.
std::set<std::pair<std::size_t, std::size_t>> constants_of_step(const Plan& plan, const PlanStep& step) {
  std::set<std::pair<std::size_t, std::size_t>> list;
  const auto add = [&](std::uint32_t id) {
    const PlanBuffer& buffer = plan.buffers[id];
    const PlanExpr &offset = plan.exprs[buffer.offset], &bytes = plan.exprs[buffer.bytes];
    const bool fixed = offset.op == PlanExpr::Op::constant && bytes.op == PlanExpr::Op::constant;
    if (buffer.space == BufferSpace::constant && fixed && bytes.value > 0)
      list.emplace(static_cast<std::size_t>(offset.value), static_cast<std::size_t>(bytes.value));
  };
  for (const std::uint32_t id : step.buffers) add(id);
  const auto add_argument = [&](const auto& self, const PlanArg& argument) -> void {
    if (argument.kind == PlanArg::Kind::tensor) add(plan.views[argument.tensor].buffer);
    for (const PlanArg& item : argument.list) self(self, item);
  };
  for (const PlanArg& argument : step.args) add_argument(add_argument, argument);
  return list;
}

}  // namespace

std::vector<WeightStream::Pieces> WeightStream::add(const Plan& plan) {
  const std::lock_guard lock(mutex_);
  std::vector<Pieces> steps;
  for (const PlanStep& step : plan.steps) {
    Pieces& pieces = steps.emplace_back();
    for (const auto& [begin, size] : constants_of_step(plan, step)) {
      const auto [known, added] = known_.try_emplace({begin, size}, static_cast<std::uint32_t>(pieces_.size()));
      if (added) pieces_.push_back({begin, size, false, 0, order_.insert(order_.end(), known->second)});
      pieces.push_back(known->second);
    }
  }
  return steps;
}

std::size_t WeightStream::enough_for(const Plan& plan) {
  std::size_t most = 0, last = 0;
  for (const PlanStep& step : plan.steps) {
    std::size_t own = 0;
    for (const auto& [begin, size] : constants_of_step(plan, step)) own += size;
    if (own == 0) continue;
    most = std::max(most, last + own);
    last = own;
  }
  return most;
}

void WeightStream::before(const Pieces& pieces) noexcept {
  if (pieces.empty()) return;
  const std::lock_guard lock(mutex_);
  ++calls_;
  for (const std::uint32_t number : pieces) {
    Piece& piece = pieces_[number];
    piece.wanted = calls_;
    order_.splice(order_.end(), order_, piece.place);
    if (piece.here) continue;
    piece.here = true;
    here_ += piece.size;
  }
  for (auto oldest = order_.begin(); oldest != order_.end() && here_ > budget_; ++oldest) {
    Piece& piece = pieces_[*oldest];
    if (!piece.here) continue;
    if (piece.wanted == calls_) break;  // only what this step reads comes behind
    give_back(constants_.subspan(piece.begin, piece.size));
    piece.here = false;
    here_ -= piece.size;
  }
}

void WeightStream::give_back(std::span<const std::byte> mapped) noexcept {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const std::size_t before = reinterpret_cast<std::uintptr_t>(mapped.data()) % page;
  // Neighbours on the first and the last page lose nothing: they are read from the file again, too.
  madvise(const_cast<std::byte*>(mapped.data()) - before, before + mapped.size(), MADV_DONTNEED);
}

}  // namespace aitune
