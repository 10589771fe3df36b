#pragma once
// Weights that stay in the file: what is in memory of them keeps to a budget.

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "format/plan.h"

namespace aitune {

/// Watches over constants that are mapped from a file. Steps say that they are about to read theirs; those that were
/// read longest ago are given back to the system, which reads them from the file when they are wanted again. A budget
/// below what one step reads is exceeded while that step runs. Any number of threads may use it.
class WeightStream {
 public:
  /// Numbers of pieces of the constants.
  using Pieces = std::vector<std::uint32_t>;

  /// `constants` is memory mapped read-only from a file: giving any other back would lose it.
  WeightStream(std::span<const std::byte> constants, std::size_t budget) : constants_(constants), budget_(budget) {}

  /// What each of the plan's steps reads. Before the first call of `before`.
  std::vector<Pieces> add(const Plan& plan);
  /// Bytes for which no step has to wait for its own weights or the next one's: the most that two steps in a row read.
  static std::size_t enough_for(const Plan& plan);
  std::size_t budget() const { return budget_; }

  /// These pieces are read next; others go as far as the budget asks. Allocates nothing.
  void before(const Pieces& pieces) noexcept;

  /// Gives the memory of these bytes of a mapped file back.
  static void give_back(std::span<const std::byte> mapped) noexcept;

 private:
  struct Piece {
    std::size_t begin = 0, size = 0;
    bool here = false;
    std::uint64_t wanted = 0;                  // by which call of before()
    std::list<std::uint32_t>::iterator place;  // in order_
  };

  std::span<const std::byte> constants_;
  const std::size_t budget_;
  std::map<std::pair<std::size_t, std::size_t>, std::uint32_t> known_;  // begin and size, number
  std::mutex mutex_;
  std::vector<Piece> pieces_;
  std::list<std::uint32_t> order_;  // the piece that was read longest ago in front
  std::size_t here_ = 0;            // bytes
  std::uint64_t calls_ = 0;
};

}  // namespace aitune
