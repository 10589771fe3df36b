#include "base/threads.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>

#include "base/target.h"

namespace aitune {
namespace {

// Longer than the gaps between the steps of a plan, shorter than anybody's idea of an idle process using the CPU.
constexpr auto kSpin = std::chrono::microseconds(50);
constexpr std::uint64_t kOpen = std::uint64_t{1} << 31;
constexpr std::uint64_t kCountMask = kOpen - 1;

std::uint32_t epoch_of(std::uint64_t state) { return static_cast<std::uint32_t>(state >> 32); }

void pause() { __builtin_ia32_pause(); }

// std::atomic::wait keeps a process-wide table and spins by itself; the plain futex does neither.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) {
  static_assert(sizeof(word) == sizeof(std::uint32_t));
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake_all(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/// Spins until `done`, for kSpin at most. Whether it was.
template <typename Done>
bool spin_until(const Done& done) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = host_cpu_count();
  workers_.reserve(static_cast<std::size_t>(threads) - 1);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { worker_main(); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  epoch_.fetch_add(1);
  futex_wake_all(epoch_);
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(const Job& job) {
  if (job.tasks <= 0) return;
  if (job.tasks == 1 || workers_.empty() || busy_.exchange(true, std::memory_order_acquire)) {
    job.call(job.context, 0, job.tasks);
    return;
  }
  publish(job);
  work_through(job);
  finish_job();
  busy_.store(false, std::memory_order_release);
}

void ThreadPool::publish(const Job& job) {
  job_ = job;
  next_.store(0, std::memory_order_relaxed);
  const std::uint32_t epoch = epoch_of(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(std::uint64_t{epoch} << 32 | kOpen, std::memory_order_release);
  // Sequentially consistent, as is parking: either the worker sees the new epoch or we see it parked.
  epoch_.store(epoch);
  if (parked_.load() != 0) futex_wake_all(epoch_);
}

/// Closes the job to late workers and waits for those inside. Those that never woke up are not waited for.
void ThreadPool::finish_job() {
  state_.fetch_and(~kOpen, std::memory_order_acq_rel);
  const auto empty = [this] { return (state_.load(std::memory_order_acquire) & kCountMask) == 0; };
  while (!spin_until(empty)) std::this_thread::yield();  // a worker was preempted: leave it the CPU
}

/// Hands out half of a fair share of what is left each time: few visits to the counter, and an even end.
void ThreadPool::work_through(const Job& job) {
  const std::int64_t share = 2 * std::int64_t{threads()};
  std::int64_t begin = next_.load(std::memory_order_relaxed);
  while (begin < job.tasks) {
    const std::int64_t end = begin + std::max<std::int64_t>(1, (job.tasks - begin) / share);
    if (!next_.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
    job.call(job.context, begin, end);
    begin = next_.load(std::memory_order_relaxed);
  }
}

bool ThreadPool::join(std::uint32_t epoch) {
  std::uint64_t state = state_.load(std::memory_order_acquire);
  while ((state & kOpen) != 0 && epoch_of(state) == epoch) {
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

/// The epoch after `last_epoch`, or `last_epoch` itself when the pool stops.
std::uint32_t ThreadPool::wait_for_job(std::uint32_t last_epoch) {
  const auto changed = [&] { return epoch_.load(std::memory_order_acquire) != last_epoch; };
  while (!spin_until(changed)) {
    parked_.fetch_add(1);
    futex_wait(epoch_, last_epoch);
    parked_.fetch_sub(1);
  }
  return epoch_.load(std::memory_order_acquire);
}

void ThreadPool::worker_main() {
  std::uint32_t epoch = 0;
  while (true) {
    epoch = wait_for_job(epoch);
    if (stopping_.load()) return;
    if (!join(epoch)) continue;
    const Job job = job_;
    work_through(job);
    state_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace aitune
