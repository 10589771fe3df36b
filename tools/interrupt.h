#pragma once
// Ctrl-C and SIGTERM as a wish to end soon.

namespace aitune::tools {

/// From construction on, the first SIGINT or SIGTERM is only noted, and the second one ends the process as ever. A
/// signal that was ignored stays so. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// The signal that came, or 0.
  static int signal();
};

}  // namespace aitune::tools
