#pragma once
// What long work reports while it runs.

#include <functional>
#include <string>
#include <string_view>

namespace aitune {

/// Receives the stages of tuning. The base class ignores everything. Called from the thread that tunes.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A new stage begins: "import", "lower", "tune", ...
  virtual void stage(std::string_view name) { (void)name; }
  /// What is being tried now, and how far the stage is: done of total (0 of 0 if unknown; all of
  /// them: what follows the steps).
  virtual void step(std::string_view what, std::size_t done, std::size_t total) { (void)what, (void)done, (void)total; }
  /// The rest of this block will take about so long from now on, by what was measured.
  virtual void ahead(double seconds) { (void)seconds; }
  /// Block `index` of `total` is being built now; what is inside of branches and loops counts as part of them.
  virtual void block(std::string_view name, std::size_t index, std::size_t total) {
    (void)name, (void)index, (void)total;
  }
  /// A plan has been built and measured, and gives the right outputs.
  virtual void measured(std::string_view plan, double milliseconds) { (void)plan, (void)milliseconds; }
  /// Something that the user should know.
  virtual void warn(std::string_view message) { (void)message; }
};

}  // namespace aitune
