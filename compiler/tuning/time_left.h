#pragma once
// How long a stage of tuning will still take, from what it has measured so far.

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

namespace aitune {

/// Told of blocks and of the candidates in them; answers with what is left of the stage. What has been measured stands
/// for what has not: what the block's engine says is ahead, else the mean of the candidates for those of the block; the
/// mean of the blocks for those behind it.
class TimeLeft {
 public:
  using Seconds = std::chrono::duration<double>;
  using Now = std::function<Seconds()>;

  /// `now` gives the time since any fixed point. Everything ends when `budget` has passed from here on, if there is
  /// one.
  explicit TimeLeft(Now now, std::optional<Seconds> budget = std::nullopt)
      : now_(std::move(now)), end_(budget ? std::optional(now_() + *budget) : std::nullopt) {}

  /// A stage begins: nothing is known of it.
  void stage();
  /// Block `index` of `total` begins.
  void block(std::size_t index, std::size_t total);
  /// The rest of this block will take so long from now on.
  void ahead(Seconds seconds);
  /// Candidate `done` of `total` begins.
  void step(std::size_t done, std::size_t total);
  /// Nothing while too little has been measured to say.
  std::optional<Seconds> left() const;

 private:
  Now now_;
  std::optional<Seconds> end_;
  Seconds stage_begin_{}, block_begin_{}, blocks_time_{};
  std::optional<Seconds> block_end_;
  std::size_t block_ = 0, blocks_ = 1;
  std::size_t done_ = 0, total_ = 0;
};

}  // namespace aitune
