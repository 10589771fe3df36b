#pragma once
// Steps of kind onednn: primitives made once for a plan, and calls of them bound to memory.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "engines/cpu/run/onednn_library.h"
#include "format/onednn_payload.h"

namespace aitune::cpu {

/// The primitives of one step. Constant after it is made; any thread may use it.
class OneDnnKernel {
 public:
  /// Makes a primitive of each part. A part without a layout gets the one that this oneDNN likes best (tuning does
  /// this); one with a layout must want the same here. Throws Incompatible where it does not, Unsupported where oneDNN
  /// has no such primitive, or only a slow one.
  OneDnnKernel(std::shared_ptr<const OneDnn> library, OneDnnPayload payload, std::string_view where);

  const OneDnn& library() const { return *library_; }
  /// With every layout filled in.
  const OneDnnPayload& payload() const { return payload_; }
  const dnnl::MemoryDescObject* weights_desc(std::size_t part) const { return parts_[part].weights.get(); }
  std::size_t weights_bytes(std::size_t part) const;

 private:
  friend class BoundOneDnn;
  struct Part {
    OneDnnPtr<dnnl::MemoryDescObject> src{nullptr, nullptr}, weights{nullptr, nullptr}, bias{nullptr, nullptr},
        dst{nullptr, nullptr}, residual{nullptr, nullptr}, scratchpad{nullptr, nullptr};
    OneDnnPtr<dnnl::PrimitiveObject> primitive{nullptr, nullptr};
  };
  Part make_part(const OneDnnPart& part, std::string_view where) const;
  OneDnnPtr<dnnl::PrimitiveDescObject> describe(const OneDnnPart& part, Part& made, std::string_view where) const;
  OneDnnPtr<dnnl::AttrObject> attributes(const Part& made) const;
  std::vector<std::int64_t> layout_of(const dnnl::MemoryDescObject* desc) const;

  std::shared_ptr<const OneDnn> library_;
  OneDnnPayload payload_;
  std::vector<Part> parts_;
};

/// A step's calls in memory. Used by one thread at a time, which may have a pool help it.
class BoundOneDnn {
 public:
  /// The kernel and the array `buffers` (base addresses in the order of PlanStep::buffers, read at every run) outlive
  /// this.
  BoundOneDnn(const OneDnnKernel& kernel, void* const* buffers, int threads);
  BoundOneDnn(const BoundOneDnn&) = delete;
  BoundOneDnn& operator=(const BoundOneDnn&) = delete;
  /// Makes all calls. Throws InternalError if oneDNN refuses one.
  void run(ThreadPool& pool);

 private:
  /// What one part needs to be executed by one thread.
  struct Slot {
    OneDnnPtr<dnnl::MemoryObject> src{nullptr, nullptr}, weights{nullptr, nullptr}, bias{nullptr, nullptr},
        dst{nullptr, nullptr}, residual{nullptr, nullptr}, scratchpad{nullptr, nullptr};
    std::vector<dnnl::ExecArg> args;
  };
  /// One thread's own objects.
  struct Lane {
    OneDnnPtr<dnnl::StreamObject> stream{nullptr, nullptr};
    Tensor scratch;
    std::vector<Slot> slots;
  };
  Lane make_lane() const;
  Slot make_slot(const OneDnnKernel::Part& part, void* scratch) const;
  void run_lane(Lane& lane) noexcept;
  dnnl::Status execute(Lane& lane, const OneDnnCall& call) noexcept;

  const OneDnnKernel& kernel_;
  void* const* buffers_;
  std::vector<Lane> lanes_;
  std::atomic<std::size_t> next_{0};
  std::atomic<dnnl::Status> failure_{dnnl::kSuccess};
};

}  // namespace aitune::cpu
