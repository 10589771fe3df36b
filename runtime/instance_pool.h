#pragma once
// Instances for many callers of one program.

#include <memory>
#include <mutex>
#include <vector>

#include "runtime/instance.h"

namespace aitune {

/// Lends an instance to each caller and makes a new one when all are out. Safe from many threads.
class InstancePool {
 public:
  explicit InstancePool(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  const Program& program() const { return *program_; }

  /// An instance with room to refer to a caller's tensors without allocating.
  struct Slot {
    explicit Slot(std::shared_ptr<const Program> program) : instance(std::move(program)) {}
    Instance instance;
    std::vector<TensorRef> inputs, outputs;
  };

  /// An instance of one caller, given back when this dies. The pool must outlive it.
  class Lease {
   public:
    explicit Lease(InstancePool& pool) : pool_(pool), slot_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(slot_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Slot* operator->() const { return slot_.get(); }

   private:
    InstancePool& pool_;
    std::unique_ptr<Slot> slot_;
  };

 private:
  std::unique_ptr<Slot> take();
  void give_back(std::unique_ptr<Slot> slot) noexcept;

  std::shared_ptr<const Program> program_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Slot>> idle_;  // the one used last at the back: its memory is the warmest
};

}  // namespace aitune
