#include "tools/crash.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string_view>

#include "tools/terminal.h"

namespace aitune::tools {
namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
constexpr std::size_t kStackBytes = 64 << 10;

// Only what is safe in a signal handler: no memory is allocated, nothing is locked.
extern "C" void report_crash(int signal) {
  constexpr std::string_view changed =
      "aitune: a file changed, or its disk failed, while it was being read. Keep files as they are while they are in "
      "use\n";
  constexpr std::string_view crashed =
      "aitune: it crashed. If an .ait file was altered, make or copy it again (aitune verify names the block); "
      "otherwise this is a bug of aitune: please report it with the command line\n";
  const std::string_view text = signal == SIGBUS ? changed : crashed;
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
  _exit(signal == SIGBUS ? kExitMachine : kExitInternal);
}

}  // namespace

void report_crashes() {
  // A stack of its own: the crash may be that of a stack that is full.
  void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  const stack_t stack{memory, 0, kStackBytes};
  sigaltstack(&stack, nullptr);
  struct sigaction action{};
  action.sa_handler = report_crash;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

void die_of_crashes() {
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

}  // namespace aitune::tools
