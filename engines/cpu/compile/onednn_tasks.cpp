#include "engines/cpu/compile/onednn_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "compiler/kernels/gemm.h"
#include "engines/cpu/compile/onednn_epilogue.h"
#include "format/bytes.h"

namespace aitune::cpu {
namespace {

using kernels::Access;
using kernels::GemmKernel;
using Sizes = std::vector<std::int64_t>;

constexpr std::int64_t kMaxCalls = 1024;
/// Column cuts have their own weights each; more than this many would only be slow to load.
constexpr std::int64_t kMaxColumnCuts = 16;

std::int64_t ceil_to(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

bool is_constant(const std::vector<SymInt>& sizes) {
  return std::ranges::all_of(sizes, [](const SymInt& s) { return s.is_constant(); });
}
bool is_constant(const GemmKernel& k) {
  return is_constant(k.m) && is_constant(k.a_strides) && k.n.is_constant() && k.a_offset.is_constant() &&
         std::ranges::all_of(k.accesses,
                             [](const Access& a) { return a.offset.is_constant() && is_constant(a.strides); });
}
Sizes constants(const std::vector<SymInt>& sizes) {
  Sizes values;
  for (const auto& s : sizes) values.push_back(s.constant());
  return values;
}

/// An operand whose offset follows the rows.
struct Walk {
  std::int64_t offset = 0;
  Sizes strides;  // over m
  static Walk of(const Access& a) {
    Walk w{a.offset.constant(), constants(a.strides)};
    w.strides.pop_back();
    return w;
  }
};

/// Parts and calls as they are added; equal parts are made once.
class Builder {
 public:
  Builder(const KernelTask& task, const GemmKernel& kernel, const OneDnnEpilogue& epilogue) {
    slots_ = task.buffers.size();
    packed_ = static_cast<std::uint32_t>(std::ranges::find(task.buffers, -1) - task.buffers.begin());
    OneDnnPayload& p = made_.payload;
    p.type = kernel.a_type;
    p.src = static_cast<std::uint32_t>(kernel.a_buffer);
    p.dst = static_cast<std::uint32_t>(epilogue.store->buffer);
    p.dst_type = epilogue.store->dtype;
    p.posts = epilogue.posts;
    if (epilogue.bias) p.bias = static_cast<std::uint32_t>(epilogue.bias->buffer);
    if (epilogue.residual) {
      p.residual = static_cast<std::uint32_t>(epilogue.residual->buffer);
      p.residual_type = epilogue.residual->dtype;
    }
  }
  void call(OneDnnPart part, std::int64_t first_column, OneDnnCall call) {
    auto& parts = made_.payload.parts;
    const auto key = std::tuple(part.rows, part.in_h, part.columns, first_column);
    const auto [it, fresh] = known_.try_emplace(key, static_cast<std::uint32_t>(parts.size()));
    if (fresh) {
      part.weights = parts.empty() ? packed_ : static_cast<std::uint32_t>(slots_ + parts.size() - 1);
      parts.push_back(std::move(part));
      made_.first_columns.push_back(first_column);
    }
    call.part = it->second;
    made_.payload.calls.push_back(call);
  }
  OneDnnCandidate finish(std::string name) {
    made_.name = std::move(name);
    return std::move(made_);
  }

 private:
  OneDnnCandidate made_;
  std::size_t slots_ = 0;
  std::uint32_t packed_ = 0;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>, std::uint32_t> known_;
};

/// Where each combination of the outer dims begins, for several walks at once.
struct Origin {
  std::int64_t src, dst, residual;
};
std::vector<Origin> origins(const Sizes& extents, const Walk& src, const Walk& dst, const Walk& residual) {
  std::vector<Origin> list{{src.offset, dst.offset, residual.offset}};
  for (std::size_t d = 0; d < extents.size(); ++d) {
    std::vector<Origin> finer;
    for (const Origin& o : list)
      for (std::int64_t i = 0; i < extents[d]; ++i)
        finer.push_back({o.src + i * src.strides[d], o.dst + i * dst.strides[d],
                         residual.strides.empty() ? 0 : o.residual + i * residual.strides[d]});
    list = std::move(finer);
  }
  return list;
}

/// Rows by a depth that lies densely: 1x1 convolutions and linear layers.
class MatmulForm {
 public:
  MatmulForm(const KernelTask& task, GemmKernel kernel) : task_(task), kernel_(std::move(kernel)) {}

  void add_candidates(int threads, std::vector<OneDnnCandidate>& out) const {
    const auto epilogue = onednn_epilogue(kernel_);
    if (!epilogue || kernel_.k.size() != 1 || !kernel_.batch.empty() || !kernel_.a_strides.back().is(1)) return;
    const Sizes m = constants(kernel_.m);
    const Sizes outer(m.begin(), m.end() - 1);
    std::int64_t blocks = 1;
    for (const auto e : outer) blocks *= e;
    if (blocks > kMaxCalls) return;
    Walk src{kernel_.a_offset.constant(), constants(kernel_.a_strides)};
    src.strides.pop_back();
    const Walk dst = Walk::of(*epilogue->store), residual = epilogue->residual ? Walk::of(*epilogue->residual) : Walk{};
    const std::int64_t rows = m.back(), columns = kernel_.n.constant();
    OneDnnPart part;
    part.depth = kernel_.k[0];
    part.src_stride = rows == 1 ? part.depth : src.strides.back();
    part.dst_stride = rows == 1 ? columns : dst.strides.back();
    if (part.src_stride < part.depth || part.dst_stride < columns) return;
    if (epilogue->residual && rows > 1 && residual.strides.back() != part.dst_stride) return;

    const auto add = [&](std::int64_t row_step, std::int64_t column_step) {
      Builder builder(task_, kernel_, *epilogue);
      for (const Origin& o : origins(outer, src, dst, residual))
        for (std::int64_t c = 0; c < columns; c += column_step)
          for (std::int64_t r = 0; r < rows; r += row_step) {
            OneDnnPart own = part;
            own.rows = std::min(row_step, rows - r);
            own.columns = std::min(column_step, columns - c);
            const std::int64_t down = r * part.dst_stride + c;
            builder.call(own, c,
                         {0, o.src + r * part.src_stride, o.dst + down, epilogue->residual ? o.residual + down : 0,
                          epilogue->bias ? epilogue->bias->offset.constant() + c : 0});
          }
      out.push_back(builder.finish(fmt::format("mm_r{}_c{}", row_step, column_step)));
    };
    const std::int64_t cuts = ceil_to(threads, blocks);
    if (cuts <= 1) return add(rows, columns);
    if (rows >= 2 * cuts) add(ceil_to(rows, cuts), columns);
    const std::int64_t wide = ceil_to(ceil_to(columns, std::min(cuts, kMaxColumnCuts)), 64) * 64;
    if (wide < columns) add(rows, wide);
    if (rows < 2 * cuts && wide >= columns) add(rows, columns);
  }

 private:
  const KernelTask& task_;
  const GemmKernel kernel_;
};

/// Convolutions over two spatial dims, in haloed memory whose rows are exactly as long as their windows need.
class ConvolutionForm {
 public:
  ConvolutionForm(const KernelTask& task, const GemmKernel& kernel) : task_(task), kernel_(kernel) {}

  void add_candidates(int threads, std::vector<OneDnnCandidate>& out) const {
    const auto epilogue = onednn_epilogue(kernel_);
    if (!epilogue || kernel_.k.size() != 3 || kernel_.m.size() != 3 || !kernel_.batch.empty()) return;
    const auto part = geometry();
    if (!part) return;
    const Sizes m = constants(kernel_.m), strides = constants(kernel_.a_strides);
    const std::int64_t images = m[0], out_h = m[1], row = m[2] * part->columns;
    const Walk src{kernel_.a_offset.constant(), {strides[0], strides[1], strides[2]}}, dst = Walk::of(*epilogue->store);
    const Walk residual = epilogue->residual ? Walk::of(*epilogue->residual) : Walk{};
    const auto dense_row = [&](const Walk& w) {
      return w.strides.empty() || m[2] == 1 || w.strides[2] == part->columns;
    };
    const auto dense = [&](const Walk& w) { return w.strides.empty() || out_h == 1 || w.strides[1] == row; };
    if (!dense_row(dst) || !dense_row(residual)) return;

    const auto add = [&](std::int64_t step) {
      if (images * ceil_to(out_h, step) > kMaxCalls) return;
      Builder builder(task_, kernel_, *epilogue);
      for (const Origin& o : origins({images}, src, dst, residual))
        for (std::int64_t r = 0; r < out_h; r += step) {
          OneDnnPart own = *part;
          own.in_h = (std::min(step, out_h - r) - 1) * own.stride_h + (own.kernel_h - 1) * own.dilation_h + 1;
          builder.call(own, 0,
                       {0, o.src + r * src.strides[1], o.dst + r * dst.strides[1],
                        epilogue->residual ? o.residual + r * residual.strides[1] : 0,
                        epilogue->bias ? epilogue->bias->offset.constant() : 0});
        }
      out.push_back(builder.finish(fmt::format("conv_r{}", step)));
    };
    if (!dense(dst) || !dense(residual)) return add(1);
    const std::int64_t cuts = ceil_to(threads, images);
    const std::int64_t coarse = ceil_to(out_h, cuts), fine = ceil_to(out_h, 2 * cuts);
    add(coarse);
    if (threads > 1 && fine < coarse) add(fine);
  }

 private:
  /// The part but for its height, or nothing where strides do not spell dense channels-last images.
  std::optional<OneDnnPart> geometry() const {
    const Sizes s = constants(kernel_.a_strides);  // image, row, column; window row, window column, channel
    OneDnnPart p;
    p.kind = OneDnnPart::Kind::convolution;
    p.kernel_h = kernel_.k[0], p.kernel_w = kernel_.k[1], p.depth = kernel_.k[2];
    p.columns = kernel_.n.constant();
    if (s[5] != 1 || s[2] % p.depth != 0 || s[4] % p.depth != 0) return std::nullopt;
    p.stride_w = s[2] / p.depth;
    p.dilation_w = p.dilation_h = s[4] / p.depth;
    if (p.dilation_w < 1 || s[3] % p.dilation_h != 0) return std::nullopt;
    const std::int64_t pitch = s[3] / p.dilation_h;
    if (pitch < 1 || pitch % p.depth != 0 || s[1] % pitch != 0) return std::nullopt;
    p.stride_h = s[1] / pitch;
    p.in_w = pitch / p.depth;
    const bool exact = p.in_w > (p.kernel_w - 1) * p.dilation_w && p.stride_w >= 1 && p.stride_h >= 1 &&
                       p.out_w() == kernel_.m[2].constant();
    return exact ? std::optional(p) : std::nullopt;
  }

  const KernelTask& task_;
  const GemmKernel& kernel_;
};

/// A dense image may end past the last window, and there past the buffer.
bool stays_inside(const LoweredBlock& block, const KernelTask& task, const OneDnnPayload& payload) {
  return std::ranges::all_of(onednn_accesses(payload), [&](const OneDnnAccess& a) {
    const LoweredBuffer& buffer = block.buffers[static_cast<std::size_t>(task.buffers[a.buffer])];
    const auto elements = buffer.elements.as_constant();
    return elements && fits(a.offset, a.bytes, static_cast<std::uint64_t>(*elements) * dtype_size(buffer.dtype));
  });
}

}  // namespace

std::vector<OneDnnCandidate> onednn_candidates(const LoweredBlock& block, const KernelTask& task, int threads) {
  std::vector<OneDnnCandidate> list;
  if (!task.gemm || !task.weight.defined() || !is_constant(*task.gemm)) return list;
  if (task.gemm->a_type == DType::u8) return list;  // our payloads know floats alone
  MatmulForm(task, kernels::canonical(*task.gemm)).add_candidates(threads, list);
  if (list.empty()) ConvolutionForm(task, *task.gemm).add_candidates(threads, list);
  std::erase_if(list, [&](const OneDnnCandidate& c) { return !stays_inside(block, task, c.payload); });
  return list;
}

std::vector<std::vector<std::byte>> pack_for_onednn(const KernelTask& task, const OneDnnCandidate& candidate,
                                                    const OneDnnKernel& kernel) {
  const OneDnn& lib = kernel.library();
  const dnnl::Api& api = lib.api();
  const OneDnnOnThisThread alone(api);
  const std::int64_t columns = task.gemm->n.constant();
  Shape shape = {task.gemm->k.begin(), task.gemm->k.end()};
  shape.push_back(columns);
  const Tensor weight =
      Tensor(task.weight.dtype(), shape, task.weight_strides, task.weight.owner(), task.weight.data()).contiguous();
  const auto stream = lib.stream();
  std::vector<std::vector<std::byte>> packed;
  for (std::size_t i = 0; i < kernel.payload().parts.size(); ++i) {
    const OneDnnPart& p = kernel.payload().parts[i];
    const auto from = p.kind == OneDnnPart::Kind::matmul
                          ? lib.strided({p.depth, p.columns}, dnnl::DataType::f32, {columns, 1})
                          : lib.strided({p.columns, p.depth, p.kernel_h, p.kernel_w}, dnnl::DataType::f32,
                                        {1, columns, p.kernel_w * p.depth * columns, p.depth * columns});
    packed.emplace_back(kernel.weights_bytes(i));
    dnnl::PrimitiveDescObject* raw_desc = nullptr;
    lib.check(api.reorder_primitive_desc_create(&raw_desc, from.get(), lib.engine(), kernel.weights_desc(i),
                                                lib.engine(), nullptr),
              "packing weights");
    const OneDnnPtr<dnnl::PrimitiveDescObject> desc{raw_desc, api.primitive_desc_destroy};
    dnnl::PrimitiveObject* raw_reorder = nullptr;
    lib.check(api.primitive_create(&raw_reorder, desc.get()), "packing weights");
    const OneDnnPtr<dnnl::PrimitiveObject> reorder{raw_reorder, api.primitive_destroy};
    const auto source = lib.memory(from.get(), weight.as<float>() + candidate.first_columns[i]);
    const auto target = lib.memory(kernel.weights_desc(i), packed.back().data());
    const dnnl::ExecArg args[] = {{dnnl::kArgSrc, source.get()}, {dnnl::kArgDst, target.get()}};
    lib.check(api.primitive_execute(reorder.get(), stream.get(), 2, args), "packing weights");
    lib.check(api.stream_wait(stream.get()), "packing weights");
  }
  return packed;
}

}  // namespace aitune::cpu
