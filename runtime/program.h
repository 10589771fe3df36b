#pragma once
// A loaded plan: constant, shared by all instances.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/threads.h"
#include "engines/cpu/run/code_segment.h"
#include "engines/cpu/run/onednn_step.h"
#include "format/manifest.h"
#include "format/plan.h"
#include "runtime/arena.h"
#include "runtime/plan_table.h"
#include "runtime/weight_stream.h"

namespace aitune {

struct ForeignConstants;  // runtime/archive.h
class ZipReader;

struct LoadOptions {
  int num_threads = 0;               ///< 0: as the plan says; the plan's 0: all CPUs
  std::shared_ptr<ThreadPool> pool;  ///< to share one among programs; empty: the program makes its own
  bool verify_checksums = true;      ///< false trusts the file system; structure and meaning are verified all the same
  std::string module;                ///< which module of the file, by name or number ("0"); empty: the first
  std::string precision;             ///< "fp32", "bf16" or "int8": no other plans; empty: what tuning preferred
  std::optional<CpuTarget> host;     ///< what the machine is taken to be; empty: what it is
  bool special_plans = true;         ///< false: the general plan serves all sizes
  /// Bytes of the weights that may be in memory at a time; the rest stays in the file and is read when it is wanted. 0:
  /// no limit, or, for a file that was tuned with enable_weight_streaming, what two steps in a row need.
  std::uint64_t weight_budget = 0;
};

/// A plan with its code mapped and its constants in place, and the special plans for some of its sizes. Constant after
/// it is made; any number of threads and instances may use it.
class Program {
 public:
  /// Opens the .ait at `path`, maps it, checks what will be used, and picks the first plan that this machine can run.
  /// Throws NotFound, IoError, Corrupt, Unsupported (also for a weight budget where the weights are in no mapped file),
  /// Unavailable (the plan calls oneDNN, which is not here), or Incompatible with what the file holds, what the machine
  /// is and what to do.
  static std::shared_ptr<const Program> open(const std::filesystem::path& path, const LoadOptions& options = {});
  /// The same from bytes of an .ait in memory, kept alive by `owner`, or, if that is null, by the caller.
  /// `where` names them in messages.
  static std::shared_ptr<const Program> from_bytes(std::span<const std::byte> archive, std::string_view where,
                                                   const LoadOptions& options = {},
                                                   std::shared_ptr<const void> owner = nullptr);
  /// From a serialised plan alone, without an .ait around it; there is no manifest then.
  static std::shared_ptr<const Program> from_plan(std::span<const std::byte> plan, std::string_view where,
                                                  const LoadOptions& options = {},
                                                  std::shared_ptr<const void> owner = nullptr);
  /// From what the compiler built, which need not outlive the program. `specials` share their constants with `built`
  /// (share_constants).
  static std::shared_ptr<const Program> from_built(const BuiltPlan& built, const LoadOptions& options = {},
                                                   std::span<const BuiltPlan> specials = {});

  const Plan& plan() const { return plan_; }
  std::span<const std::byte> constants() const { return constants_; }
  const cpu::CodeSegment& code() const { return code_; }
  /// The primitives of step `index`, which is of kind onednn.
  const cpu::OneDnnKernel& onednn(std::size_t index) const { return *onednn_.at(index); }
  /// Step `index` is about to run: with a weight budget, makes room for what it reads.
  void before_step(std::size_t index) const noexcept {
    if (stream_) stream_->before(streamed_[index]);
  }
  /// What keeps the weights to a budget; null where nothing does.
  const WeightStream* weight_stream() const { return stream_.get(); }
  ThreadPool& pool() const { return *pool_; }
  /// Null for a program made from a plan alone, and for special plans.
  const Manifest* manifest() const { return manifest_ ? &*manifest_ : nullptr; }
  /// The entry of the archive that the plan came from, or what from_plan was told.
  const std::string& where() const { return where_; }
  std::size_t special_count() const { return specials_.size(); }
  /// One of the special plans of `general`, as a program of its own. It keeps `general` alive.
  static std::shared_ptr<const Program> special(const std::shared_ptr<const Program>& general, std::size_t index) {
    return {general, general->specials_.at(index).get()};
  }
  /// The special plan for these inputs, or this program itself. Looks at sizes alone: whether the inputs fit is for
  /// bind_shapes to say. A lookup of well under a microsecond, without a lock.
  const Program& choose(std::span<const TensorRef> inputs) const noexcept;
  /// Of an input that the model writes to: which output holds what it is afterwards, and, where it is a buffer of the
  /// model, its name there and what it holds before the first call (undefined for an argument of forward()).
  struct State {
    std::size_t output = 0;
    std::string buffer;
    Tensor first_value;
  };
  /// nullptr for inputs that the model leaves alone, and of a program made from a plan alone.
  const State* state(std::size_t input) const {
    const auto found = states_.find(input);
    return found == states_.end() ? nullptr : &found->second;
  }
  /// Index of the input or output called `name`; empty if there is none.
  std::optional<std::size_t> find_input(std::string_view name) const;
  std::optional<std::size_t> find_output(std::string_view name) const;

 private:
  Program() = default;
  struct Source;  // where the plan's bytes are, and what of them has been checked
  static std::shared_ptr<Program> load(const Source& source, const LoadOptions& options);
  void add_special(const Source& source, const LoadOptions& options);
  void make_onednn_kernels();
  static std::shared_ptr<const Program> from_archive(const Source& archive, const LoadOptions& options);
  void read_states(const ZipReader& archive, const ManifestModule& module, bool verify);
  void share_constants_of(const Program* general);
  void place_constants(const ForeignConstants& constants, bool verify, bool give_back);
  void stream_weights(const Source& source, const LoadOptions& options);

  std::string where_;
  std::optional<Manifest> manifest_;
  std::shared_ptr<const void> owner_;  // of the bytes that constants_ points into
  Plan plan_;
  std::span<const std::byte> constants_;
  Arena constants_copy_;                        // used when the bytes are not aligned where they are
  std::shared_ptr<WeightStream> stream_;        // special plans have the general one's
  std::vector<WeightStream::Pieces> streamed_;  // by step
  cpu::CodeSegment code_;
  std::map<std::size_t, std::unique_ptr<const cpu::OneDnnKernel>> onednn_;  // by step
  std::map<std::size_t, State> states_;                                     // by input
  std::shared_ptr<ThreadPool> pool_;
  PlanTable table_;
  std::vector<std::shared_ptr<const Program>> specials_;  // a row of table_ each
};

}  // namespace aitune
