#include "compiler/import/torchscript/evaluator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/import/torchscript/builtins.h"

namespace aitune::torchscript {
namespace {

constexpr std::size_t kMaxWork = 5'000'000;
constexpr std::size_t kMaxNodes = 200'000;
constexpr std::size_t kMaxFrames = 200;
constexpr int kMaxVisited = 20;  // frames in search of a user's line

bool is_raise(const Stmt& statement) {
  return statement.kind == StmtKind::expression && statement.value.kind == ExprKind::call &&
         dotted_name(statement.value.items[0]) == "ops.prim.RaiseException";
}

// An assertion's failing side.
bool only_raises(const std::vector<Stmt>& block) { return std::ranges::any_of(block, is_raise); }

/// Whether a function of nn.Transformer asks if a mask is the causal one, so that it need not be applied: where only
/// data tell, it is applied.
bool is_hint(const Function& function) {
  return function.name == "_detect_is_causal_mask" &&
         function.source->name.ends_with("/__torch__/torch/nn/modules/transformer.py");
}

}  // namespace

std::optional<std::string> dotted_name(const Expr& expr) {
  if (expr.kind == ExprKind::name) return expr.text;
  if (expr.kind != ExprKind::attribute) return std::nullopt;
  auto base = dotted_name(expr.items[0]);
  if (base) *base += "." + expr.text;
  return base;
}

class Evaluator::FrameScope {
 public:
  explicit FrameScope(Evaluator& evaluator) : evaluator_(evaluator) {
    if (evaluator_.frames_.size() >= kMaxFrames)
      evaluator_.unsupported("functions call each other without end", "bound the recursion");
    evaluator_.frames_.emplace_back();
  }
  ~FrameScope() { evaluator_.frames_.pop_back(); }
  FrameScope(const FrameScope&) = delete;
  FrameScope& operator=(const FrameScope&) = delete;

 private:
  Evaluator& evaluator_;
};

Evaluator::~Evaluator() {
  for (const Val& value : changed_) {
    if (const auto* list = value.get<ListPtr>()) Vals().swap((*list)->items);
    if (const auto* dict = value.get<DictPtr>()) (*dict)->items.clear();
    if (const auto* object = value.get<ObjectPtr>()) (*object)->slots.clear();
  }
}

void Evaluator::charge(std::size_t work) {
  work_ += work;
  if (work_ > kMaxWork)
    unsupported("the model computes too much before a tensor is made: a loop seems to have no end",
                "let loops end after a number of steps that the sizes give");
  if (graph_->nodes().size() > kMaxNodes)
    unsupported(fmt::format("the model unrolls to more than {} operators", kMaxNodes), "let its loops run less often");
}

std::optional<bool> Evaluator::same(const Val& a, const Val& b) {
  std::size_t steps = 0;
  const auto result = equal(a, b, &steps);
  charge(steps);
  return result;
}

SourceLocation Evaluator::location() const {
  SourceLocation found;
  int visited = 0;
  for (auto f = frames_.rbegin(); f != frames_.rend() && ++visited <= kMaxVisited; ++f) {
    if (found.module.empty()) found.module = f->module;
    if (!found.code.empty() || f->source == nullptr || archive_.is_pytorch_code(*f->source, f->offset)) continue;
    found.code = archive_.user_line(*f->source, f->offset);
  }
  if (!found.code.empty() || frames_.empty() || frames_.back().source == nullptr) return found;
  found.code = archive_.user_line(*frames_.back().source, frames_.back().offset);
  if (found.code.empty()) found.code = place(*frames_.back().source, frames_.back().offset);
  return found;
}

namespace {

std::string where_of(const Evaluator& evaluator) {
  const SourceLocation location = evaluator.location();
  if (location.code.empty()) return evaluator.archive().where();
  return location.module.empty() ? location.code : fmt::format("{} (module {})", location.code, location.module);
}

}  // namespace

void Evaluator::unsupported(const std::string& what, std::string fix) const {
  throw Unsupported(what, where_of(*this), std::move(fix));
}
void Evaluator::invalid(const std::string& what, std::string fix) const {
  throw InvalidArgument(what, where_of(*this), std::move(fix));
}

Val Evaluator::call_method(const ObjectPtr& object, std::string_view method, Vals args) {
  const auto found = object->type->methods.find(method);
  if (found == object->type->methods.end())
    unsupported(fmt::format("{} has no method {}", printable(object->type->name), printable(method)));
  for (const auto* hooks : {"__forward_hooks__", "__forward_pre_hooks__"}) {
    const Field* field = object->type->find_field(hooks);
    if (field != nullptr && field->value && !field->value->items.empty())
      unsupported(fmt::format("{} has hooks", printable(object->type->name)), "remove them before saving the model");
  }
  return call_function(Callable{&found->second, object}, std::move(args), {});
}

Val Evaluator::call_function(const Callable& callee, Vals args, Keywords keywords) {
  charge(1 + args.size());
  std::string module = frames_.empty() ? std::string() : frames_.back().module;
  if (callee.self && callee.self->in_file) module = callee.self->path;
  const FrameScope scope(*this);
  Frame& made = frame();
  made.function = callee.function;
  made.source = callee.function->source;
  made.offset = callee.function->offset;
  made.module = std::move(module);
  bind_parameters(made, callee, std::move(args), std::move(keywords));
  std::optional<Val> result = run_block(callee.function->body);
  if (result && result->get<Unknown>() != nullptr && is_hint(*callee.function)) return false;
  return result ? *std::move(result) : Val(None{});
}

void Evaluator::bind_parameters(Frame& target, const Callable& callee, Vals args, Keywords keywords) {
  const auto& parameters = callee.function->parameters;
  if (callee.self) args.insert(args.begin(), callee.self);
  if (args.size() > parameters.size())
    unsupported(fmt::format("{} arguments for {}, which takes {}", args.size(), printable(callee.function->name),
                            parameters.size()));
  for (std::size_t i = 0; i < args.size(); ++i) target.locals[parameters[i].name] = std::move(args[i]);
  for (auto& [key, value] : keywords) target.locals[key] = std::move(value);
  for (const Parameter& parameter : parameters) {
    if (target.locals.contains(parameter.name)) continue;
    if (!parameter.value)
      unsupported(fmt::format("{} lacks its argument {}", printable(callee.function->name), printable(parameter.name)));
    Val value = evaluate(*parameter.value);
    frame().locals[parameter.name] = std::move(value);
  }
}

std::optional<Val> Evaluator::run_block(const std::vector<Stmt>& block) {
  for (const Stmt& statement : block)
    if (std::optional<Val> result = run(statement)) return result;
  return std::nullopt;
}

std::optional<Val> Evaluator::run(const Stmt& statement) {
  charge();
  frame().offset = statement.offset;
  switch (statement.kind) {
    case StmtKind::pass:
      return std::nullopt;
    case StmtKind::give_back:
      return evaluate(statement.value);
    case StmtKind::expression:
      evaluate(statement.value);
      return std::nullopt;
    case StmtKind::branch:
      return run_branch(statement);
    case StmtKind::for_loop:
      return run_for(statement);
    case StmtKind::while_loop:
      return run_while(statement);
    case StmtKind::with:
      return run_with(statement);
    case StmtKind::define:
      frame().closures[statement.targets[0].text] = &statement;
      return std::nullopt;
    case StmtKind::assign:
      break;
  }
  Val value = evaluate(statement.value);
  if (statement.type) value = convert(*statement.type, std::move(value));
  if (!statement.unpack) {
    assign(statement.targets[0], std::move(value));
    return std::nullopt;
  }
  const Vals* items = value.items();
  if (items == nullptr || items->size() != statement.targets.size())
    unsupported(fmt::format("{} is taken apart into {} values", value.kind(), statement.targets.size()));
  for (std::size_t i = 0; i < items->size(); ++i) assign(statement.targets[i], (*items)[i]);
  return std::nullopt;
}

std::optional<Val> Evaluator::run_branch(const Stmt& statement) {
  const Val condition = truth(evaluate(statement.value));
  if (const bool* known = condition.get<bool>()) return run_block(*known ? statement.body : statement.other);
  // What only guards against bad input may go, as torch.export drops assertions.
  frame().offset = statement.offset;
  if (only_raises(statement.body) || only_raises(statement.other)) {
    warn_of_dropped_raise();
    return run_block(only_raises(statement.body) ? statement.other : statement.body);
  }
  return run_either(statement, *condition.get<Unknown>());
}

// PyTorch's own checks, of which there are many, are not the user's to know.
void Evaluator::warn_of_dropped_raise() {
  if (frame().source == nullptr || archive_.is_pytorch_code(*frame().source, frame().offset)) return;
  warn("an exception or assertion there is left out: whether it is raised depends on data, or on a size that moves");
}

std::optional<Val> Evaluator::run_for(const Stmt& statement) {
  const Val range = evaluate(statement.value);
  frame().offset = statement.offset;
  const Vals* items = range.items();
  if (const auto* trips = range.get<Unknown>(); trips != nullptr && trips->value != nullptr)
    return run_loop(statement, trips);
  if (items == nullptr)
    unsupported(
        fmt::format("how often a loop runs is not known when the model is tuned: it is {}", range.kind()),
        "let it run a fixed number of times; where that depends on a size that moves, give samples of one size");
  const Vals copy = *items;
  charge(copy.size());
  for (const Val& item : copy) {
    assign(statement.targets[0], item);
    if (std::optional<Val> result = run_block(statement.body)) return result;
  }
  return std::nullopt;
}

std::optional<Val> Evaluator::run_while(const Stmt& statement) {
  while (true) {
    const Val condition = truth(evaluate(statement.value));
    frame().offset = statement.offset;
    const bool* known = condition.get<bool>();
    if (known == nullptr) {
      condition_value(*condition.get<Unknown>(), "whether a loop goes on", "let it run a fixed number of times");
      return run_loop(statement, nullptr);
    }
    if (!*known) return std::nullopt;
    charge();
    if (std::optional<Val> result = run_block(statement.body)) return result;
  }
}

Val Evaluator::run_fork(const std::string& closure) {
  const auto found = frame().closures.find(closure);
  if (found == frame().closures.end()) unsupported(fmt::format("{} is forked", printable(closure)));
  charge(1 + frame().locals.size());
  Frame made = frame();
  const FrameScope scope(*this);
  frame() = std::move(made);
  std::optional<Val> result = run_block(found->second->body);
  return result ? *std::move(result) : Val(None{});
}

namespace {

/// Whether the object is a torch.autocast that is on, for the device that everything runs on here.
bool changes_precision(const Object& object) {
  if (!object.type->name.ends_with(".autocast_mode.autocast")) return false;
  const auto enabled = object.slots.find("_enabled"), device = object.slots.find("device");
  if (enabled == object.slots.end() || device == object.slots.end()) return false;
  const auto* on = enabled->second.value.get<bool>();
  const auto* name = device->second.value.get<std::string>();
  return (on == nullptr || *on) && (name == nullptr || *name == "cpu");
}

}  // namespace

std::optional<Val> Evaluator::run_with(const Stmt& statement) {
  const Val value = evaluate(statement.value);
  const auto* object = value.get<ObjectPtr>();
  if (object == nullptr) unsupported(fmt::format("{} in a with statement", value.kind()));
  if (changes_precision(**object))
    warn(
        "torch.autocast is left out: what it makes of this part has the dtypes that it has without. The setting "
        "enabled_precisions says which precisions may be used");
  const Val entered = call_method(*object, "__enter__", {});
  if (!statement.targets.empty()) assign(statement.targets[0], entered);
  std::optional<Val> result = run_block(statement.body);
  call_method(*object, "__exit__", {None{}, None{}, None{}});
  return result;
}

void Evaluator::assign(const Expr& target, Val value) {
  if (target.kind == ExprKind::name) {
    frame().locals[target.text] = std::move(value);
  } else if (target.kind == ExprKind::attribute) {
    set_attribute(target, std::move(value));
  } else {
    unsupported("an assignment to something that is neither a name nor an attribute");
  }
}

void Evaluator::set_attribute(const Expr& target, Val value) {
  const Val base = evaluate(target.items[0]);
  const auto* object = base.get<ObjectPtr>();
  if (object == nullptr) unsupported(fmt::format("an attribute of {} is set", base.kind()));
  changed_.push_back(base);
  set_slot(*object, target.text, std::move(value));
}

void Evaluator::set_slot(const ObjectPtr& object, const std::string& name, Val value) {
  Slot& slot = object->slots[name];
  if (!journals_.empty() && object->born <= journals_.back().born)
    journals_.back().before.try_emplace({object, name}, slot);
  if (!slot.saved) slot.saved = slot.value;
  slot.value = std::move(value);
}

void Evaluator::warn(std::string message) {
  constexpr std::size_t kMaxWarnings = 50;
  std::string line = location().code.substr(0, 200);
  if (line.ends_with(':')) line.pop_back();  // of an if
  message = fmt::format("{}: {}", line, message);
  if (warnings_.size() < kMaxWarnings && std::ranges::find(warnings_, message) == warnings_.end())
    warnings_.push_back(std::move(message));
}

}  // namespace aitune::torchscript
