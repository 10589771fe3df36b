#include "runtime/instance_pool.h"

namespace aitune {

std::unique_ptr<InstancePool::Slot> InstancePool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto slot = std::move(idle_.back());
      idle_.pop_back();
      return slot;
    }
  }
  return std::make_unique<Slot>(program_);
}

void InstancePool::give_back(std::unique_ptr<Slot> slot) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(slot));
  } catch (const std::exception&) {
    // Memory to remember it is refused: the slot is freed, and a later caller makes another.
  }
}

}  // namespace aitune
