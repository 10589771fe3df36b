#include "tools/apart.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "tools/crash.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

constexpr int kPatienceSeconds = 60;  // for one step; the slowest that is right takes a small part of it

[[noreturn]] void refuse(const std::string& what) {
  throw IoError(fmt::format("{}: {}", what, std::strerror(errno)), "", "Check the limits of this process");
}

std::shared_ptr<Whereabouts> shared_whereabouts() {
  void* memory = mmap(nullptr, sizeof(Whereabouts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) refuse("cannot share memory");
  return {new (memory) Whereabouts, [](Whereabouts* w) { munmap(w, sizeof *w); }};
}

[[noreturn]] void be_the_child(const bool& json, const std::function<void()>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  die_of_crashes();
  const int status = guarded(json, [&] {
    body();
    flush_output();
  });
  std::fflush(stdout);  // of an error's object
  _exit(status);
}

}  // namespace

void Whereabouts::next(std::string_view what) {
  const auto size = std::min(what.size(), sizeof what_ - 1);
  std::memcpy(what_, what.data(), size);
  what_[size] = 0;
  std::atomic_ref(count_).fetch_add(1);
}

int run_apart(const bool& json, const std::string& subject, const std::function<void(Whereabouts&)>& body) {
  const auto whereabouts = shared_whereabouts();
  int ends[2];  // the child holds the writing end: the reading end hangs up when it ends
  if (pipe2(ends, O_CLOEXEC) != 0) refuse("cannot make a pipe");
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) refuse("cannot start a process");
  if (child == 0) be_the_child(json, [&] { body(*whereabouts); });
  close(ends[1]);
  std::uint64_t seen = 0;
  int idle = 0;
  bool stuck = false;
  for (pollfd end{ends[0], POLLIN, 0}; !stuck && poll(&end, 1, 1000) <= 0;) {
    const std::uint64_t count = std::atomic_ref(whereabouts->count_).load();
    idle = count == seen ? idle + 1 : 0;
    seen = count;
    stuck = idle >= kPatienceSeconds;
  }
  close(ends[0]);
  if (stuck) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!stuck && WIFEXITED(status)) return WEXITSTATUS(status);
  const std::string how = stuck ? fmt::format("did not end within {} s", kPatienceSeconds)
                                : fmt::format("crashed ({})", strsignal(WTERMSIG(status)));
  throw ValidationError(fmt::format("{} {}", whereabouts->what_, how), subject,
                        "The file was altered, or made for another machine: tune the model again on this one");
}

}  // namespace aitune::tools
