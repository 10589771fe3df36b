// The plan in memory to its form on disk.

#include <fmt/format.h>
#include <cmath>

#include <cstring>

#include "base/error.h"
#include "format/bytes.h"
#include "format/digest.h"
#include "format/plan.h"
#include "format/plan_generated.h"
#include "format/plan_header.h"

namespace aitune {
namespace {

template <typename T>
using Offset = flatbuffers::Offset<T>;
using Builder = flatbuffers::FlatBufferBuilder;

auto write_ids(Builder& b, const std::vector<std::uint32_t>& ids) { return b.CreateVector(ids); }

/// A vector of tables: `make` turns each item into an offset.
template <typename Items, typename Make>
auto write_all(Builder& b, const Items& items, const Make& make) {
  std::vector<decltype(make(*items.begin()))> offsets;
  offsets.reserve(items.size());
  for (const auto& item : items) offsets.push_back(make(item));
  return b.CreateVector(offsets);
}

Offset<fbs::Symbol> write_symbol(Builder& b, const PlanSymbol& s) {
  return fbs::CreateSymbol(b, b.CreateSharedString(s.name), s.range.min, s.range.max, s.input, s.dim, s.data, s.step,
                           s.result, s.at_most, s.factor, s.offset);
}

Offset<fbs::Tensor> write_tensor(Builder& b, const PlanTensor& t) {
  return fbs::CreateTensor(b, b.CreateSharedString(t.name), static_cast<std::uint8_t>(t.dtype), write_ids(b, t.shape),
                           write_ids(b, t.largest));
}

Offset<fbs::View> write_view(Builder& b, const PlanView& v) {
  return fbs::CreateView(b, v.buffer, static_cast<std::uint8_t>(v.dtype), write_ids(b, v.shape));
}

Offset<fbs::Arg> write_arg(Builder& b, const PlanArg& a) {
  const auto string = a.kind == PlanArg::Kind::string ? b.CreateSharedString(a.string) : Offset<flatbuffers::String>();
  const auto list = a.kind == PlanArg::Kind::list
                        ? write_all(b, a.list, [&](const PlanArg& item) { return write_arg(b, item); })
                        : Offset<flatbuffers::Vector<Offset<fbs::Arg>>>();
  // -0 compares equal to the default and would be left out.
  b.ForceDefaults(a.number == 0 && std::signbit(a.number));
  const auto arg = fbs::CreateArg(b, static_cast<std::uint8_t>(a.kind), a.boolean, a.integer, a.number, string,
                                  static_cast<std::uint8_t>(a.dtype), a.tensor, list);
  b.ForceDefaults(false);
  return arg;
}

Offset<fbs::StepValue> write_value(Builder& b, const PlanValue& v) {
  return fbs::CreateStepValue(b, b.CreateSharedString(v.name), v.buffer, static_cast<std::uint8_t>(v.dtype), v.offset,
                              write_ids(b, v.shape), write_ids(b, v.strides));
}

Offset<fbs::Step> write_step(Builder& b, const PlanStep& s) {
  const auto name = b.CreateSharedString(s.name), op = b.CreateSharedString(s.op);
  const auto sources = write_ids(b, s.sources), buffers = write_ids(b, s.buffers), params = write_ids(b, s.params);
  const auto args = write_all(b, s.args, [&](const PlanArg& a) { return write_arg(b, a); });
  const auto results = write_ids(b, s.results);
  const auto payload = b.CreateVector(reinterpret_cast<const std::uint8_t*>(s.payload.data()), s.payload.size());
  const auto ranges = write_ids(b, s.ranges);
  const auto values = write_all(b, s.values, [&](const PlanValue& v) { return write_value(b, v); });
  return fbs::CreateStep(b, static_cast<std::uint8_t>(s.kind), name, sources, s.block, buffers, params, s.entry,
                         s.tasks, s.serial, op, args, results, payload, s.every_run, ranges, values);
}

Offset<fbs::Source> write_source(Builder& b, const PlanSource& s) {
  return fbs::CreateSource(b, b.CreateSharedString(s.node), b.CreateSharedString(s.op), b.CreateSharedString(s.module),
                           b.CreateSharedString(s.code), write_ids(b, s.origins));
}

Offset<fbs::Block> write_block(Builder& b, const PlanBlock& block) {
  return fbs::CreateBlock(b, b.CreateSharedString(block.engine), b.CreateSharedString(block.why),
                          write_ids(b, block.outputs));
}

std::vector<fbs::Expr> expr_items(const std::vector<PlanExpr>& exprs) {
  std::vector<fbs::Expr> items;
  items.reserve(exprs.size());
  for (const PlanExpr& e : exprs) items.emplace_back(static_cast<std::uint8_t>(e.op), e.lhs, e.rhs, e.value);
  return items;
}

Offset<fbs::Kernel> write_kernel(Builder& b, const PlanKernel& k) {
  std::vector<fbs::Access> access_items;
  access_items.reserve(k.accesses.size());
  for (const auto& a : k.accesses) access_items.emplace_back(a.buffer, a.first, a.end, a.written);
  const auto exprs = b.CreateVectorOfStructs(expr_items(k.exprs));
  const auto accesses = b.CreateVectorOfStructs(access_items);
  return fbs::CreateKernel(b, k.entry, k.buffers, k.params, exprs, k.tasks, accesses);
}

Offset<fbs::Plan> write_plan(Builder& b, const Plan& plan) {
  const auto target = fbs::CreateTarget(b, b.CreateString(plan.target.arch), plan.target.avx2_fma, plan.target.avx512,
                                        plan.target.avx512_vnni, plan.target.avx512_bf16, plan.target.amx_bf16);
  const auto precision = b.CreateString(plan.precision);
  const auto symbols = write_all(b, plan.symbols, [&](const auto& s) { return write_symbol(b, s); });
  const auto exprs = b.CreateVectorOfStructs(expr_items(plan.exprs));
  const auto inputs = write_all(b, plan.inputs, [&](const auto& t) { return write_tensor(b, t); });
  const auto outputs = write_all(b, plan.outputs, [&](const auto& t) { return write_tensor(b, t); });
  std::vector<fbs::Buffer> buffer_items;
  buffer_items.reserve(plan.buffers.size());
  for (const PlanBuffer& x : plan.buffers) {
    buffer_items.emplace_back(static_cast<std::uint8_t>(x.space), x.index, x.offset, x.bytes);
  }
  const auto buffers = b.CreateVectorOfStructs(buffer_items);
  const auto views = write_all(b, plan.views, [&](const auto& v) { return write_view(b, v); });
  const auto steps = write_all(b, plan.steps, [&](const auto& s) { return write_step(b, s); });
  const auto blocks = write_all(b, plan.blocks, [&](const auto& x) { return write_block(b, x); });
  const auto sources = write_all(b, plan.sources, [&](const auto& s) { return write_source(b, s); });
  const auto origins = write_all(b, plan.origins, [&](const auto& s) { return write_source(b, s); });
  const auto guards = write_all(b, plan.guards, [&](const PlanGuard& g) {
    return fbs::CreateGuard(b, g.lhs, g.rhs, g.equal, b.CreateSharedString(g.text), g.before);
  });
  const auto kernels = write_all(b, plan.kernels, [&](const auto& k) { return write_kernel(b, k); });
  return fbs::CreatePlan(b, target, precision, symbols, exprs, inputs, outputs, buffers, views, steps, blocks, sources,
                         plan.arena_bytes, plan.num_threads, guards, kernels, plan.shared_constants, origins,
                         plan.release_memory);
}

/// Appends a section at the next aligned offset.
PlanSection append_section(std::vector<std::byte>& out, std::span<const std::byte> content) {
  out.resize(align_up(out.size(), kPlanAlignment));
  const PlanSection section{out.size(), content.size(), section_hash(content)};
  out.insert(out.end(), content.begin(), content.end());
  return section;
}

}  // namespace

std::vector<std::byte> serialize_plan(const BuiltPlan& built) {
  try {
    verify_plan(built.plan, built.code.size(), built.constants.size(), "built plan");
  } catch (const Corrupt& e) {
    throw InternalError(e.problem(), e.where());
  }
  Builder builder(1 << 16);
  fbs::FinishPlanBuffer(builder, write_plan(builder, built.plan));
  const std::span description(reinterpret_cast<const std::byte*>(builder.GetBufferPointer()), builder.GetSize());

  std::vector<std::byte> out(sizeof(PlanHeader));
  out.reserve(sizeof(PlanHeader) + description.size() + built.code.size() + built.constants.size() +
              3 * kPlanAlignment);
  PlanHeader header;
  header.header_bytes = sizeof(PlanHeader);
  header.description = append_section(out, description);
  header.code = append_section(out, built.code);
  header.constants = append_section(out, built.constants);
  header.total_bytes = out.size();
  constexpr std::size_t hashed = sizeof(PlanHeader) - sizeof header.header_hash;
  header.header_hash = xxh3_64(std::as_bytes(std::span(&header, 1)).first(hashed));
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

}  // namespace aitune
