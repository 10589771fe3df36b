#include "engines/cpu/run/onednn_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace aitune::cpu {
namespace {

dnnl::DataType data_type(DType t) { return t == DType::bf16 ? dnnl::DataType::bf16 : dnnl::DataType::f32; }

void append(const OneDnn& lib, dnnl::PostOpsObject* posts, OneDnnPost post, const dnnl::MemoryDescObject* residual) {
  struct Row {
    OneDnnPost post;
    dnnl::Algorithm algorithm;
    float alpha, beta;
  };
  static constexpr Row kRows[] = {
      {OneDnnPost::relu, dnnl::Algorithm::eltwise_relu, 0, 0},
      {OneDnnPost::gelu_erf, dnnl::Algorithm::eltwise_gelu_erf, 0, 0},
      {OneDnnPost::gelu_tanh, dnnl::Algorithm::eltwise_gelu_tanh, 0, 0},
      {OneDnnPost::silu, dnnl::Algorithm::eltwise_swish, 1, 0},
      {OneDnnPost::hardswish, dnnl::Algorithm::eltwise_hardswish, 1.0f / 6, 0.5f},
  };
  if (post == OneDnnPost::residual)
    return lib.check(lib.api().post_ops_append_binary(posts, dnnl::Algorithm::binary_add, residual), "adding a tensor");
  const Row* row = std::ranges::find(kRows, post, &Row::post);
  lib.check(lib.api().post_ops_append_eltwise(posts, row->algorithm, row->alpha, row->beta), "an activation");
}

}  // namespace

OneDnnKernel::OneDnnKernel(std::shared_ptr<const OneDnn> library, OneDnnPayload payload, std::string_view where)
    : library_(std::move(library)), payload_(std::move(payload)) {
  const OneDnnOnThisThread alone(library_->api());
  for (OneDnnPart& part : payload_.parts) {
    parts_.push_back(make_part(part, where));
    auto layout = layout_of(parts_.back().weights.get());
    if (!part.layout.empty() && part.layout != layout) {
      throw Incompatible(
          fmt::format("its weights lie as oneDNN {} wanted them where the model was tuned, and oneDNN {} wants "
                      "another layout on this machine",
                      payload_.version, library_->version()),
          std::string(where),
          "Tune the model on this machine, or with onednn=false for any machine like the plan's target");
    }
    part.layout = std::move(layout);
  }
}

std::size_t OneDnnKernel::weights_bytes(std::size_t part) const {
  return library_->api().memory_desc_get_size(parts_[part].weights.get());
}

OneDnnKernel::Part OneDnnKernel::make_part(const OneDnnPart& part, std::string_view where) const {
  const dnnl::Api& api = library_->api();
  Part made;
  const auto desc = describe(part, made, where);
  const auto clone = [&](dnnl::Query query) {
    dnnl::MemoryDescObject* copy = nullptr;
    library_->check(api.memory_desc_clone(&copy, api.primitive_desc_query_md(desc.get(), query, 0)), "a copied tensor");
    return OneDnnPtr<dnnl::MemoryDescObject>(copy, api.memory_desc_destroy);
  };
  made.weights = clone(dnnl::Query::weights_md);
  made.scratchpad = clone(dnnl::Query::scratchpad_md);
  dnnl::PrimitiveObject* primitive = nullptr;
  library_->check(api.primitive_create(&primitive, desc.get()), "making a primitive");
  made.primitive = {primitive, api.primitive_destroy};
  return made;
}

OneDnnPtr<dnnl::PrimitiveDescObject> OneDnnKernel::describe(const OneDnnPart& p, Part& made,
                                                            std::string_view where) const {
  const OneDnn& lib = *library_;
  const auto type = data_type(payload_.type), dst_type = data_type(payload_.dst_type),
             residual_type = data_type(payload_.residual_type);
  const bool bias = payload_.bias != OneDnnPayload::kNone, residual = payload_.residual != OneDnnPayload::kNone;
  OneDnnPtr<dnnl::MemoryDescObject> weights{nullptr, nullptr};
  dnnl::PrimitiveDescObject* desc = nullptr;
  dnnl::Status status = dnnl::kSuccess;
  if (p.kind == OneDnnPart::Kind::matmul) {
    made.src = lib.strided({p.rows, p.depth}, type, {p.src_stride, 1});
    made.dst = lib.strided({p.rows, p.columns}, dst_type, {p.dst_stride, 1});
    if (bias) made.bias = lib.strided({1, p.columns}, dnnl::DataType::f32, {p.columns, 1});
    if (residual) made.residual = lib.strided({p.rows, p.columns}, residual_type, {p.dst_stride, 1});
    weights = lib.any_layout({p.depth, p.columns}, type);
    const auto attr = attributes(made);
    status = lib.api().matmul_primitive_desc_create(&desc, lib.engine(), made.src.get(), weights.get(), made.bias.get(),
                                                    made.dst.get(), attr.get());
  } else {
    const std::int64_t out_h = p.out_h(), out_w = p.out_w(), row = out_w * p.columns;
    made.src =
        lib.strided({1, p.depth, p.in_h, p.in_w}, type, {p.in_h * p.in_w * p.depth, 1, p.in_w * p.depth, p.depth});
    made.dst = lib.strided({1, p.columns, out_h, out_w}, dst_type, {out_h * row, 1, row, p.columns});
    if (bias) made.bias = lib.strided({p.columns}, dnnl::DataType::f32, {1});
    if (residual)
      made.residual = lib.strided({1, p.columns, out_h, out_w}, residual_type, {out_h * row, 1, row, p.columns});
    weights = lib.any_layout({p.columns, p.depth, p.kernel_h, p.kernel_w}, type);
    const auto attr = attributes(made);
    const std::int64_t strides[] = {p.stride_h, p.stride_w}, dilates[] = {p.dilation_h - 1, p.dilation_w - 1},
                       none[] = {0, 0};
    // Columns and rows past the last window are read by nobody; with a stride there may be some.
    status = lib.api().convolution_forward_primitive_desc_create(
        &desc, lib.engine(), dnnl::kForwardInference, dnnl::Algorithm::convolution_direct, made.src.get(),
        weights.get(), made.bias.get(), made.dst.get(), strides, dilates, none, none, attr.get());
  }
  if (status == dnnl::kUnimplemented)
    throw Unsupported("oneDNN " + lib.version() + " has no primitive for it", std::string(where));
  lib.check(status, "describing a primitive");
  OneDnnPtr<dnnl::PrimitiveDescObject> result{desc, lib.api().primitive_desc_destroy};
  const char* implementation = "";
  lib.check(lib.api().primitive_desc_query(desc, dnnl::Query::impl_info_str, 0, static_cast<void*>(&implementation)),
            "the name of a primitive");
  if (std::string_view(implementation).find("ref") != std::string_view::npos)
    throw Unsupported("oneDNN " + lib.version() + " has only its reference code for it", std::string(where));
  return result;
}

OneDnnPtr<dnnl::AttrObject> OneDnnKernel::attributes(const Part& made) const {
  const dnnl::Api& api = library_->api();
  dnnl::AttrObject* raw_attr = nullptr;
  dnnl::PostOpsObject* raw_posts = nullptr;
  library_->check(api.primitive_attr_create(&raw_attr), "attributes");
  OneDnnPtr<dnnl::AttrObject> attr{raw_attr, api.primitive_attr_destroy};
  library_->check(api.post_ops_create(&raw_posts), "attributes");
  const OneDnnPtr<dnnl::PostOpsObject> posts{raw_posts, api.post_ops_destroy};
  for (const OneDnnPost post : payload_.posts) append(*library_, posts.get(), post, made.residual.get());
  library_->check(api.primitive_attr_set_post_ops(attr.get(), posts.get()), "attributes");
  library_->check(api.primitive_attr_set_scratchpad_mode(attr.get(), dnnl::kScratchpadOfUser), "attributes");
  return attr;
}

std::vector<std::int64_t> OneDnnKernel::layout_of(const dnnl::MemoryDescObject* desc) const {
  const auto ask = [&](dnnl::Query query, auto initial) {
    library_->check(library_->api().memory_desc_query(desc, query, static_cast<void*>(&initial)),
                    "describing a layout");
    return initial;
  };
  if (ask(dnnl::Query::format_kind, 0) != static_cast<int>(dnnl::FormatKind::blocked))
    throw Unsupported("oneDNN wants the weights in a layout that it does not describe");
  const auto ndims = static_cast<std::size_t>(ask(dnnl::Query::ndims, 0));
  const auto blocks = static_cast<std::size_t>(ask(dnnl::Query::inner_nblks, 0));
  std::vector<std::int64_t> layout{ask(dnnl::Query::data_type, 0)};
  const auto add = [&](dnnl::Query query, std::size_t count) {
    const std::int64_t* list = ask(query, static_cast<const std::int64_t*>(nullptr));
    layout.push_back(static_cast<std::int64_t>(count));
    layout.insert(layout.end(), list, list + count);
  };
  add(dnnl::Query::padded_dims, ndims);
  add(dnnl::Query::strides, ndims);
  add(dnnl::Query::inner_blks, blocks);
  add(dnnl::Query::inner_idxs, blocks);
  return layout;
}

BoundOneDnn::BoundOneDnn(const OneDnnKernel& kernel, void* const* buffers, int threads)
    : kernel_(kernel), buffers_(buffers) {
  const auto lanes = std::min(static_cast<std::size_t>(std::max(1, threads)), kernel.payload().calls.size());
  for (std::size_t i = 0; i < lanes; ++i) lanes_.push_back(make_lane());
}

BoundOneDnn::Lane BoundOneDnn::make_lane() const {
  const OneDnn& lib = kernel_.library();
  Lane lane;
  lane.stream = lib.stream();
  std::size_t scratch = 0;
  for (const auto& part : kernel_.parts_)
    scratch = std::max(scratch, lib.api().memory_desc_get_size(part.scratchpad.get()));
  lane.scratch = Tensor::uninitialised(DType::u8, {static_cast<std::int64_t>(scratch)});
  for (const auto& part : kernel_.parts_) lane.slots.push_back(make_slot(part, lane.scratch.data()));
  return lane;
}

BoundOneDnn::Slot BoundOneDnn::make_slot(const OneDnnKernel::Part& part, void* scratch) const {
  const OneDnn& lib = kernel_.library();
  Slot slot;
  const auto add = [&](int arg, const auto& desc, auto& memory, void* data) {
    if (!desc) return;
    memory = lib.memory(desc.get(), data);
    slot.args.push_back({arg, memory.get()});
  };
  add(dnnl::kArgSrc, part.src, slot.src, nullptr);
  add(dnnl::kArgWeights, part.weights, slot.weights, nullptr);
  add(dnnl::kArgBias, part.bias, slot.bias, nullptr);
  add(dnnl::kArgDst, part.dst, slot.dst, nullptr);
  add(dnnl::kArgScratchpad, part.scratchpad, slot.scratchpad, scratch);
  const auto& posts = kernel_.payload().posts;
  const auto at = static_cast<int>(std::ranges::find(posts, OneDnnPost::residual) - posts.begin());
  add((dnnl::kArgPostOp * (at + 1)) | dnnl::kArgSrc1, part.residual, slot.residual, nullptr);
  return slot;
}

dnnl::Status BoundOneDnn::execute(Lane& lane, const OneDnnCall& call) noexcept {
  const dnnl::Api& api = kernel_.library().api();
  const OneDnnPayload& payload = kernel_.payload();
  Slot& slot = lane.slots[call.part];
  dnnl::Status worst = dnnl::kSuccess;
  const auto point = [&](auto& memory, std::uint32_t buffer, std::int64_t offset, DType type) {
    if (!memory) return;
    auto* data = static_cast<std::byte*>(buffers_[buffer]) + offset * static_cast<std::int64_t>(dtype_size(type));
    if (const auto status = api.memory_set_data_handle(memory.get(), data)) worst = status;
  };
  point(slot.src, payload.src, call.src, payload.type);
  point(slot.weights, payload.parts[call.part].weights, 0, payload.type);
  point(slot.bias, payload.bias, call.bias, DType::f32);
  point(slot.dst, payload.dst, call.dst, payload.dst_type);
  point(slot.residual, payload.residual, call.residual, payload.residual_type);
  if (worst != dnnl::kSuccess) return worst;
  const auto& primitive = kernel_.parts_[call.part].primitive;
  return api.primitive_execute(primitive.get(), lane.stream.get(), static_cast<int>(slot.args.size()),
                               slot.args.data());
}

void BoundOneDnn::run_lane(Lane& lane) noexcept {
  const OneDnnOnThisThread alone(kernel_.library().api());
  const auto& calls = kernel_.payload().calls;
  for (std::size_t i = next_.fetch_add(1); i < calls.size(); i = next_.fetch_add(1)) {
    if (const auto status = execute(lane, calls[i])) failure_ = status;
  }
}

void BoundOneDnn::run(ThreadPool& pool) {
  next_ = 0;
  if (lanes_.size() == 1)
    run_lane(lanes_.front());
  else
    pool.parallel_for(static_cast<std::int64_t>(lanes_.size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) run_lane(lanes_[static_cast<std::size_t>(i)]);
    });
  kernel_.library().check(failure_.exchange(dnnl::kSuccess), "executing a primitive");
}

}  // namespace aitune::cpu
