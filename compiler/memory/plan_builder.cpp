#include "compiler/memory/plan_builder.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/memory/arena.h"
#include "compiler/ops/schema.h"
#include "compiler/ops/size_facts.h"
#include "format/digest.h"

namespace aitune {
namespace {

constexpr std::int64_t kAlignment = 64;

void append_aligned(std::vector<std::byte>& segment, std::span<const std::byte> bytes) {
  segment.resize((segment.size() + kAlignment - 1) / kAlignment * kAlignment);
  segment.insert(segment.end(), bytes.begin(), bytes.end());
}

/// The input dimension that gives the symbol: the first that is just it, or else the first that is a multiple of it and
/// a constant.
std::optional<PlanSymbol> find_binding(const Graph& model, const std::string& symbol) {
  std::optional<PlanSymbol> found;
  for (std::uint32_t i = 0; i < model.inputs.size(); ++i) {
    const auto& shape = model.inputs[i]->type.shape;
    for (std::uint32_t d = 0; d < shape.size(); ++d) {
      const auto linear = linear_size(shape[d]);
      if (!linear || linear->symbol != symbol) continue;
      const bool plain = linear->factor == 1 && linear->offset == 0;
      if (found && !plain) continue;
      found = PlanSymbol{.name = symbol, .input = i, .dim = d, .factor = linear->factor, .offset = linear->offset};
      if (plain) return found;
    }
  }
  return found;
}

}  // namespace

/// Symbols that nodes define, and symbols that anything uses.
struct GraphSymbols {
  std::set<std::string> defined, used;
  explicit GraphSymbols(const Graph& model) {
    add_nodes(model);
    for (const Value* input : model.inputs)
      for (const SymInt& size : input->type.shape) {
        std::vector<std::string> names;
        size.collect_symbols(names);
        used.insert(names.begin(), names.end());
      }
  }

 private:
  void add_nodes(const Graph& graph) {
    for (const auto& node : graph.nodes()) {
      if (const auto symbol = data_symbol(*node)) defined.insert(symbol->name);
      for (std::string& name : symbols_of(*node)) used.insert(std::move(name));
      for (const auto& region : node->regions) add_nodes(*region);
    }
  }
};

void PlanBuilder::add_symbols() {
  Plan& plan = built_.plan;
  const GraphSymbols known(model_);
  std::vector<std::string> by_data;
  for (const auto& [name, range] : model_.symbols) {
    if (auto binding = find_binding(model_, name)) {
      binding->range = range;
      plan.symbols.push_back(*std::move(binding));
    } else if (known.defined.contains(name)) {
      by_data.push_back(name);
    } else if (known.used.contains(name)) {
      throw Unsupported("no input dimension gives the value of symbol " + name, "graph inputs",
                        "Export the model with every dynamic dimension as a dimension of an input");
    }
  }
  for (const std::string& name : by_data) {
    PlanSymbol symbol{name, model_.symbols.at(name)};
    symbol.data = true;
    symbol.at_most = plan.add(memory_of(SymInt::symbol(name)));
    plan.symbols.push_back(std::move(symbol));
  }
}

PlanBuilder::PlanBuilder(const Graph& model, const CpuTarget& target, std::string precision, SymValues hints,
                         std::int64_t largest_data_size, bool shared_halos)
    : model_(model), hints_(std::move(hints)), largest_data_size_(largest_data_size), shared_halos_(shared_halos) {
  Plan& plan = built_.plan;
  plan.target = target;
  plan.precision = std::move(precision);
  add_symbols();
  const auto add_tensor = [&](std::vector<PlanTensor>& list, const std::string& name, const TensorType& type) {
    PlanTensor tensor{name, type.dtype, {}};
    for (const auto& size : type.shape) tensor.shape.push_back(plan.add(size));
    if (const SymShape most = largest(type.shape); most != type.shape)
      for (const auto& size : most) tensor.largest.push_back(plan.add(size));
    list.push_back(std::move(tensor));
  };
  for (const Value* input : model.inputs) add_tensor(plan.inputs, input->name, input->type);
  for (std::size_t i = 0; i < model.outputs.size(); ++i) {
    const std::string& name = i < model.output_names.size() ? model.output_names[i] : model.outputs[i]->name;
    add_tensor(plan.outputs, name, model.outputs[i]->type);
  }
  input_buffers_.resize(model.inputs.size());
  output_buffers_.resize(model.outputs.size());
}

SymShape PlanBuilder::largest(const SymShape& shape) const {
  SymShape result;
  for (const SymInt& size : shape) result.push_back(memory_of(size));
  return result;
}

SymInt PlanBuilder::memory_of(const TensorType& type) const {
  return product(largest(type.shape)) * static_cast<std::int64_t>(dtype_size(type.dtype));
}

std::uint32_t PlanBuilder::add_arena(const SymInt& bytes) {
  const auto id = static_cast<std::uint32_t>(built_.plan.buffers.size());
  SymInt memory = memory_of(bytes);
  // A branch may be for other sizes than those at hand; then it takes no memory.
  if (memory.range(model_.symbols).min < 0) memory = max(memory, SymInt(0));
  built_.plan.buffers.push_back({BufferSpace::arena, 0, built_.plan.constant(0), built_.plan.add(memory)});
  arenas_[id] = {memory, !(memory == bytes), std::nullopt};
  return id;
}

std::uint32_t PlanBuilder::add_zeroed_arena(const SymInt& bytes, const std::string& key) {
  const std::uint32_t id = add_arena(bytes);
  if (!shared_halos_) {
    arenas_[id].zero_key = key + "/" + bytes.str();
    return id;
  }
  PlanStep zero = zero_step(id, built_.plan.buffers[id].bytes);
  zero.every_run = true;
  add_step(std::move(zero));
  return id;
}

PlanStep PlanBuilder::zero_step(std::uint32_t buffer, ExprId bytes) {
  PlanStep step;
  step.kind = StepKind::fill;
  step.name = "zero_halo";
  step.buffers = {buffer};
  step.params = {built_.plan.constant(0), bytes, built_.plan.constant(0)};
  return step;
}

std::uint32_t PlanBuilder::add_constant(std::span<const std::byte> bytes) {
  const std::string key = to_hex(sha256(bytes));
  if (const auto it = constants_.find(key); it != constants_.end()) return it->second;
  append_aligned(built_.constants, bytes);
  Plan& plan = built_.plan;
  const auto id = static_cast<std::uint32_t>(plan.buffers.size());
  const auto offset = static_cast<std::int64_t>(built_.constants.size() - bytes.size());
  plan.buffers.push_back(
      {BufferSpace::constant, 0, plan.constant(offset), plan.constant(static_cast<std::int64_t>(bytes.size()))});
  return constants_[key] = id;
}

std::uint32_t PlanBuilder::add_outside_buffer(BufferSpace space, std::uint32_t index, const SymInt& bytes) {
  built_.plan.buffers.push_back({space, index, built_.plan.constant(0), built_.plan.add(bytes)});
  return static_cast<std::uint32_t>(built_.plan.buffers.size() - 1);
}

std::uint32_t PlanBuilder::input_buffer(std::uint32_t index) {
  auto& slot = input_buffers_.at(index);
  if (!slot) slot = add_outside_buffer(BufferSpace::input, index, memory_of(model_.inputs[index]->type));
  return *slot;
}

std::uint32_t PlanBuilder::output_buffer(std::uint32_t index) {
  auto& slot = output_buffers_.at(index);
  if (!slot) slot = add_outside_buffer(BufferSpace::output, index, memory_of(model_.outputs[index]->type));
  return *slot;
}

std::uint32_t PlanBuilder::buffer_of(const Value& value) {
  if (const auto it = value_buffers_.find(&value); it != value_buffers_.end()) return it->second;
  const auto index_in = [&](const std::vector<Value*>& list) {
    const auto it = std::ranges::find(list, &value);
    return it == list.end() ? std::nullopt : std::optional(static_cast<std::uint32_t>(it - list.begin()));
  };
  std::uint32_t id = 0;
  if (const auto input = index_in(model_.inputs)) {
    id = input_buffer(*input);
  } else if (value.kind == ValueKind::weight) {
    const Tensor data = value.data.contiguous();
    id = add_constant({data.data(), data.byte_size()});
  } else if (const auto output = index_in(model_.outputs)) {
    id = output_buffer(*output);
  } else {
    id = add_arena(product(value.type.shape) * static_cast<std::int64_t>(dtype_size(value.type.dtype)));
  }
  return value_buffers_[&value] = id;
}

std::uint64_t PlanBuilder::add_code(std::span<const std::byte> code) {
  append_aligned(built_.code, code);
  return built_.code.size() - code.size();
}

void PlanBuilder::add_kernel(PlanKernel kernel) {
  auto& kernels = built_.plan.kernels;
  kernels.insert(std::ranges::upper_bound(kernels, kernel.entry, {}, &PlanKernel::entry), std::move(kernel));
}

std::uint32_t PlanBuilder::begin_block(std::string engine, std::string why) {
  built_.plan.blocks.push_back({std::move(engine), std::move(why), {}});
  return static_cast<std::uint32_t>(built_.plan.blocks.size() - 1);
}

std::uint32_t PlanBuilder::add_source(const Node& node) {
  const std::string name = node.outputs.empty() ? std::string(node.op_name()) : node.output()->name;
  // Names are unique in a graph; the graphs of regions may have the same ones.
  const std::string key = fmt::format("{}\n{}\n{}\n{}", name, node.op_name(), node.source.module, node.source.code);
  const auto [it, fresh] = sources_by_node_.try_emplace(key, static_cast<std::uint32_t>(built_.plan.sources.size()));
  if (!fresh) return it->second;
  PlanSource source{name, std::string(node.op_name()), node.source.module, node.source.code, {}};
  for (const auto& origin : node.source.nodes) source.origins.push_back(add_origin(*origin));
  built_.plan.sources.push_back(std::move(source));
  return it->second;
}

std::uint32_t PlanBuilder::add_origin(const ModelNode& node) {
  const auto [it, fresh] = origins_.try_emplace(node.index, static_cast<std::uint32_t>(built_.plan.origins.size()));
  if (fresh) built_.plan.origins.push_back({node.name, node.op, node.module, node.code, {}});
  return it->second;
}

void PlanBuilder::add_value(const Value& value, std::uint32_t buffer, DType dtype, const SymInt& offset,
                            const SymShape& strides) {
  PlanValue placed{value.name, buffer, dtype, expr(offset), {}, {}};
  for (const SymInt& size : value.type.shape) placed.shape.push_back(expr(size));
  for (const SymInt& stride : strides) placed.strides.push_back(expr(stride));
  built_.plan.steps.back().values.push_back(std::move(placed));
}

void PlanBuilder::add_product(ProductStep product) {
  product.step = built_.plan.steps.size() - 1;
  products_.push_back(std::move(product));
}

std::uint32_t PlanBuilder::add_view(std::uint32_t buffer, DType dtype, const SymShape& shape) {
  PlanView view{buffer, dtype, {}};
  for (const auto& size : shape) view.shape.push_back(built_.plan.add(size));
  built_.plan.views.push_back(std::move(view));
  return static_cast<std::uint32_t>(built_.plan.views.size() - 1);
}

void PlanBuilder::add_step(PlanStep step) {
  if (built_.plan.blocks.empty()) throw InternalError("a step was added before any block", "plan builder");
  step.block = static_cast<std::uint32_t>(built_.plan.blocks.size() - 1);
  built_.plan.steps.push_back(std::move(step));
}

PlanBuilder::Mark PlanBuilder::mark() const {
  const Plan& plan = built_.plan;
  return {plan.steps.size(),       plan.views.size(),   plan.buffers.size(), built_.code.size(),
          built_.constants.size(), plan.sources.size(), products_.size(),    plan.target};
}

void PlanBuilder::rollback(const Mark& mark) {
  Plan& plan = built_.plan;
  const auto is_new = [&](const auto& entry) { return entry.second >= mark.buffers; };
  plan.steps.resize(mark.steps);
  plan.views.resize(mark.views);
  plan.buffers.resize(mark.buffers);
  plan.sources.resize(mark.sources);
  plan.target = mark.target;
  products_.resize(mark.products);
  built_.code.resize(mark.code);
  built_.constants.resize(mark.constants);
  std::erase_if(plan.kernels, [&](const PlanKernel& kernel) { return kernel.entry >= mark.code; });
  std::erase_if(arenas_, [&](const auto& entry) { return entry.first >= mark.buffers; });
  std::erase_if(constants_, is_new);
  std::erase_if(value_buffers_, is_new);
  std::erase_if(sources_by_node_, [&](const auto& entry) { return entry.second >= mark.sources; });
  for (auto* buffers : {&input_buffers_, &output_buffers_})
    for (auto& buffer : *buffers)
      if (buffer && *buffer >= mark.buffers) buffer.reset();
  if (!plan.blocks.empty()) plan.blocks.back().outputs.clear();
}

void PlanBuilder::define_symbol(const Node& node) {
  const auto found = data_symbol(node);
  if (!found) return;
  PlanSymbol& symbol = *std::ranges::find(built_.plan.symbols, found->name, &PlanSymbol::name);
  symbol.step = static_cast<std::uint32_t>(built_.plan.steps.size() - 1);
  symbol.result = static_cast<std::uint32_t>(found->place.output);
  symbol.dim = static_cast<std::uint32_t>(found->place.dim);
}

void PlanBuilder::add_copy(std::uint32_t from, std::uint32_t to, const TensorType& type) {
  PlanStep step;
  step.kind = StepKind::copy;
  step.name = "copy";
  step.buffers = {from, to};
  step.params = {built_.plan.add(memory_of(product(type.shape) * static_cast<std::int64_t>(dtype_size(type.dtype))))};
  add_step(std::move(step));
}

std::size_t PlanBuilder::open_control(PlanStep step) {
  step.ranges = {0, 0};
  add_step(std::move(step));
  return step_count() - 1;
}

void PlanBuilder::close_control(std::size_t step, std::size_t middle) {
  built_.plan.steps.at(step).ranges = {static_cast<std::uint32_t>(middle - step - 1),
                                       static_cast<std::uint32_t>(step_count() - middle)};
}

void PlanBuilder::add_region_guards(const Graph& region, std::size_t first) {
  if (step_count() == first) return;
  Plan& plan = built_.plan;
  std::set<std::string> own;  // sizes that are found out in the region: known then, and checked then
  for (const auto& node : region.nodes())
    if (const auto symbol = data_symbol(*node)) own.insert(symbol->name);
  for (const SizeFact& fact : region_size_facts(region)) {
    std::vector<std::string> names;
    fact.lhs.collect_symbols(names);
    fact.rhs.collect_symbols(names);
    const bool inside = std::ranges::any_of(names, [&](const std::string& name) { return own.contains(name); });
    plan.guards.push_back({plan.add(fact.lhs), plan.add(fact.rhs), fact.equal, to_string(fact),
                           inside ? 0 : static_cast<std::uint32_t>(first + 1)});
  }
}

void PlanBuilder::add_copies_to_outputs() {
  for (std::uint32_t i = 0; i < model_.outputs.size(); ++i) {
    const Value& value = *model_.outputs[i];
    const std::uint32_t from = buffer_of(value), to = output_buffer(i);
    if (from == to) continue;
    if (plan().blocks.empty() || plan().blocks.back().engine != "reference")
      begin_block("reference", "outputs that are inputs, weights or other outputs are copied");
    PlanStep step;
    step.kind = StepKind::reference;
    step.name = step.op = "aten.clone.default";
    PlanArg tensor, format;
    tensor.kind = PlanArg::Kind::tensor;
    tensor.tensor = add_view(from, value.type.dtype, value.type.shape);
    step.args = {tensor, format};
    step.results = {add_view(to, value.type.dtype, value.type.shape)};
    step.buffers = {from, to};
    block().outputs.push_back(step.results[0]);
    add_step(std::move(step));
  }
}

void PlanBuilder::place_arenas() {
  Plan& plan = built_.plan;
  struct Life {
    std::int64_t first = -1, last = -1;
  };
  std::map<std::uint32_t, Life> lives;
  const auto touch = [&](std::uint32_t buffer, std::int64_t step) {
    if (!arenas_.contains(buffer)) return;
    Life& life = lives[buffer];
    if (life.first < 0) life.first = step;
    life.last = step;
  };
  for (std::size_t s = 0; s < plan.steps.size(); ++s)
    for (const std::uint32_t b : plan.steps[s].buffers) touch(b, static_cast<std::int64_t>(s));

  // A loop comes back to its first step: what it shares with the steps around it lives as long as it runs. (Branches
  // run part of the steps in their order, so they need nothing.) Inner loops lie behind the outer ones.
  for (std::size_t s = plan.steps.size(); s-- > 0;) {
    const PlanStep& step = plan.steps[s];
    if (step.kind != StepKind::loop) continue;
    const auto before = static_cast<std::int64_t>(s);
    const std::int64_t last = before + step.ranges[0] + step.ranges[1];
    for (auto& [id, life] : lives) {
      if (life.first <= before && life.last > before) life.last = std::max(life.last, last);
      if (life.first > before && life.first <= last && life.last > last) life.first = before;
    }
  }

  // Buffers whose sizes are multiples of the same polynomial keep their relative places for every value of its symbols,
  // so each such group is planned once, in units of that polynomial. Zeroed buffers share only with their own key.
  struct Group {
    SymInt unit;
    std::vector<std::uint32_t> buffers;
    std::vector<ArenaRequest> requests;
    bool data_sized = false;
  };
  std::map<std::string, Group> groups;
  for (const auto& [id, life] : lives) {
    const auto& [multiple, unit] = content(arenas_[id].bytes);
    Group& group = groups[arenas_[id].zero_key.value_or("") + "|" + unit.str()];
    group.unit = unit;
    group.data_sized |= arenas_[id].data_sized;
    group.buffers.push_back(id);
    group.requests.push_back({multiple, life.first, life.last});
  }
  SymInt total = 0;
  std::vector<PlanStep> fills;
  for (auto& [key, group] : groups) {
    const ArenaLayout layout = lay_out(group.unit, group.requests, kAlignment, model_.symbols);
    const SymInt base = total, size = layout.quantum * layout.size;
    for (std::size_t i = 0; i < group.buffers.size(); ++i)
      plan.buffers[group.buffers[i]].offset = plan.add(base + layout.quantum * layout.offsets[i]);
    total += size;
    if (key.front() != '|') {
      // One buffer that spans the group stands for it in the step that zeroes it.
      PlanStep fill = zero_step(static_cast<std::uint32_t>(plan.buffers.size()), plan.add(size));
      fill.every_run = group.data_sized;
      plan.buffers.push_back({BufferSpace::arena, 0, plan.add(base), plan.add(size)});
      fills.push_back(std::move(fill));
    }
  }
  plan.arena_bytes = plan.add(total);
  plan.steps.insert(plan.steps.begin(), fills.begin(), fills.end());
  for (ProductStep& product : products_) product.step += fills.size();
  for (PlanSymbol& symbol : plan.symbols)
    if (symbol.data) symbol.step += static_cast<std::uint32_t>(fills.size());
  for (PlanGuard& guard : plan.guards)
    if (guard.before != 0) guard.before += static_cast<std::uint32_t>(fills.size());
}

void PlanBuilder::add_guards() {
  Plan& plan = built_.plan;
  for (const SizeFact& fact : size_facts(model_))
    plan.guards.push_back({plan.add(fact.lhs), plan.add(fact.rhs), fact.equal, to_string(fact)});
}

BuiltPlan PlanBuilder::finish() {
  add_guards();
  add_copies_to_outputs();
  place_arenas();
  return std::move(built_);
}

}  // namespace aitune
