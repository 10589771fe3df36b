#pragma once
// A pool of threads for work that takes microseconds: workers spin briefly for the next job, then park.

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace aitune {

/// `threads - 1` workers and the caller share the tasks of one job at a time. Any number of threads may call
/// parallel_for; while the pool has a job, and from inside a task, a call simply runs on its own thread. Parked workers
/// cost nothing. Nothing is allocated after construction.
class ThreadPool {
 public:
  /// @param threads  threads that work on a job, the caller among them; 0 means host_cpu_count(), 1 means no workers.
  explicit ThreadPool(int threads = 0);
  /// Waits for the workers. No parallel_for may be under way.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls fn(begin, end) for ranges that together cover [0, tasks) once; returns when all have finished, and their
  /// writes are visible. Ranges run on several threads at once, largest first. fn must not throw (std::terminate).
  template <typename Fn>
  void parallel_for(std::int64_t tasks, const Fn& fn) {
    static_assert(std::is_invocable_v<const Fn&, std::int64_t, std::int64_t>);
    run({[](const void* context, std::int64_t begin, std::int64_t end) noexcept {
           (*static_cast<const Fn*>(context))(begin, end);
         },
         &fn, tasks});
  }

 private:
  struct Job {
    void (*call)(const void* context, std::int64_t begin, std::int64_t end) noexcept = nullptr;
    const void* context = nullptr;
    std::int64_t tasks = 0;
  };

  void run(const Job& job);
  void publish(const Job& job);
  void finish_job();
  void work_through(const Job& job);
  void worker_main();
  std::uint32_t wait_for_job(std::uint32_t last_epoch);
  bool join(std::uint32_t epoch);

  Job job_;                                          // written while the job is closed and nobody is in it
  alignas(64) std::atomic<std::int64_t> next_{0};    // first task not handed out
  alignas(64) std::atomic<std::uint64_t> state_{0};  // epoch << 32 | open bit | workers in the job
  alignas(64) std::atomic<std::uint32_t> epoch_{0};  // what parked workers wait on
  std::atomic<std::uint32_t> parked_{0};
  std::atomic<bool> stopping_{false};
  alignas(64) std::atomic<bool> busy_{false};  // a caller owns the pool
  std::vector<std::thread> workers_;
};

}  // namespace aitune
