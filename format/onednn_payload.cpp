#include "format/onednn_payload.h"

#include <flatbuffers/flatbuffers.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "format/onednn_generated.h"

namespace aitune {
namespace {

constexpr std::size_t kMaxParts = 64, kMaxCalls = 1 << 16, kMaxPosts = 8, kMaxLayout = 64;
constexpr std::int64_t kMaxSize =
    std::numeric_limits<std::int32_t>::max();  // the library counts in ints here and there
constexpr std::int64_t kMaxOffset = std::int64_t{1} << 40;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 48;

/// The product of non-negative numbers, or kMaxElements if it is larger.
std::int64_t saturating_product(std::initializer_list<std::int64_t> factors) {
  std::int64_t product = 1;
  for (const std::int64_t f : factors) {
    if (__builtin_mul_overflow(product, f, &product) || product > kMaxElements) return kMaxElements;
  }
  return product;
}

std::int64_t src_elements(const OneDnnPart& p) {
  if (p.kind == OneDnnPart::Kind::convolution) return saturating_product({p.in_h, p.in_w, p.depth});
  return saturating_product({p.rows - 1, p.src_stride}) + p.depth;
}

std::int64_t dst_elements(const OneDnnPart& p) {
  if (p.kind == OneDnnPart::Kind::convolution) return saturating_product({p.out_h(), p.out_w(), p.columns});
  return saturating_product({p.rows - 1, p.dst_stride}) + p.columns;
}

class Checker {
 public:
  explicit Checker(std::string_view where) : where_(where) {}

  void payload(const OneDnnPayload& p) const {
    const auto is_float = [](DType t) { return t == DType::f32 || t == DType::bf16; };
    check(is_float(p.type) && is_float(p.dst_type) && is_float(p.residual_type),
          "element types other than f32 and bf16");
    check(p.posts.size() <= kMaxPosts, "more than {} operations on the sums", kMaxPosts);
    check(std::ranges::all_of(p.posts, [](OneDnnPost post) { return post <= OneDnnPost::residual; }),
          "an unknown operation");
    const auto residuals = std::ranges::count(p.posts, OneDnnPost::residual);
    check(residuals == (p.residual == OneDnnPayload::kNone ? 0 : 1), "{} additions of a residual", residuals);
    check(!p.parts.empty() && p.parts.size() <= kMaxParts, "{} parts", p.parts.size());
    check(!p.calls.empty() && p.calls.size() <= kMaxCalls, "{} calls", p.calls.size());
    for (const OneDnnPart& part : p.parts) check_part(part);
    for (const OneDnnCall& call : p.calls) {
      check(call.part < p.parts.size(), "a call of part {} of {}", call.part, p.parts.size());
      for (const std::int64_t at : {call.src, call.dst, call.residual, call.bias}) {
        check(at >= 0 && at <= kMaxOffset, "a call at {}", at);
      }
    }
  }

  template <typename... Args>
  void check(bool good, fmt::format_string<Args...> format, Args&&... args) const {
    if (!good) throw Corrupt("a oneDNN step has " + fmt::format(format, std::forward<Args>(args)...), where_);
  }

 private:
  void check_part(const OneDnnPart& p) const {
    check(p.kind <= OneDnnPart::Kind::convolution, "a part of the unknown kind {}", static_cast<unsigned>(p.kind));
    for (const std::int64_t size : {p.depth, p.columns, p.rows, p.src_stride, p.dst_stride, p.in_h, p.in_w, p.kernel_h,
                                    p.kernel_w, p.stride_h, p.stride_w, p.dilation_h, p.dilation_w}) {
      check(size >= 1 && size <= kMaxSize, "a size of {}", size);
    }
    check(p.layout.size() <= kMaxLayout, "a layout of {} numbers", p.layout.size());
    if (p.kind == OneDnnPart::Kind::matmul) {
      check(p.src_stride >= p.depth && p.dst_stride >= p.columns, "rows that overlap");
    } else {
      check(saturating_product({p.kernel_h - 1, p.dilation_h}) < p.in_h &&
                saturating_product({p.kernel_w - 1, p.dilation_w}) < p.in_w,
            "a window that is larger than its image");
    }
    check(src_elements(p) < kMaxElements && dst_elements(p) < kMaxElements, "operands that no memory holds");
  }

  const std::string where_;
};

/// The verifier (2.0) does not look at how the elements of a vector are aligned, only at its length.
template <typename Vector>
bool is_aligned(const Vector* items) {
  return !items || reinterpret_cast<std::uintptr_t>(items->Data()) % alignof(std::int64_t) == 0;
}

OneDnnPart read_part(const fbs::OneDnnPart& f) {
  OneDnnPart p;
  p.kind = static_cast<OneDnnPart::Kind>(f.kind());
  p.weights = f.weights();
  p.depth = f.depth(), p.columns = f.columns();
  p.rows = f.rows(), p.src_stride = f.src_stride(), p.dst_stride = f.dst_stride();
  p.in_h = f.in_h(), p.in_w = f.in_w(), p.kernel_h = f.kernel_h(), p.kernel_w = f.kernel_w();
  p.stride_h = f.stride_h(), p.stride_w = f.stride_w(), p.dilation_h = f.dilation_h(), p.dilation_w = f.dilation_w();
  if (f.layout()) p.layout.assign(f.layout()->begin(), f.layout()->end());
  return p;
}

}  // namespace

std::vector<std::byte> write_onednn_payload(const OneDnnPayload& payload) {
  flatbuffers::FlatBufferBuilder b;
  std::vector<flatbuffers::Offset<fbs::OneDnnPart>> parts;
  for (const OneDnnPart& p : payload.parts) {
    const auto layout = b.CreateVector(p.layout);
    parts.push_back(fbs::CreateOneDnnPart(b, static_cast<std::uint8_t>(p.kind), p.weights, p.depth, p.columns, p.rows,
                                          p.src_stride, p.dst_stride, p.in_h, p.in_w, p.kernel_h, p.kernel_w,
                                          p.stride_h, p.stride_w, p.dilation_h, p.dilation_w, layout));
  }
  std::vector<fbs::OneDnnCall> calls;
  calls.reserve(payload.calls.size());
  for (const OneDnnCall& c : payload.calls) calls.emplace_back(c.part, c.src, c.dst, c.residual, c.bias);
  std::vector<std::uint8_t> posts;
  posts.reserve(payload.posts.size());
  for (const OneDnnPost post : payload.posts) posts.push_back(static_cast<std::uint8_t>(post));
  const auto version = b.CreateString(payload.version);
  const auto post_vector = b.CreateVector(posts);
  const auto part_vector = b.CreateVector(parts);
  const auto call_vector = b.CreateVectorOfStructs(calls);
  b.Finish(fbs::CreateOneDnnStep(b, version, static_cast<std::uint8_t>(payload.type),
                                 static_cast<std::uint8_t>(payload.dst_type),
                                 static_cast<std::uint8_t>(payload.residual_type), payload.src, payload.dst,
                                 payload.bias, payload.residual, post_vector, part_vector, call_vector),
           fbs::OneDnnStepIdentifier());
  const auto* first = reinterpret_cast<const std::byte*>(b.GetBufferPointer());
  return {first, first + b.GetSize()};
}

OneDnnPayload read_onednn_payload(std::span<const std::byte> bytes, std::string_view where) {
  // FlatBuffers reads numbers at their natural alignment, which a vector inside another buffer need not have.
  const std::vector<std::uint64_t> copy = [&] {
    std::vector<std::uint64_t> words(bytes.size() / sizeof(std::uint64_t) + 1);
    std::ranges::copy(bytes, reinterpret_cast<std::byte*>(words.data()));
    return words;
  }();
  const auto* data = reinterpret_cast<const std::uint8_t*>(copy.data());
  const Checker checker(where);
  flatbuffers::Verifier verifier(data, bytes.size(), 8, kMaxParts + 8);
  checker.check(bytes.size() >= 16 && fbs::VerifyOneDnnStepBuffer(verifier), "a damaged payload");
  const fbs::OneDnnStep& f = *fbs::GetOneDnnStep(data);
  checker.check(is_aligned(f.calls()), "a damaged payload");
  if (f.parts()) {
    for (const auto* part : *f.parts()) checker.check(is_aligned(part->layout()), "a damaged payload");
  }
  OneDnnPayload p;
  if (f.version()) p.version = f.version()->str();
  p.type = static_cast<DType>(f.type());
  p.dst_type = static_cast<DType>(f.dst_type());
  p.residual_type = static_cast<DType>(f.residual_type());
  p.src = f.src(), p.dst = f.dst(), p.bias = f.bias(), p.residual = f.residual();
  if (f.posts()) {
    for (const std::uint8_t post : *f.posts()) p.posts.push_back(static_cast<OneDnnPost>(post));
  }
  if (f.parts()) {
    for (const auto* part : *f.parts()) p.parts.push_back(read_part(*part));
  }
  if (f.calls()) {
    for (const auto* c : *f.calls()) p.calls.push_back({c->part(), c->src(), c->dst(), c->residual(), c->bias()});
  }
  checker.payload(p);
  return p;
}

std::vector<OneDnnAccess> onednn_accesses(const OneDnnPayload& payload) {
  std::vector<OneDnnAccess> accesses;
  const auto add = [&](std::uint32_t buffer, std::int64_t at, std::int64_t elements, DType type, bool written) {
    if (buffer == OneDnnPayload::kNone) return;
    const auto size = static_cast<std::uint64_t>(dtype_size(type));
    accesses.push_back(
        {buffer, static_cast<std::uint64_t>(at) * size, static_cast<std::uint64_t>(elements) * size, written});
  };
  for (const OneDnnCall& call : payload.calls) {
    const OneDnnPart& part = payload.parts[call.part];
    add(payload.src, call.src, src_elements(part), payload.type, false);
    add(payload.dst, call.dst, dst_elements(part), payload.dst_type, true);
    add(payload.residual, call.residual, dst_elements(part), payload.residual_type, false);
    add(payload.bias, call.bias, part.columns, DType::f32, false);
  }
  return accesses;
}

}  // namespace aitune
