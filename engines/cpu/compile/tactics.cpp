#include "engines/cpu/compile/tactics.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/tensor.h"
#include "base/threads.h"
#include "compiler/kernels/functions.h"
#include "compiler/kernels/gemm.h"
#include "compiler/kernels/loop.h"
#include "compiler/kernels/winograd.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/timing_cache.h"
#include "engines/cpu/compile/codegen.h"
#include "engines/cpu/compile/gemm_candidates.h"
#include "engines/cpu/compile/search_time.h"
#include "engines/cpu/compile/time_runs.h"
#include "engines/cpu/run/code_segment.h"
#include "engines/cpu/run/kernel_step.h"

namespace aitune::cpu {
namespace {

/// oneDNN is tried from this optimization level on.
constexpr int kOneDnnLevel = 3;
constexpr const char* kGenerated = "generated";

std::string tile_name(const kernels::GemmTile& t) {
  return fmt::format("{}x{}x{}_ku{}_kb{}_mb{}_{}_wino{}_nb{}{}", t.mr, t.nr, t.lanes, t.k_unroll, t.k_block, t.m_block,
                     t.n_outer ? "n" : "m", t.winograd, t.n_block,
                     t.flat    ? "_amx_flat"
                     : t.amx   ? "_amx"
                     : t.widen ? "_widen"
                               : "");
}

/// Memory for one kernel's buffers at the opt shape, filled with small numbers.
class TrialMemory {
 public:
  TrialMemory(const LoweredBlock& block, const KernelTask& task, const SymValues& sizes) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (const int id : task.buffers) {
      if (id < 0) {
        tensors_.emplace_back();
        continue;
      }
      const LoweredBuffer& buffer = block.buffers[static_cast<std::size_t>(id)];
      Tensor memory(buffer.dtype, {std::max<std::int64_t>(1, buffer.elements.evaluate(sizes))});
      if (buffer.dtype == DType::f32)
        for (std::int64_t i = 0; i < memory.numel(); ++i) memory.as<float>()[i] = uniform(random);
      else if (buffer.dtype == DType::bf16)
        for (std::int64_t i = 0; i < memory.numel(); ++i)
          memory.as<std::uint16_t>()[i] = float_to_bf16(uniform(random));
      else if (buffer.dtype == DType::u8)
        std::ranges::generate(memory.as<std::uint8_t>(), memory.as<std::uint8_t>() + memory.numel(),
                              [&] { return static_cast<std::uint8_t>(random()); });
      tensors_.push_back(std::move(memory));
    }
    for (const auto& tensor : tensors_) pointers_.push_back(tensor.data());
  }
  /// Puts a packed operand into the slot kept for it.
  void set_packed(std::vector<std::byte> bytes) {
    packed_ = Tensor(DType::u8, {static_cast<std::int64_t>(bytes.size())});
    std::ranges::copy(bytes, packed_.data());
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (!tensors_[i].defined()) pointers_[i] = packed_.data();
  }
  void* const* pointers() const { return pointers_.data(); }

 private:
  std::vector<Tensor> tensors_;
  Tensor packed_;
  std::vector<void*> pointers_;
};

std::vector<std::int64_t> evaluate_all(const std::vector<SymInt>& params, const SymValues& sizes) {
  std::vector<std::int64_t> values;
  for (const auto& p : params) values.push_back(p.evaluate(sizes));
  return values;
}

Tensor weight_view(const KernelTask& task) {
  Shape shape = {task.gemm->k.begin(), task.gemm->k.end()};
  shape.push_back(task.gemm->n.constant());
  return Tensor(task.weight.dtype(), shape, task.weight_strides, task.weight.owner(), task.weight.data());
}

kernels::GemmTile time_candidates(const LoweredBlock& block, const KernelTask& task, const EngineOptions& options,
                                  const std::vector<kernels::GemmTile>& candidates, ThreadPool& pool,
                                  double* best_time) {
  const kernels::GemmKernel& kernel = *task.gemm;
  CodeGenerator generator(options.target);
  for (std::size_t i = 0; i < candidates.size(); ++i) generator.add(kernel, candidates[i], fmt::format("c{}", i));
  const CodeBlob blob = generator.finish();
  const CodeSegment code(blob.bytes);
  TrialMemory memory(block, task, options.opt_shape);
  const auto params = evaluate_all(kernels::collect_params(kernel), options.opt_shape);
  kernels::GemmTile best = candidates.front();
  *best_time = 1e30;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (task.weight.defined()) memory.set_packed(kernels::pack_b(kernel, candidates[i], weight_view(task)));
    const auto entry =
        std::ranges::find(blob.entries, fmt::format("c{}", i), &std::pair<std::string, std::size_t>::first);
    KernelCall call;
    call.function = code.entry(entry->second);
    call.args = {memory.pointers(), params.data()};
    call.tasks = kernels::task_count(kernel, candidates[i]).evaluate(options.opt_shape);
    const double t = time_runs([&] { run_kernel(call, pool); }, options.averaged_runs);
    if (t < *best_time) {
      *best_time = t;
      best = candidates[i];
    }
  }
  return best;
}

/// Whether Winograd's algorithm would be a candidate, for vectors of any size.
bool could_be_winograd(const kernels::GemmKernel& kernel) {
  constexpr int kFewestLanes = 8;
  return kernels::winograd_form(kernel, 2, kFewestLanes).has_value();
}

std::string timing_key(const KernelTask& task, const EngineOptions& options, const ThreadPool& pool) {
  std::string key = kernels::fingerprint(*task.gemm, kernels::GemmTile{}) + "|" + options.target.str() + "|" +
                    host_cpu_name() + "|" + host_cpu_details() + "|threads=" + std::to_string(pool.threads()) +
                    "|level=" + std::to_string(options.optimization_level);
  for (const auto& [name, value] : options.opt_shape) key += "|" + name + "=" + std::to_string(value);
  if (options.accurate && could_be_winograd(*task.gemm)) key += "|accurate";
  if (options.averaged_runs > 1) key += fmt::format("|average={}", options.averaged_runs);
  return key;
}

/// The key of a decision: what the choice was made for, on whatever machine.
std::string decision_key(const KernelTask& task, const EngineOptions& options) {
  std::string key = kernels::fingerprint(*task.gemm, kernels::GemmTile{}) + "|" + options.target.str();
  for (const auto& [name, value] : options.opt_shape) key += "|" + name + "=" + std::to_string(value);
  if (options.accurate && could_be_winograd(*task.gemm)) key += "|accurate";
  return key;
}

/// The nodes that the task computes, the product first: "linear_3 (head.fc)".
std::vector<std::string> name_nodes(const KernelTask& task) {
  std::vector<std::string> names;
  const auto add = [&](const Node* node) {
    const std::string& name = node->outputs.empty() ? std::string(node->op_name()) : node->outputs.front()->name;
    std::string text = node->source.module.empty() ? name : fmt::format("{} ({})", name, node->source.module);
    if (std::ranges::find(names, text) == names.end()) names.push_back(std::move(text));
  };
  if (task.product) add(task.product);
  for (const Node* node : task.sources) add(node);
  if (names.empty()) names.emplace_back("a product");
  return names;
}

/// Whether nothing may be chosen but what was chosen before.
bool is_final(const EngineOptions& options) { return options.timings && options.timings->is_final(); }

/// Whether the search is to end: what is not known yet is chosen by rule.
bool is_over(const EngineOptions& options) { return options.is_over && options.is_over(); }

/// The key of the product alone, whatever its epilogue does and the rest of its plan needs of the CPU.
std::string similar_key(const KernelTask& task, const EngineOptions& options, const ThreadPool& pool) {
  KernelTask plain;
  plain.gemm = task.gemm;
  plain.gemm->accesses.clear();
  plain.gemm->exprs.clear();
  plain.gemm->stores.clear();
  EngineOptions any;
  any.optimization_level = options.optimization_level;
  any.opt_shape = options.opt_shape;
  any.accurate = options.accurate;
  any.averaged_runs = options.averaged_runs;
  return timing_key(plain, any, pool);
}

/// What was fastest for this product before: with the same epilogue, or, where that may do, with another.
std::optional<Timing> known_choice(const std::string& key, const std::string& similar, const EngineOptions& options) {
  if (options.timings)
    if (auto known = options.timings->find(key)) return known;
  return options.similar && options.reuse_tactics ? options.similar->find(similar) : std::nullopt;
}

/// A tile, and what decided for it.
struct TileChoice {
  kernels::GemmTile tile;
  std::size_t candidates = 0;
  double microseconds = 0;  ///< 0: chosen by rule
  bool timed = false;       ///< just now
};

TileChoice choose_tile(const LoweredBlock& block, const KernelTask& task, const EngineOptions& options,
                       const std::optional<TacticDecision>& decided, ThreadPool& pool) {
  const auto candidates = gemm_candidates(*task.gemm, options.target, options.optimization_level, options.accurate);
  if (decided || is_final(options)) {
    const auto found =
        std::ranges::find_if(candidates, [&](const auto& c) { return decided && tile_name(c) == decided->tile; });
    if (found != candidates.end()) return {*found, candidates.size(), decided->microseconds};
    options.timings->miss(decided ? fmt::format("there is no tile '{}' for {}", decided->tile, name_nodes(task).front())
                                  : fmt::format("nothing was decided for {}", name_nodes(task).front()));
    return {candidates.front(), candidates.size()};
  }
  if (candidates.size() == 1 || options.optimization_level == 0) return {candidates.front(), candidates.size()};
  const std::string key = timing_key(task, options, pool), similar = similar_key(task, options, pool);
  if (const auto known = known_choice(key, similar, options))
    for (const auto& candidate : candidates)
      if (tile_name(candidate) == known->choice) {
        if (options.similar) options.similar->remember(similar, *known);
        return {candidate, candidates.size(), known->microseconds};
      }
  if (is_over(options)) return {candidates.front(), candidates.size()};
  double time = 0;
  const auto best = time_candidates(block, task, options, candidates, pool, &time);
  if (options.timings) options.timings->remember(key, {tile_name(best), time});
  if (options.similar) options.similar->remember(similar, {tile_name(best), time});
  return {best, candidates.size(), time, true};
}

/// The library, where it may and can be used.
std::shared_ptr<const OneDnn> open_onednn(const EngineOptions& options) {
  if (!options.onednn || options.optimization_level < kOneDnnLevel) return nullptr;
  try {
    return OneDnn::open();
  } catch (const Unavailable& e) {
    if (std::getenv("AITUNE_ONEDNN") && options.progress) options.progress->warn(e.what());
    return nullptr;
  }
}

std::shared_ptr<const OneDnnKernel> make_kernel(const std::shared_ptr<const OneDnn>& library,
                                                const OneDnnCandidate& candidate) {
  try {
    return std::make_shared<OneDnnKernel>(library, candidate.payload, "tuning");
  } catch (const Unsupported&) {
    return nullptr;
  }
}

double time_onednn(const LoweredBlock& block, const KernelTask& task, const EngineOptions& options,
                   const OneDnnTactic& tactic, ThreadPool& pool) {
  TrialMemory memory(block, task, options.opt_shape);
  auto packed = pack_for_onednn(task, tactic.candidate, *tactic.kernel);
  memory.set_packed(packed.front());
  std::vector<void*> buffers(memory.pointers(), memory.pointers() + task.buffers.size());
  for (std::size_t i = 1; i < packed.size(); ++i) buffers.push_back(packed[i].data());
  BoundOneDnn bound(*tactic.kernel, buffers.data(), pool.threads());
  return time_runs([&] { bound.run(pool); }, options.averaged_runs);
}

/// A call of oneDNN that was decided for.
std::optional<OneDnnTactic> decided_onednn(const LoweredBlock& block, const KernelTask& task,
                                           const EngineOptions& options, const std::string& decided,
                                           const std::shared_ptr<const OneDnn>& library, ThreadPool& pool) {
  if (decided.empty()) return std::nullopt;
  if (library) {
    for (const OneDnnCandidate& candidate : onednn_candidates(block, task, pool.threads()))
      if (candidate.name == decided)
        if (auto kernel = make_kernel(library, candidate)) return OneDnnTactic{candidate, std::move(kernel)};
  }
  options.timings->miss(fmt::format("oneDNN does not do {} as '{}' here", name_nodes(task).front(), decided));
  return std::nullopt;
}

/// What a choice of oneDNN was made among, and the time of what was chosen.
struct OneDnnChoice {
  std::optional<OneDnnTactic> tactic;
  std::size_t candidates = 0;
  double microseconds = 0;  ///< 0: nothing was timed
};

/// The fastest way through oneDNN, if it beats the best of our kernels; by the timing cache, or by a race of the two.
OneDnnChoice choose_onednn(const LoweredBlock& block, const KernelTask& task, const EngineOptions& options,
                           const kernels::GemmTile& ours, const std::shared_ptr<const OneDnn>& library,
                           ThreadPool& pool) {
  const auto candidates = onednn_candidates(block, task, pool.threads());
  if (candidates.empty()) return {};
  const std::string suffix = "|onednn-" + library->version();
  const std::string key = timing_key(task, options, pool) + suffix;
  const std::string similar = similar_key(task, options, pool) + suffix;
  if (const auto known = known_choice(key, similar, options)) {
    if (options.similar) options.similar->remember(similar, *known);
    if (known->choice == kGenerated) return {std::nullopt, candidates.size(), known->microseconds};
    const auto found = std::ranges::find(candidates, known->choice, &OneDnnCandidate::name);
    if (found != candidates.end())
      if (auto kernel = make_kernel(library, *found))
        return {OneDnnTactic{*found, std::move(kernel)}, candidates.size(), known->microseconds};
  }
  if (is_over(options)) return {};
  double to_beat = 0, time = 1e30;
  time_candidates(block, task, options, {ours}, pool, &to_beat);
  std::optional<OneDnnTactic> best;
  for (const auto& candidate : candidates) {
    OneDnnTactic tactic{candidate, make_kernel(library, candidate)};
    if (!tactic.kernel) continue;
    const double t = time_onednn(block, task, options, tactic, pool);
    if (t >= time) continue;
    time = t;
    best = std::move(tactic);
  }
  if (time > to_beat * options.onednn_share) best.reset();
  const Timing outcome = best ? Timing{best->candidate.name, time} : Timing{kGenerated, to_beat};
  if (options.timings) options.timings->remember(key, outcome);
  if (options.similar) options.similar->remember(similar, outcome);
  return {std::move(best), candidates.size(), outcome.microseconds};
}

struct TaskChoice {
  kernels::GemmTile tile;
  std::optional<OneDnnTactic> onednn;
  std::size_t timed = 0;    ///< candidates that were
  double microseconds = 0;  ///< of the fastest of these
};

/// Chooses, and notes what was chosen. What was decided already, in an earlier tuning or for an earlier block of this
/// plan, stays.
TaskChoice choose(const LoweredBlock& block, const KernelTask& task, const EngineOptions& options,
                  const std::shared_ptr<const OneDnn>& library, ThreadPool& pool) {
  const std::string key = decision_key(task, options);
  const auto decided = options.timings ? options.timings->decided(key) : std::nullopt;
  const TileChoice tile = choose_tile(block, task, options, decided, pool);
  TacticDecision decision{tile_name(tile.tile), {}, tile.candidates, tile.microseconds, name_nodes(task)};
  TaskChoice choice{tile.tile, std::nullopt, tile.timed ? tile.candidates : 0, tile.microseconds};
  if (decided) {
    choice.onednn = decided_onednn(block, task, options, decided->onednn, library, pool);
    decision.candidates = decided->candidates;
    decision.nodes = decided->nodes;
  } else if (library && !is_final(options)) {
    OneDnnChoice other = choose_onednn(block, task, options, tile.tile, library, pool);
    decision.candidates += other.candidates;
    if (other.microseconds > 0) decision.microseconds = other.microseconds;
    choice.onednn = std::move(other.tactic);
  }
  if (choice.onednn) decision.onednn = choice.onednn->candidate.name;
  if (options.timings) options.timings->decide(key, std::move(decision));
  return choice;
}

}  // namespace

namespace {

double operations(const kernels::GemmKernel& kernel, const SymValues& sizes) {
  double product = 2 * static_cast<double>(kernel.n.evaluate(sizes));
  for (const std::vector<SymInt>* dims : {&kernel.batch, &kernel.m})
    for (const SymInt& dim : *dims) product *= static_cast<double>(dim.evaluate(sizes));
  for (const std::int64_t dim : kernel.k) product *= static_cast<double>(dim);
  return product;
}

double functions(const kernels::GemmKernel& kernel) {
  return static_cast<double>(
      std::ranges::count_if(kernel.exprs, [](const kernels::Expr& e) { return kernels::is_function(e.op); }));
}

double packed_bytes(const KernelTask& task) {
  return task.weight.defined() ? static_cast<double>(task.weight.byte_size()) : 0;
}

/// Whether candidates would be timed for the task.
bool needs_search(const KernelTask& task, const EngineOptions& options, ThreadPool& pool) {
  if (options.optimization_level == 0 || is_final(options)) return false;
  if (options.timings && options.timings->decided(decision_key(task, options))) return false;
  return !known_choice(timing_key(task, options, pool), similar_key(task, options, pool), options);
}

SearchTime search_time(const LoweredBlock& block, const EngineOptions& options, ThreadPool& pool) {
  std::map<std::string, SearchTime::Work> products;
  std::set<std::string> loops;
  SearchTime::Code code;
  for (const KernelTask& task : block.tasks) {
    if (!task.gemm) {
      loops.insert(kernels::fingerprint(*task.loop, kernels::default_schedule(*task.loop, options.target)));
      continue;
    }
    code.packed += packed_bytes(task);
    const auto [it, is_new] = products.try_emplace(kernels::fingerprint(*task.gemm, kernels::GemmTile{}));
    if (!is_new || !needs_search(task, options, pool)) continue;
    const std::size_t candidates =
        gemm_candidates(*task.gemm, options.target, options.optimization_level, options.accurate).size();
    if (candidates > 1)
      it->second = {candidates, operations(*task.gemm, options.opt_shape), functions(*task.gemm), packed_bytes(task)};
  }
  code.kernels = products.size() + loops.size();
  return {std::move(products), code, options.averaged_runs};
}

}  // namespace

std::vector<Tactic> choose_tactics(const LoweredBlock& block, const EngineOptions& options) {
  ThreadPool pool(options.num_threads);
  const auto onednn = open_onednn(options);
  std::set<std::string> problems;
  for (const KernelTask& task : block.tasks)
    if (task.gemm) problems.insert(kernels::fingerprint(*task.gemm, kernels::GemmTile{}));
  std::map<std::string, TaskChoice> choices;
  std::optional<SearchTime> time;
  if (options.progress) time = search_time(block, options, pool);
  const auto report = [&](const std::string& what) {
    if (!options.progress) return;
    options.progress->step(what, choices.size(), problems.size());
    if (const auto left = time->left()) options.progress->ahead(*left);
  };
  std::vector<Tactic> tactics;
  for (const KernelTask& task : block.tasks) {
    Tactic tactic;
    if (task.gemm) {
      const std::string problem = kernels::fingerprint(*task.gemm, kernels::GemmTile{});
      auto known = choices.find(problem);
      if (known == choices.end()) {
        report(problem);
        const auto begin = std::chrono::steady_clock::now();
        known = choices.emplace(problem, choose(block, task, options, onednn, pool)).first;
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        if (time) time->done(problem, took.count(), known->second.timed, known->second.microseconds * 1e-6);
      }
      tactic.tile = known->second.tile;
      tactic.onednn = known->second.onednn;
      tactic.key = tactic.onednn ? "onednn_" + tactic.onednn->candidate.name + "_" + problem
                                 : kernels::fingerprint(*task.gemm, tactic.tile);
    } else {
      tactic.schedule = kernels::default_schedule(*task.loop, options.target);
      tactic.key = kernels::fingerprint(*task.loop, tactic.schedule);
    }
    tactics.push_back(std::move(tactic));
  }
  if (!problems.empty()) report("code");
  return tactics;
}

}  // namespace aitune::cpu
