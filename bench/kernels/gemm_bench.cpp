// gemm_bench [--level N] [--filter TEXT] [--bf16] [--avx2] [--all] [--cold]
// --cold: every call finds its weights outside the caches of the core, as in a network larger than them.
// Times the matrix products of well-known networks with every tactic, on one thread and on all.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "bench/kernels/cases.h"
#include "bench/kernels/peak.h"
#include "compiler/kernels/gemm.h"
#include "engines/cpu/compile/code_blob.h"
#include "engines/cpu/compile/codegen.h"
#include "engines/cpu/compile/gemm_candidates.h"

namespace {

using namespace aitune;
using kernels::GemmTile;

struct Options {
  int level = 3;
  std::string filter;
  DType dtype = DType::f32;
  bool avx2 = false, all = false, cold = false;
};

constexpr std::size_t kColdBytes = 256u << 20;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Tensor random_tensor(DType dtype, Shape shape) {
  static std::minstd_rand generator(1);
  Tensor t(DType::f32, std::move(shape));
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = uniform(generator);
  return dtype == DType::f32 ? t : t.to(dtype);
}

class Timing {
 public:
  Timing(const CpuTarget& target, const bench::GemmCase& c, bool cold)
      : target_(target),
        cold_(cold),
        case_(c),
        a_(random_tensor(c.kernel.a_type, {c.a_elements})),
        b_(random_tensor(c.kernel.b_type, c.b_shape)),
        c_(c.kernel.a_type, {c.c_elements}),
        bias_(random_tensor(DType::f32, {c.kernel.n.constant()})) {}

  /// Seconds of a call: the best, or, where the weights are cold, one that only a quarter beat.
  double run(const GemmTile& tile, ThreadPool& pool) {
    const std::string name = kernels::fingerprint(case_.kernel, tile);
    if (name != loaded_name_) {
      cpu::CodeGenerator generator(target_);
      generator.add(case_.kernel, tile, name);
      loaded_.emplace(generator.finish());
      loaded_name_ = name;
      packed_ = {b_};
      if (case_.kernel.b_strides.empty()) {
        const std::vector<std::byte> bytes = kernels::pack_b(case_.kernel, tile, b_);
        const std::size_t copies = cold_ ? std::clamp<std::size_t>(kColdBytes / bytes.size(), 1, 64) : 1;
        packed_.clear();
        for (std::size_t i = 0; i < copies; ++i) {
          packed_.emplace_back(DType::u8, Shape{static_cast<std::int64_t>(bytes.size())});
          std::memcpy(packed_.back().data(), bytes.data(), bytes.size());
        }
      }
    }
    void* buffers[] = {a_.data(), packed_[0].data(), c_.data(), bias_.data()};
    const aitune_cpu_kernel_args args{buffers, nullptr};
    const aitune_cpu_kernel function = loaded_->function(name);
    const std::int64_t tasks = kernels::task_count(case_.kernel, tile).constant();
    std::vector<double> times;
    const double start = now();
    for (int i = 0; i < 5 || (i < 2000 && now() - start < 0.15); ++i) {
      buffers[1] = packed_[static_cast<std::size_t>(i) % packed_.size()].data();
      const double before = now();
      pool.parallel_for(tasks, [&](std::int64_t begin, std::int64_t end) { function(&args, begin, end); });
      times.push_back(now() - before);
    }
    std::sort(times.begin(), times.end());
    return cold_ ? times[times.size() / 4] : times.front();
  }

 private:
  CpuTarget target_;
  const bench::GemmCase& case_;
  bool cold_;
  Tensor a_, b_, c_, bias_;
  std::vector<Tensor> packed_;
  std::string loaded_name_;
  std::optional<cpu::LoadedBlob> loaded_;
};

std::string describe(const GemmTile& t) {
  const std::string algorithm = t.winograd == 0 ? "" : fmt::format(" F({}) nb{}", t.winograd, t.n_block);
  return fmt::format("{}x{} ku{} mb{}{}{}", t.mr, t.nr, t.k_unroll, t.m_block, t.n_outer ? "n" : "m", algorithm) +
         (t.widen ? " wide" : "");
}

void run_case(const Options& options, const CpuTarget& target, const bench::GemmCase& c, double peak,
              double totals[3]) {
  ThreadPool one(1), all(0);
  Timing timing(target, c, options.cold);
  double best_one = 1e9, best_all = 1e9, first_all = 0;
  GemmTile best{};
  for (const GemmTile& tile : cpu::gemm_candidates(c.kernel, target, options.level)) {
    const double single = timing.run(tile, one), multi = timing.run(tile, all);
    if (first_all == 0) first_all = multi;
    if (multi < best_all) best = tile, best_all = multi;
    best_one = std::min(best_one, single);
    if (options.all) {
      fmt::print("    {:28} {:9.1f} us {:6.1f} GF/s | {:9.1f} us {:6.1f} GF/s\n", describe(tile), single * 1e6,
                 c.flops / single / 1e9, multi * 1e6, c.flops / multi / 1e9);
    }
  }
  totals[0] += best_one;
  totals[1] += best_all;
  totals[2] += c.flops;
  fmt::print(
      "{:30} {:9.1f} us {:6.1f} GF/s {:3.0f} % | {} threads {:9.1f} us {:6.1f} GF/s {:3.0f} % | first guess {:3.0f} %, "
      "best {}\n",
      c.name, best_one * 1e6, c.flops / best_one / 1e9, 100 * c.flops / best_one / peak, all.threads(), best_all * 1e6,
      c.flops / best_all / 1e9, 100 * c.flops / best_all / peak / all.threads(), 100 * best_all / first_all,
      describe(best));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--bf16")
      options.dtype = DType::bf16;
    else if (flag == "--avx2")
      options.avx2 = true;
    else if (flag == "--cold")
      options.cold = true;
    else if (flag == "--all")
      options.all = true;
    else if (flag == "--level" && i + 1 < argc)
      options.level = std::atoi(argv[++i]);
    else if (flag == "--filter" && i + 1 < argc)
      options.filter = argv[++i];
    else
      return fmt::print(stderr, "gemm_bench [--level N] [--filter TEXT] [--bf16] [--avx2] [--all] [--cold]\n"), 2;
  }
  CpuTarget target = host_cpu();
  if (options.avx2) target.avx512 = target.avx512_vnni = target.avx512_bf16 = false;
  const double peak = bench::measure_peak_flops();
  fmt::print("{}; peak {:.1f} GF/s a core (f32)\n", target.str(), peak / 1e9);
  double totals[3] = {};
  for (const bench::GemmCase& c : bench::all_cases(options.dtype)) {
    if (c.name.find(options.filter) != std::string::npos) run_case(options, target, c, peak, totals);
  }
  fmt::print("sum {:.1f} us | {:.1f} us, {:.2f} GFLOP\n", totals[0] * 1e6, totals[1] * 1e6, totals[2] / 1e9);
  return 0;
}
