#pragma once
// For tests: compiles kernels for every instruction set that this machine can run, runs them beside the interpreter on
// buffers that end at an unmapped page, and compares.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compiler/kernels/interpret.h"
#include "compiler/kernels/kernel.h"
#include "compiler/kernels/loop.h"
#include "engines/cpu/compile/code_blob.h"
#include "engines/cpu/compile/codegen.h"

namespace aitune::cpu::test {

/// AVX2, and AVX-512 with and without bf16 instructions where this machine has them.
inline std::vector<CpuTarget> runnable_targets() {
  std::vector<CpuTarget> targets;
  for (const CpuTarget& t : {CpuTarget{.avx2_fma = true}, CpuTarget{.avx2_fma = true, .avx512 = true},
                             CpuTarget{.avx2_fma = true, .avx512 = true, .avx512_bf16 = true}}) {
    if (host_cpu().covers(t)) targets.push_back(t);
  }
  return targets;
}

/// Memory whose first or last byte borders on a page that cannot be touched.
class GuardedBuffer {
 public:
  GuardedBuffer(std::size_t size, bool at_end) : size_(size) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t body = (std::max<std::size_t>(size, 1) + page - 1) / page * page;
    mapped_ = body + 2 * page;
    base_ =
        static_cast<std::byte*>(::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    ::mprotect(base_, page, PROT_NONE);
    ::mprotect(base_ + page + body, page, PROT_NONE);
    data_ = at_end ? base_ + page + body - size : base_ + page;
  }
  GuardedBuffer(GuardedBuffer&& other) noexcept { *this = std::move(other); }
  GuardedBuffer& operator=(GuardedBuffer&& other) noexcept {
    std::swap(base_, other.base_), std::swap(data_, other.data_);
    std::swap(size_, other.size_), std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~GuardedBuffer() {
    if (base_) ::munmap(base_, mapped_);
  }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte *base_ = nullptr, *data_ = nullptr;
  std::size_t size_ = 0, mapped_ = 0;
};

/// The buffers of one kernel: sizes from its accesses, contents random.
class KernelData {
 public:
  KernelData(const kernels::LoopKernel& kernel, const SymValues& sizes, std::mt19937& random) {
    std::vector<std::int64_t> extents;
    for (const auto* list : {&kernel.outer, &kernel.inner}) {
      for (const SymInt& e : *list) extents.push_back(e.evaluate(sizes));
    }
    std::vector<std::size_t> bytes(static_cast<std::size_t>(kernel.buffer_count));
    dtypes_.assign(bytes.size(), DType::f32);
    for (const kernels::Access& a : kernel.accesses) {
      std::int64_t last = a.offset.evaluate(sizes);
      for (std::size_t d = 0; d < extents.size(); ++d) {
        last += std::max<std::int64_t>(0, a.strides[d].evaluate(sizes) * (extents[d] - 1));
      }
      if (a.indirect >= 0) last += a.indirect_stride.evaluate(sizes) * (a.indirect_extent.evaluate(sizes) - 1);
      const auto b = static_cast<std::size_t>(a.buffer);
      bytes[b] = std::max(bytes[b], static_cast<std::size_t>(last + 1) * dtype_size(a.dtype));
      dtypes_[b] = a.dtype;
    }
    const bool at_end = random() % 2;
    std::uniform_real_distribution<double> real(-2, 2);
    for (std::size_t b = 0; b < bytes.size(); ++b) {
      buffers_.emplace_back(bytes[b], at_end);
      for (std::size_t i = 0; i < bytes[b] / dtype_size(dtypes_[b]); ++i) {
        const double value = is_floating(dtypes_[b]) ? real(random) : static_cast<double>(random() % 7) - 2;
        kernels::store_element(buffers_[b].data(), dtypes_[b], static_cast<std::int64_t>(i), value);
      }
    }
  }
  KernelData clone() const {
    KernelData copy;
    copy.dtypes_ = dtypes_;
    for (const GuardedBuffer& b : buffers_) {
      copy.buffers_.emplace_back(b.size(), b.size() % 2 == 0);
      std::memcpy(copy.buffers_.back().data(), b.data(), b.size());
    }
    return copy;
  }
  std::vector<void*> pointers() const {
    std::vector<void*> p;
    for (const GuardedBuffer& b : buffers_) p.push_back(b.data());
    return p;
  }
  std::size_t count() const { return buffers_.size(); }
  DType dtype(std::size_t b) const { return dtypes_[b]; }
  std::int64_t elements(std::size_t b) const {
    return static_cast<std::int64_t>(buffers_[b].size() / dtype_size(dtypes_[b]));
  }
  double get(std::size_t b, std::int64_t i) const { return kernels::load_element(buffers_[b].data(), dtypes_[b], i); }
  void set(std::size_t b, std::int64_t i, double v) { kernels::store_element(buffers_[b].data(), dtypes_[b], i, v); }

 private:
  KernelData() = default;
  std::vector<GuardedBuffer> buffers_;
  std::vector<DType> dtypes_;
};

/// Calls a generated function on all its tasks, in pieces and out of order.
inline void run_tasks(aitune_cpu_kernel function, const std::vector<void*>& buffers,
                      const std::vector<std::int64_t>& params, std::int64_t tasks, std::mt19937& random) {
  const aitune_cpu_kernel_args args{buffers.data(), params.data()};
  std::vector<std::pair<std::int64_t, std::int64_t>> pieces;
  for (std::int64_t at = 0; at < tasks;) {
    const std::int64_t end = std::min<std::int64_t>(tasks, at + 1 + static_cast<std::int64_t>(random() % 7));
    pieces.emplace_back(at, end);
    at = end;
  }
  std::shuffle(pieces.begin(), pieces.end(), random);
  for (const auto& [begin, end] : pieces) function(&args, begin, end);
}

inline std::vector<std::int64_t> param_values(const kernels::LoopKernel& kernel, const SymValues& sizes) {
  std::vector<std::int64_t> values;
  for (const SymInt& p : kernels::collect_params(kernel)) values.push_back(p.evaluate(sizes));
  return values;
}

/// How far an element may be off: relative to the larger of its size and 1, by storage type.
inline double tolerance(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return 1.0 / 128;
    case DType::f16:
      return 1.0 / 1024;
    case DType::f32:
      return 3e-5;  // random sums cancel: the order of summation shows in more than the last bits
    case DType::f64:
      return 1e-12;
    default:
      return 0;
  }
}

inline void expect_same(const KernelData& got, const KernelData& want, const std::string& what) {
  for (std::size_t b = 0; b < want.count(); ++b) {
    for (std::int64_t i = 0; i < want.elements(b); ++i) {
      const double x = got.get(b, i), y = want.get(b, i);
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      ASSERT_LE(std::fabs(x - y), tolerance(want.dtype(b)) * std::max(1.0, std::fabs(y)))
          << what << ": buffer " << b << " element " << i << " is " << x << ", should be " << y;
    }
  }
}

/// Runs `kernel` on every target with the given schedules (none: the candidates of each target).
inline void check_kernel(const kernels::LoopKernel& kernel, const SymValues& sizes, std::mt19937& random,
                         const std::vector<kernels::LoopSchedule>& schedules = {}, const KernelData* input = nullptr) {
  const KernelData before = input ? input->clone() : KernelData(kernel, sizes, random);
  const KernelData want = before.clone();
  const auto expected = want.pointers();
  kernels::interpret(kernel, expected, sizes);
  for (const CpuTarget& target : runnable_targets()) {
    const auto chosen = schedules.empty() ? kernels::candidates(kernel, target) : schedules;
    CodeGenerator generator(target);
    for (std::size_t i = 0; i < chosen.size(); ++i) generator.add(kernel, chosen[i], "k" + std::to_string(i));
    const LoadedBlob blob(generator.finish());
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const KernelData got = before.clone();
      const std::int64_t tasks = kernels::task_count(kernel, chosen[i]).evaluate(sizes);
      run_tasks(blob.function("k" + std::to_string(i)), got.pointers(), param_values(kernel, sizes), tasks, random);
      expect_same(got, want, kernel.name + " " + kernels::fingerprint(kernel, chosen[i]) + " on " + target.str());
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace aitune::cpu::test
