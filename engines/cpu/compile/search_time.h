#pragma once
// How long the search for a block's tactics will still take.

#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace aitune::cpu {

/// Products are searched one after another. How much work each is, relative to the others, is known beforehand: its
/// candidates are made, which takes about as long for each, their weights are packed, and they are timed, which takes
/// as long as they run. How fast this machine does it is known from the products that were searched.
class SearchTime {
 public:
  struct Work {
    std::size_t candidates = 0;  ///< 0: nothing will be timed
    double operations = 0;       ///< of one run: multiplications and additions
    double functions = 0;        ///< in the epilogue (is_function): each doubles the code
    double packed = 0;           ///< bytes of weights that are packed anew for each candidate
  };
  /// What follows the search.
  struct Code {
    std::size_t kernels = 0;  ///< that are made
    double packed = 0;        ///< bytes of weights that are packed
  };
  /// `averaged_runs`: see EngineOptions.
  SearchTime(std::map<std::string, Work> products, Code code, int averaged_runs);

  /// The product took so many seconds, and `timed` candidates, the fastest of which runs for `best` seconds. 0
  /// candidates: it was known.
  void done(const std::string& product, double seconds, std::size_t timed, double best);
  /// Seconds until all products are searched and their code is made; nothing while too few have been timed to say.
  std::optional<double> left() const;

 private:
  double weight(const Work& work) const;
  double run_seconds(double operations) const;

  std::map<std::string, Work> products_;  // those to come
  std::map<std::string, Work> searched_;
  Code code_;
  double averaged_runs_ = 1;
  double seconds_ = 0, operations_ = 0, best_seconds_ = 0;  // of what was searched
};

}  // namespace aitune::cpu
