#include "runtime/program.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "base/memory.h"
#include "engines/reference/run/op_call.h"
#include "format/digest.h"
#include "format/plan_header.h"
#include "format/plan_memory.h"
#include "format/tensor_bytes.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/bundle.h"

namespace aitune {
namespace {

constexpr std::size_t kConstantAlignment = 64;

std::shared_ptr<ThreadPool> make_pool(const Plan& plan, const LoadOptions& options) {
  if (options.pool) return options.pool;
  const int planned = static_cast<int>(plan.num_threads);
  return std::make_shared<ThreadPool>(options.num_threads > 0 ? options.num_threads : planned);
}

/// Refuses a plan no call of which this machine has the memory for. Weights are mapped from the file, and do not count.
void check_memory_for(const Plan& plan, const std::string& where) {
  const std::uint64_t limit = memory_limit();
  const auto least = smallest_arena(plan);
  if (!least || *least < 0 || static_cast<std::uint64_t>(*least) <= limit) return;
  const std::string formula = arena_formula(plan);
  throw Unavailable(
      fmt::format("its intermediate results take {} bytes of memory at least{}, and {} is all there can be "
                  "here",
                  *least, plan.symbols.empty() || formula.empty() ? "" : " (" + formula + ")", limit),
      where,
      "Run it on a machine with more memory, raise the limit of this process, or tune with a "
      "workspace_size");
}

void check_target(const Plan& plan, const LoadOptions& options, std::string_view where) {
  const CpuTarget& machine = host_cpu();  // also gets the permission to use tile registers, before any thread needs it
  const CpuTarget& host = options.host ? *options.host : machine;
  if (host.covers(plan.target)) return;
  throw Incompatible(fmt::format("the plan is for {}, and this machine is {}", plan.target.str(), host.str()),
                     std::string(where), "Tune the model on this machine (aitune tune)");
}

void check_reference_steps(const Plan& plan, std::string_view where) {
  for (const PlanStep& step : plan.steps) {
    if (step.kind != StepKind::reference) continue;
    const auto op = find_op_id(step.op);
    if (op && reference::has_kernel(*op)) continue;
    throw Unsupported(fmt::format("the reference engine of this aitune has no kernel for {}", step.op),
                      std::string(where), "Install a newer aitune, or tune the model again with this one");
  }
}

void check_shared_size(const Plan& plan, std::size_t size, const std::string& where) {
  if (size == plan.shared_constants) return;
  throw Corrupt(fmt::format("the plan takes its constants from one that has {} bytes of them, and there are {}",
                            plan.shared_constants, size),
                where);
}

/// Whether the user or the file asks for weights that stay in the file.
bool streams_weights(const std::optional<Manifest>& manifest, const LoadOptions& options) {
  if (options.weight_budget > 0) return true;
  return manifest && manifest->is_set("enable_weight_streaming");
}

/// Whether two tensors of a plan have one dtype and rank, and no sizes that differ for certain.
bool may_be_one(const Plan& plan, const PlanTensor& a, const PlanTensor& b) {
  return a.dtype == b.dtype && std::ranges::equal(a.shape, b.shape, [&](ExprId x, ExprId y) {
           const PlanExpr &m = plan.exprs[x], &n = plan.exprs[y];
           const bool known = m.op == PlanExpr::Op::constant && n.op == PlanExpr::Op::constant;
           return !known || m.value == n.value;
         });
}

/// Hashes the pieces on all threads; each also faults its pages in, which one thread alone would do slowly, and gives
/// them back if they are not to stay.
std::uint64_t hash_pages(std::span<const std::byte> bytes, ThreadPool& pool, bool give_back) {
  std::vector<std::uint64_t> hashes((bytes.size() + kHashPiece - 1) / kHashPiece);
  pool.parallel_for(static_cast<std::int64_t>(hashes.size()), [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const auto piece = bytes.subspan(i * kHashPiece, std::min(kHashPiece, bytes.size() - i * kHashPiece));
      prefault(piece);
      hashes[i] = xxh3_64(piece);
      if (give_back) WeightStream::give_back(piece);
    }
  });
  return combine_piece_hashes(hashes);
}

}  // namespace

/// Where a plan's bytes are, or an archive's, and what is known about them.
struct Program::Source {
  std::span<const std::byte> bytes;
  std::string where;
  std::shared_ptr<const void> owner;
  std::optional<Manifest> manifest = {};
  const Program* general = nullptr;                // of a special plan: where its constants are
  std::optional<ForeignConstants> constants = {};  // of a plan beside another one
  bool mapped = false;                             // the bytes are those of a file, mapped read-only
};

std::shared_ptr<const Program> Program::open(const std::filesystem::path& path, const LoadOptions& options) {
  const auto file = MappedFile::open(path);
  return from_archive({.bytes = file.bytes(), .where = file.path(), .owner = file.owner(), .mapped = true}, options);
}

std::shared_ptr<const Program> Program::from_bytes(std::span<const std::byte> archive, std::string_view where,
                                                   const LoadOptions& options, std::shared_ptr<const void> owner) {
  return from_archive({.bytes = archive, .where = std::string(where), .owner = std::move(owner)}, options);
}

std::shared_ptr<const Program> Program::from_archive(const Source& archive, const LoadOptions& options) {
  const ZipReader zip(archive.bytes, archive.where);
  if (is_bundle(zip)) {
    const BundledModule chosen = choose_bundled(zip, options.module);
    LoadOptions of_module = options;
    of_module.module.clear();
    return from_archive(
        {.bytes = chosen.bytes, .where = chosen.where, .owner = archive.owner, .mapped = archive.mapped}, of_module);
  }
  Manifest manifest = read_manifest(zip);
  const ManifestPlan& row = choose_plan(manifest, options, archive.where);
  const auto bytes = plan_bytes(zip, row, options.verify_checksums);
  const auto where_of = [&](const ManifestPlan& plan) { return fmt::format("{}:{}", archive.where, plan.entry); };
  const auto source_of = [&](const ManifestPlan& plan, std::span<const std::byte> its) {
    return Source{.bytes = its, .where = where_of(plan), .owner = archive.owner, .mapped = archive.mapped};
  };
  Source source = source_of(row, bytes);
  source.manifest = manifest;
  if (!row.constants_of.empty()) source.constants = constants_of(zip, manifest, row, options.verify_checksums);
  const auto program = load(source, options);
  if (const ManifestModule* module = manifest.find_module(row.module))
    program->read_states(zip, *module, options.verify_checksums);
  if (!options.special_plans) return program;
  for (const ManifestPlan* special : special_plans(manifest, row, options))
    program->add_special(source_of(*special, plan_bytes(zip, *special, options.verify_checksums)), options);
  return program;
}

std::shared_ptr<const Program> Program::from_plan(std::span<const std::byte> plan, std::string_view where,
                                                  const LoadOptions& options, std::shared_ptr<const void> owner) {
  return load({.bytes = plan, .where = std::string(where), .owner = std::move(owner)}, options);
}

std::shared_ptr<const Program> Program::from_built(const BuiltPlan& built, const LoadOptions& options,
                                                   std::span<const BuiltPlan> specials) {
  LoadOptions trusting = options;
  trusting.verify_checksums = false;  // they were computed a moment ago
  const auto source_of = [](const BuiltPlan& plan) {
    const auto bytes = std::make_shared<std::vector<std::byte>>(serialize_plan(plan));
    return Source{.bytes = *bytes, .where = "built plan", .owner = bytes};
  };
  const auto program = load(source_of(built), trusting);
  for (const BuiltPlan& special : specials) program->add_special(source_of(special), trusting);
  return program;
}

void Program::add_special(const Source& source, const LoadOptions& options) {
  Source special = source;
  special.general = this;
  LoadOptions sharing = options;
  sharing.pool = pool_;
  auto loaded = load(special, sharing);
  table_.add(plan_, loaded->plan_, source.where);
  specials_.push_back(std::move(loaded));
}

const Program& Program::choose(std::span<const TensorRef> inputs) const noexcept {
  const auto row = table_.find(inputs);
  return row ? *specials_[*row] : *this;
}

std::shared_ptr<Program> Program::load(const Source& source, const LoadOptions& options) {
  LoadedPlan loaded = read_plan(source.bytes, source.where, PlanChecksums::all_but_constants);
  check_target(loaded.plan, options, source.where);
  check_reference_steps(loaded.plan, source.where);
  if (!source.general) check_memory_for(loaded.plan, source.where);
  const std::shared_ptr<Program> program(new Program);
  program->where_ = source.where;
  program->manifest_ = source.manifest;
  program->owner_ = source.owner;
  program->plan_ = std::move(loaded.plan);
  program->pool_ = make_pool(program->plan_, options);
  program->code_ = cpu::CodeSegment(loaded.code);
  program->make_onednn_kernels();
  const bool stream = source.general ? source.general->stream_ != nullptr : streams_weights(source.manifest, options);
  if (program->plan_.shared_constants != 0 && !source.constants) {
    program->share_constants_of(source.general);
  } else {
    ForeignConstants constants{loaded.constants, 0};
    if (source.constants)
      constants = *source.constants;
    else
      constants.hash = read_plan_header(source.bytes, source.where).constants.hash;
    if (program->plan_.shared_constants != 0) check_shared_size(program->plan_, constants.bytes.size(), source.where);
    program->place_constants(constants, options.verify_checksums, stream && source.mapped);
  }
  if (stream) program->stream_weights(source, options);
  program->table_ = PlanTable(program->plan_);
  return program;
}

void Program::make_onednn_kernels() {
  std::shared_ptr<const cpu::OneDnn> library;
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    const PlanStep& step = plan_.steps[i];
    if (step.kind != StepKind::onednn) continue;
    const std::string where = fmt::format("{}: step {} ({})", where_, i, step.name);
    if (!library) library = cpu::OneDnn::open();
    auto kernel = std::make_unique<cpu::OneDnnKernel>(library, read_onednn_payload(step.payload, where), where);
    const auto& parts = kernel->payload().parts;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      // read_plan has seen that weights are constants, and so of constant size.
      const PlanExpr& room = plan_.exprs[plan_.buffers[step.buffers[parts[p].weights]].bytes];
      if (room.op != PlanExpr::Op::constant || static_cast<std::uint64_t>(room.value) < kernel->weights_bytes(p))
        throw Corrupt(fmt::format("its weights take {} bytes, more than the plan has", kernel->weights_bytes(p)),
                      where);
    }
    onednn_[i] = std::move(kernel);
  }
}

void Program::place_constants(const ForeignConstants& constants, bool verify, bool give_back) {
  const std::span<const std::byte> bytes = constants.bytes;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kConstantAlignment != 0) {
    constants_copy_ = Arena(bytes.size());
    std::memcpy(constants_copy_.data(), bytes.data(), bytes.size());
    constants_ = {constants_copy_.data(), bytes.size()};
  } else {
    constants_ = bytes;
  }
  if (verify && hash_pages(constants_, *pool_, give_back && constants_copy_.size() == 0) != constants.hash) {
    throw Corrupt("the plan's constants section does not match its checksum", where_,
                  "Copy the file again from where it was made");
  }
}

void Program::stream_weights(const Source& source, const LoadOptions& options) {
  if (source.general) {
    stream_ = source.general->stream_;
  } else if (source.mapped && constants_copy_.size() == 0) {
    const std::size_t budget = options.weight_budget > 0 ? options.weight_budget : WeightStream::enough_for(plan_);
    stream_ = std::make_shared<WeightStream>(constants_, budget);
  } else if (options.weight_budget > 0) {
    throw Unsupported("the weights cannot stay in the file: they are not mapped from one, or not aligned in it", where_,
                      "Load the .ait by its path, or without a weight budget");
  }
  if (stream_) streamed_ = stream_->add(plan_);
}

void Program::share_constants_of(const Program* general) {
  if (!general) throw Corrupt("the plan takes its constants from another one, and stands alone", where_);
  check_shared_size(plan_, general->constants().size(), where_);
  constants_ = general->constants();
}

void Program::read_states(const ZipReader& archive, const ManifestModule& module, bool verify) {
  for (std::size_t i = 0; i < module.written.size(); ++i) {
    const WrittenInput& written = module.written[i];
    const auto input = find_input(written.input), output = find_output(written.output);
    const auto refuse = [&](const std::string& what) {
      throw Corrupt(fmt::format("the model writes to its input '{}', {}", written.input, what), where_);
    };
    if (!input || !output) refuse(fmt::format("and it or '{}' is no input or output of the plan", written.output));
    if (!may_be_one(plan_, plan_.inputs[*input], plan_.outputs[*output]))
      refuse(fmt::format("and '{}' is of another type", written.output));
    State state{*output, written.buffer, {}};
    if (!written.buffer.empty()) {
      const ZipEntry* entry = archive.find_in_top(fmt::format("{}{}", kBufferFolder, i));
      if (entry == nullptr) refuse("and its first value is not in the file");
      if (verify) archive.verify_crc(*entry);
      const PlanTensor& type = plan_.inputs[*input];
      Shape shape;
      for (const ExprId size : type.shape) {
        if (plan_.exprs[size].op != PlanExpr::Op::constant) refuse("a buffer whose size moves");
        shape.push_back(plan_.exprs[size].value);
      }
      state.first_value = tensor_from_bytes(type.dtype, std::move(shape), archive.bytes(*entry), archive.owner(),
                                            fmt::format("{}:{}", where_, entry->name));
    }
    states_.emplace(*input, std::move(state));
  }
}

std::optional<std::size_t> Program::find_input(std::string_view name) const {
  const auto it = std::ranges::find(plan_.inputs, name, &PlanTensor::name);
  if (it == plan_.inputs.end()) return std::nullopt;
  return it - plan_.inputs.begin();
}

std::optional<std::size_t> Program::find_output(std::string_view name) const {
  const auto it = std::ranges::find(plan_.outputs, name, &PlanTensor::name);
  if (it == plan_.outputs.end()) return std::nullopt;
  return it - plan_.outputs.begin();
}

}  // namespace aitune
