// The plan on disk to its form in memory. Structure is verified here, meaning in plan_verify.cpp.

#include <cstddef>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "format/digest.h"
#include "format/plan.h"
#include "format/plan_generated.h"
#include "format/plan_header.h"

namespace aitune {
namespace {

constexpr flatbuffers::uoffset_t kMaxDepth = 32;
constexpr flatbuffers::uoffset_t kMaxTables = 4'000'000;
constexpr std::size_t kMinDescription = 12;  // root offset, file identifier, a table

std::string text(const flatbuffers::String* s) { return s ? s->str() : std::string(); }

std::vector<std::uint32_t> ids(const flatbuffers::Vector<std::uint32_t>* v) {
  return v ? std::vector<std::uint32_t>(v->begin(), v->end()) : std::vector<std::uint32_t>();
}

/// Every item of a vector that may be absent, through `read`.
template <typename Result, typename Vector, typename Read>
std::vector<Result> read_all(const Vector* items, const Read& read) {
  std::vector<Result> results;
  if (!items) return results;
  results.reserve(items->size());
  for (const auto* item : *items) results.push_back(read(*item));
  return results;
}

// Bytes that stand for enumerations are copied as they are: verify_plan checks them before anything looks at them.
PlanSymbol read_symbol(const fbs::Symbol& s) {
  return {text(s.name()), {s.min(), s.max()}, s.input(),   s.dim(),    s.data(),
          s.step(),       s.result(),         s.at_most(), s.factor(), s.offset()};
}
PlanTensor read_tensor(const fbs::Tensor& t) {
  return {text(t.name()), static_cast<DType>(t.dtype()), ids(t.shape()), ids(t.largest())};
}
PlanView read_view(const fbs::View& v) { return {v.buffer(), static_cast<DType>(v.dtype()), ids(v.shape())}; }
PlanSource read_source(const fbs::Source& s) {
  return {text(s.node()), text(s.op()), text(s.module_path()), text(s.code()), ids(s.origins())};
}
PlanBlock read_block(const fbs::Block& b) { return {text(b.engine()), text(b.why()), ids(b.outputs())}; }
PlanExpr read_expr(const fbs::Expr& e) { return {static_cast<PlanExpr::Op>(e.op()), e.value(), e.lhs(), e.rhs()}; }
PlanBuffer read_buffer(const fbs::Buffer& b) {
  return {static_cast<BufferSpace>(b.space()), b.index(), b.offset(), b.bytes()};
}

PlanKernel read_kernel(const fbs::Kernel& k) {
  PlanKernel kernel{k.entry(), k.buffers(), k.params(), {}, k.tasks(), {}};
  kernel.exprs = read_all<PlanExpr>(k.exprs(), [](const fbs::Expr& e) { return read_expr(e); });
  kernel.accesses = read_all<PlanKernel::Access>(k.accesses(), [](const fbs::Access& a) {
    return PlanKernel::Access{a.buffer(), a.first(), a.end(), a.written()};
  });
  return kernel;
}

PlanArg read_arg(const fbs::Arg& a) {  // as deep as kMaxDepth lets a table nest
  PlanArg arg;
  arg.kind = static_cast<PlanArg::Kind>(a.kind());
  arg.boolean = a.boolean();
  arg.integer = a.integer();
  arg.number = a.number();
  arg.string = text(a.string());
  arg.dtype = static_cast<DType>(a.dtype());
  arg.tensor = a.tensor();
  arg.list = read_all<PlanArg>(a.list(), read_arg);
  return arg;
}

PlanValue read_value(const fbs::StepValue& v) {
  return {text(v.name()), v.buffer(), static_cast<DType>(v.dtype()), v.offset(), ids(v.shape()), ids(v.strides())};
}

PlanStep read_step(const fbs::Step& s) {
  PlanStep step;
  step.kind = static_cast<StepKind>(s.kind());
  step.name = text(s.name());
  step.sources = ids(s.sources());
  step.block = s.block();
  step.buffers = ids(s.buffers());
  step.params = ids(s.params());
  step.entry = s.entry();
  step.tasks = s.tasks();
  step.serial = s.serial();
  step.op = text(s.op());
  step.args = read_all<PlanArg>(s.args(), read_arg);
  step.results = ids(s.results());
  if (const auto* p = s.payload()) {
    const auto* first = reinterpret_cast<const std::byte*>(p->data());
    step.payload.assign(first, first + p->size());
  }
  step.every_run = s.every_run();
  step.ranges = ids(s.ranges());
  step.values = read_all<PlanValue>(s.values(), read_value);
  return step;
}

CpuTarget read_target(const fbs::Target* t) {
  if (!t) throw Corrupt("the plan does not name the CPU it was made for");
  CpuTarget target;
  target.arch = text(t->arch());
  target.avx2_fma = t->avx2_fma();
  target.avx512 = t->avx512();
  target.avx512_vnni = t->avx512_vnni();
  target.avx512_bf16 = t->avx512_bf16();
  target.amx_bf16 = t->amx_bf16();
  return target;
}

Plan read_description(const fbs::Plan& p) {
  Plan plan;
  plan.target = read_target(p.target());
  plan.precision = text(p.precision());
  plan.symbols = read_all<PlanSymbol>(p.symbols(), read_symbol);
  plan.exprs = read_all<PlanExpr>(p.exprs(), read_expr);
  plan.inputs = read_all<PlanTensor>(p.inputs(), read_tensor);
  plan.outputs = read_all<PlanTensor>(p.outputs(), read_tensor);
  plan.buffers = read_all<PlanBuffer>(p.buffers(), read_buffer);
  plan.views = read_all<PlanView>(p.views(), read_view);
  plan.steps = read_all<PlanStep>(p.steps(), read_step);
  plan.blocks = read_all<PlanBlock>(p.blocks(), read_block);
  plan.sources = read_all<PlanSource>(p.sources(), read_source);
  plan.arena_bytes = p.arena_bytes();
  plan.num_threads = p.num_threads();
  plan.guards = read_all<PlanGuard>(p.guards(), [](const fbs::Guard& g) {
    return PlanGuard{g.lhs(), g.rhs(), g.equal(), text(g.text()), g.before()};
  });
  plan.kernels = read_all<PlanKernel>(p.kernels(), read_kernel);
  plan.shared_constants = p.shared_constants();
  plan.release_memory = p.release_memory();
  plan.origins = read_all<PlanSource>(p.origins(), read_source);
  return plan;
}

std::span<const std::byte> section(std::span<const std::byte> bytes, const PlanSection& s) {
  return bytes.subspan(s.offset, s.size);
}

void check_hash(std::span<const std::byte> content, const PlanSection& s, std::string_view name,
                std::string_view where) {
  if (section_hash(content) == s.hash) return;
  throw Corrupt(fmt::format("the plan's {} section does not match its checksum", name), std::string(where),
                "Copy the file again from where it was made");
}

template <typename Struct>
bool aligned(const flatbuffers::Vector<const Struct*>* items) {
  return !items || reinterpret_cast<std::uintptr_t>(items->Data()) % alignof(Struct) == 0;
}

bool structs_aligned(const fbs::Plan& plan) {
  bool good = aligned(plan.exprs()) && aligned(plan.buffers());
  if (plan.kernels()) {
    for (const fbs::Kernel* k : *plan.kernels()) good = good && aligned(k->exprs()) && aligned(k->accesses());
  }
  return good;
}

/// Structure is verified before anything is looked at. FlatBuffers reads numbers in place, so they must be aligned; its
/// verifier (2.0) sees to that for all but the elements of a vector of structs.
Plan parse_description(std::span<const std::byte> description) {
  constexpr std::size_t alignment = alignof(std::max_align_t);
  std::vector<std::max_align_t> copy;
  if (reinterpret_cast<std::uintptr_t>(description.data()) % alignment != 0) {
    copy.resize((description.size() + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
    std::memcpy(copy.data(), description.data(), description.size());
    description = std::as_bytes(std::span(copy)).first(description.size());
  }
  const auto* data = reinterpret_cast<const std::uint8_t*>(description.data());
  flatbuffers::Verifier verifier(data, description.size(), kMaxDepth, kMaxTables);
  const bool well_formed = description.size() >= kMinDescription && fbs::VerifyPlanBuffer(verifier);
  if (!well_formed || !structs_aligned(*fbs::GetPlan(data))) {
    throw Corrupt("the plan's description is not a well-formed FlatBuffer");
  }
  return read_description(*fbs::GetPlan(data));
}

}  // namespace

LoadedPlan read_plan(std::span<const std::byte> bytes, std::string_view where, PlanChecksums checksums) {
  const PlanHeader header = read_plan_header(bytes, where);
  LoadedPlan loaded;
  const auto description = section(bytes, header.description);
  loaded.code = section(bytes, header.code);
  loaded.constants = section(bytes, header.constants);
  check_hash(description, header.description, "description", where);
  check_hash(loaded.code, header.code, "code", where);
  if (checksums == PlanChecksums::all) check_hash(loaded.constants, header.constants, "constants", where);

  try {
    loaded.plan = parse_description(description);
    verify_plan(loaded.plan, loaded.code.size(), loaded.constants.size(), where);
  } catch (const Error& e) {
    if (!e.where().empty()) throw;
    throw_error(e.code(), e.problem(), std::string(where), e.fix());
  }
  return loaded;
}

}  // namespace aitune
