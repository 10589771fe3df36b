#include "tools/interrupt.h"

#include <csignal>

namespace aitune::tools {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
volatile std::sig_atomic_t noted = 0;

void note(int number) {
  noted = number;
  for (const int each : kSignals) std::signal(each, SIG_DFL);
}

}  // namespace

Interrupt::Interrupt() {
  noted = 0;
  for (const int each : kSignals) {
    struct sigaction action = {};
    if (sigaction(each, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigaction(each, &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  for (const int each : kSignals) {
    struct sigaction action = {};
    if (sigaction(each, nullptr, &action) == 0 && action.sa_handler == note) std::signal(each, SIG_DFL);
  }
}

int Interrupt::signal() { return noted; }

}  // namespace aitune::tools
