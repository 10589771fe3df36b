#include "compiler/tuning/time_left.h"

#include <algorithm>

namespace aitune {
namespace {

constexpr std::size_t kLeast = 3;  // candidates from which a mean says something

}  // namespace

void TimeLeft::stage() {
  stage_begin_ = block_begin_ = now_();
  blocks_time_ = {};
  block_end_.reset();
  block_ = done_ = total_ = 0;
  blocks_ = 1;
}

void TimeLeft::block(std::size_t index, std::size_t total) {
  block_begin_ = now_();
  blocks_time_ = block_begin_ - stage_begin_;
  block_ = index;
  blocks_ = std::max<std::size_t>(total, index + 1);
  done_ = total_ = 0;
  block_end_.reset();
}

void TimeLeft::ahead(Seconds seconds) { block_end_ = now_() + std::max(Seconds(), seconds); }

void TimeLeft::step(std::size_t done, std::size_t total) {
  done_ = done;
  total_ = total;
}

std::optional<TimeLeft::Seconds> TimeLeft::left() const {
  const Seconds in_block = now_() - block_begin_;
  const std::size_t behind = blocks_ - block_ - 1;
  const bool has_mean = done_ >= kLeast && total_ > done_;
  if (!block_end_ && !has_mean && block_ == 0) return std::nullopt;
  const Seconds mean_block = block_ > 0 ? blocks_time_ / static_cast<double>(block_) : Seconds();
  Seconds whole = std::max(in_block, mean_block);
  if (block_end_)
    whole = *block_end_ - block_begin_;
  else if (has_mean)
    whole = in_block * (static_cast<double>(total_) / static_cast<double>(done_));
  const Seconds per_block = block_ > 0 ? (blocks_time_ + whole) / static_cast<double>(block_ + 1) : whole;
  const Seconds left = std::max(Seconds(), whole - in_block) + per_block * static_cast<double>(behind);
  return end_ ? std::clamp(*end_ - now_(), Seconds(), left) : left;
}

}  // namespace aitune
