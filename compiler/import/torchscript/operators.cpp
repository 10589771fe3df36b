#include "compiler/import/torchscript/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "compiler/import/out_argument.h"
#include "compiler/import/scaled_operands.h"
#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/ungiven_state.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"
#include "compiler/ops/slice_bounds.h"

namespace aitune::torchscript {
namespace {

using Overloads = std::map<std::string, std::vector<const OpInfo*>, std::less<>>;

// "add" gives add.Tensor, add.Scalar, ...
const Overloads& overloads() {
  static const Overloads table = [] {
    Overloads made;
    for (const OpInfo& op : all_ops()) {
      const std::string_view name = op.name;
      const auto first = name.find('.'), last = name.rfind('.');
      if (name.substr(0, first) == "aten") made[std::string(name.substr(first + 1, last - first - 1))].push_back(&op);
    }
    return made;
  }();
  return table;
}

bool is_whole(const Val& value) {
  if (const auto* number = value.get<Number>()) return std::holds_alternative<SymInt>(number->value);
  return value.get<SymInt>() != nullptr;
}
bool is_number(const Val& value) { return value.is_number() || value.get<Number>() != nullptr; }

template <typename F>
bool all_items(const Val& value, F&& fits) {
  const Vals* items = value.items();
  return items != nullptr && std::ranges::all_of(*items, fits);
}

// How badly a value fits an argument: 0 exactly, more with a conversion; nothing if not at all.
// `numbers`: a number in a 0-dim tensor is rather taken as a number.
std::optional<int> mismatch(const SchemaArg& expected, const Val& value, bool numbers) {
  constexpr int kBoxed = 3, kRatherNumber = 4, kWrapped = 10, kOdd = 2;
  const auto when = [](bool fits, int cost = 0) { return fits ? std::optional(cost) : std::nullopt; };
  if (value.is_none()) return when(expected.optional || expected.type == ArgType::layout);
  switch (expected.type) {
    case ArgType::tensor:
      if (value.is_tensor()) return numbers && value.get<Number>() != nullptr ? kRatherNumber : 0;
      if (const auto* unknown = value.get<Unknown>()) return when(unknown->value != nullptr, kWrapped);
      return when(value.is_number(), kWrapped);
    case ArgType::tensor_list:
      return when(all_items(value, [](const Val& v) { return v.is_tensor(); }));
    case ArgType::optional_tensor_list:
      return when(all_items(value, [](const Val& v) { return v.is_tensor() || v.is_none(); }));
    case ArgType::integer:
      return when(is_whole(value), value.get<Number>() != nullptr ? kBoxed : 0);
    case ArgType::integer_list:
      if (expected.list_size && is_whole(value)) return 1;
      return when(all_items(value, is_whole));
    case ArgType::number:
      return when(is_number(value), value.get<Number>() != nullptr ? kBoxed : 0);
    case ArgType::number_list:
      if (expected.list_size && is_number(value)) return 1;
      return when(all_items(value, is_number));
    case ArgType::boolean:
      return when(value.get<bool>() != nullptr);
    case ArgType::boolean_list:
      return when(all_items(value, [](const Val& v) { return v.get<bool>() != nullptr; }));
    case ArgType::string:
      return when(value.get<std::string>() != nullptr);
    case ArgType::dtype:
      return when(value.integer() && dtype_of_scalar_type(*value.integer()), kOdd);
    case ArgType::memory_format:
      return when(value.integer() && *value.integer() >= 0 && *value.integer() <= 3, kOdd);
    case ArgType::device:
      return when(value.get<Device>() != nullptr || value.get<std::string>() != nullptr);
    case ArgType::layout:
      return when(value.integer() == 0, kOdd);
  }
  return std::nullopt;
}

const SchemaArg* find_arg(const OpInfo& op, std::string_view name) {
  const auto it = std::ranges::find(op.args, name, &SchemaArg::name);
  return it == op.args.end() ? nullptr : &*it;
}

// Beside a floating tensor with dimensions, a number promotes in a 0-dim tensor as it does by itself.
bool numbers_are_plain(const Vals& args) {
  return std::ranges::any_of(args, [](const Val& value) {
    const auto* tensor = value.get<Value*>();
    return tensor != nullptr && is_floating((*tensor)->type.dtype) && !(*tensor)->type.shape.empty();
  });
}

std::optional<int> mismatch(const OpInfo& op, const Vals& args, const Keywords& keywords) {
  const bool numbers = numbers_are_plain(args);
  int total = 0;
  if (args.size() > op.args.size()) return std::nullopt;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const auto cost = op.args[i].keyword_only ? std::nullopt : mismatch(op.args[i], args[i], numbers);
    if (!cost) return std::nullopt;
    total += *cost;
  }
  for (const auto& [name, value] : keywords) {
    const SchemaArg* expected = find_arg(op, name);
    if (expected == nullptr) {
      if (value.is_none()) continue;  // a generator, say, that was not given
      return std::nullopt;
    }
    const auto cost = mismatch(*expected, value, numbers);
    if (!cost) return std::nullopt;
    total += *cost;
  }
  for (std::size_t i = args.size(); i < op.args.size(); ++i) {
    const SchemaArg& expected = op.args[i];
    const bool given = std::ranges::any_of(keywords, [&](const auto& k) { return k.first == expected.name; });
    if (!given && !expected.default_value && !expected.optional) return std::nullopt;
  }
  return total;
}

Arg number_arg(const Val& value) {
  if (const auto* number = value.get<Number>())
    return std::visit([](const auto& known) -> Arg { return known; }, number->value);
  if (const auto* size = value.get<SymInt>()) return *size;
  if (const auto* real = value.get<double>()) return *real;
  return *value.get<bool>();
}

template <typename F>
Arg list_arg(const Val& value, F&& element) {
  const Vals* items = value.items();
  if (items == nullptr) return element(value);  // one for all: bind_arguments repeats it
  ArgList list;
  for (const Val& item : *items) list.push_back(element(item));
  return list;
}

// mismatch() has said that it fits.
Arg make_arg(Evaluator& evaluator, const SchemaArg& expected, const Val& value) {
  if (value.is_none()) return None{};
  const auto tensor = [&](const Val& v) -> Arg { return v.is_none() ? Arg(None{}) : Arg(evaluator.tensor(v)); };
  switch (expected.type) {
    case ArgType::tensor:
      return tensor(value);
    case ArgType::tensor_list:
    case ArgType::optional_tensor_list:
      return list_arg(value, tensor);
    case ArgType::integer:
    case ArgType::number:
      return number_arg(value);
    case ArgType::integer_list:
    case ArgType::number_list:
      return list_arg(value, number_arg);
    case ArgType::boolean:
      return *value.get<bool>();
    case ArgType::boolean_list:
      return list_arg(value, [](const Val& v) -> Arg { return *v.get<bool>(); });
    case ArgType::string:
      return *value.get<std::string>();
    case ArgType::dtype:
      return *dtype_of_scalar_type(*value.integer());
    case ArgType::memory_format: {
      static constexpr MemoryFormat kFormats[] = {MemoryFormat::contiguous, MemoryFormat::preserve,
                                                  MemoryFormat::channels_last, MemoryFormat::channels_last_3d};
      return kFormats[*value.integer()];
    }
    case ArgType::device:
      return std::string("cpu");
    case ArgType::layout:
      return None{};
  }
  return None{};
}

std::string describe_arguments(const Vals& args, const Keywords& keywords) {
  std::vector<std::string> parts;
  for (const Val& arg : args) parts.emplace_back(arg.kind());
  for (const auto& [name, value] : keywords) parts.push_back(fmt::format("{}={}", printable(name, 40), value.kind()));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void refuse_unknown_values(Evaluator& evaluator, std::string_view name, const Vals& args) {
  const auto check = [&](const Val& value) {
    if (const auto* list = value.get<ListPtr>(); list != nullptr && (*list)->grown != nullptr)
      evaluator.unsupported(fmt::format("{} of {}", name, value.kind()), std::string(kGrownListFix));
    if (const auto* unknown = value.get<Unknown>())
      evaluator.unsupported(fmt::format("{} takes {} that is not known when the model is tuned: {}", name,
                                        unknown->value != nullptr ? "a number" : "something", unknown->reason),
                            "compute with tensors all the way, or give samples of one size");
  };
  for (const Val& arg : args) {
    check(arg);
    if (const Vals* items = arg.items()) std::ranges::for_each(*items, check);
  }
}

/// All overloads of "add"; the one of "torchvision.nms".
std::vector<const OpInfo*> overloads_of(std::string_view name) {
  if (const auto found = overloads().find(name); found != overloads().end()) return found->second;
  if (name.find('.') == std::string_view::npos) return {};
  const OpInfo* op = find_op(name);
  return op == nullptr ? std::vector<const OpInfo*>() : std::vector{op};
}

const OpInfo* best_overload(std::string_view name, const Vals& args, const Keywords& keywords) {
  const OpInfo* best = nullptr;
  int least = 0;
  for (const OpInfo* op : overloads_of(name)) {
    const auto cost = mismatch(*op, args, keywords);
    if (!cost || (best != nullptr && *cost >= least)) continue;
    best = op;
    least = *cost;
  }
  return best;
}

const OpInfo& choose_overload(Evaluator& evaluator, std::string_view name, const Vals& args, const Keywords& keywords) {
  if (const OpInfo* best = best_overload(name, args, keywords)) return *best;
  const std::vector<const OpInfo*> found = overloads_of(name);
  const std::string full = name.find('.') == std::string_view::npos ? fmt::format("aten.{}", name) : std::string(name);
  if (found.empty()) refuse_unknown_values(evaluator, name, args);
  if (found.empty())
    evaluator.unsupported(fmt::format("aitune has no operator {}", printable(full)),
                          "write it with other operators, or report that it is missing");
  refuse_unknown_values(evaluator, name, args);
  std::vector<std::string_view> there;
  for (const OpInfo* op : found) there.push_back(op->schema);
  evaluator.unsupported(fmt::format("no overload of {} takes ({}); there are: {}", full,
                                    describe_arguments(args, keywords), fmt::join(there, "; ")));
}

Val results_of(const OpInfo& op, const Node& node) {
  if (op.id == OpId::aten_item_default || op.id == OpId::aten__local_scalar_dense_default)
    return SymInt::symbol(data_symbol(node)->name);
  Vals values;
  for (Value* output : node.outputs) values.emplace_back(output);
  if (op.variadic_results && op.result_count > 1) {  // tensors, then a list: histogramdd
    const auto list = values.begin() + static_cast<std::ptrdiff_t>(op.result_count - 1);
    Vals results(values.begin(), list);
    results.push_back(make_list(Vals(list, values.end())));
    return make_tuple(std::move(results));
  }
  if (op.variadic_results) return make_list(std::move(values));
  if (values.size() == 1) return values[0];
  if (values.empty()) return None{};
  return make_tuple(std::move(values));
}

Val add_node(Evaluator& evaluator, const OpInfo& op, const Vals& args, const Keywords& keywords) {
  ArgList positional;
  for (std::size_t i = 0; i < args.size(); ++i) positional.push_back(make_arg(evaluator, op.args[i], args[i]));
  std::vector<std::pair<std::string, Arg>> named;
  for (const auto& [name, value] : keywords)
    if (const SchemaArg* expected = find_arg(op, name)) named.emplace_back(name, make_arg(evaluator, *expected, value));
  ArgList bound = bind_arguments(op, std::move(positional), std::move(named));
  evaluator.take_memory_inside(op, bound);
  clamp_slice(evaluator.graph(), op, bound);
  std::vector<SizeFact> facts;
  std::vector<TensorType> types = infer_types(op, bound, &facts);
  evaluator.name_size(op, bound, types);
  evaluator.bound_by(facts);
  Node* node = evaluator.graph().add_node(op, std::move(bound), std::move(types));
  node->source = evaluator.location();
  evaluator.made(*node);
  evaluator.reshaped(*node);
  for (std::size_t i = 0; i < op.args.size(); ++i)
    if (op.args[i].written) evaluator.written(node->args[i].value_or_null());
  return results_of(op, *node);
}

// What old files mean by operators that have changed since.
void refuse_old_meanings(Evaluator& evaluator, std::string_view name, const Vals& args) {
  const int version = evaluator.archive().version();
  const auto whole = [](const Val& value) {
    return is_whole(value) || (value.get<Value*>() != nullptr && !is_floating((*value.get<Value*>())->type.dtype));
  };
  if (version < 4 && (name == "div" || name == "div_") && args.size() == 2 && whole(args[0]) && whole(args[1]))
    evaluator.unsupported("a division of integer tensors, in a file of a PyTorch that rounded it down",
                          "load the model in PyTorch 1.6 or newer and save it again");
  if (version < 5 && name == "full" && args.size() == 2 && is_whole(args[1]))
    evaluator.unsupported("full() of an integer, in a file of a PyTorch that made floats of it",
                          "load the model in PyTorch 1.7 or newer and save it again");
}

/// Tensors of the file as values, in lists too.
const SymShape* tensor_shape(const Val& value) {
  const auto* tensor = value.get<Value*>();
  return tensor == nullptr ? nullptr : &(*tensor)->type.shape;
}

Val loaded(Evaluator& evaluator, const Val& value) {
  if (value.get<Stored>() != nullptr) return evaluator.tensor(value);
  const Vals* items = value.items();
  if (items == nullptr || std::ranges::none_of(*items, [](const Val& v) { return v.get<Stored>() != nullptr; }))
    return value;
  Vals tensors;
  for (const Val& item : *items) tensors.push_back(item.get<Stored>() != nullptr ? Val(evaluator.tensor(item)) : item);
  return make_list(std::move(tensors));
}

/// Whole numbers that data decide as sizes, in lists too.
Val with_sizes(Evaluator& evaluator, const Val& value) {
  const auto is_unknown = [](const Val& v) { return v.get<Unknown>() != nullptr; };
  const Vals* items = value.items();
  if (items == nullptr || std::ranges::none_of(*items, is_unknown)) return evaluator.number_as_size(value);
  Vals sizes;
  for (const Val& item : *items) sizes.push_back(evaluator.number_as_size(item));
  return make_list(std::move(sizes));
}

/// Whether the operator wants whole numbers where these data decide, as it does for counts, positions and sizes.
bool wants_sizes(std::string_view name, const Vals& args, const Keywords& keywords) {
  Vals known = args;
  for (Val& value : known)
    if (value.get<Unknown>() != nullptr) value = SymInt(1);
  const OpInfo* op = best_overload(name, known, keywords);
  if (op == nullptr) return false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const ArgType type = op->args[i].type;
    if (args[i].get<Unknown>() != nullptr && type != ArgType::integer && type != ArgType::integer_list) return false;
  }
  return true;
}

/// x[:, -n:] with an n that data decide: minus a number counts from the end, and never beyond the beginning.
void count_from_the_end(Evaluator& evaluator, Vals& args) {
  constexpr std::size_t kDim = 1;
  if (args.size() <= kDim || tensor_shape(args[0]) == nullptr || !args[kDim].integer()) return;
  const SymShape& shape = *tensor_shape(args[0]);
  const auto rank = static_cast<std::int64_t>(shape.size());
  const std::int64_t dim = *args[kDim].integer() + (*args[kDim].integer() < 0 ? rank : 0);
  if (dim < 0 || dim >= rank) return;
  for (std::size_t i = kDim + 1; i < std::min<std::size_t>(args.size(), 4); ++i) {
    const auto* bound = args[i].get<Unknown>();
    if (bound == nullptr || bound->value == nullptr || bound->value->type.dtype != DType::i64) continue;
    const Node* made = bound->value->producer;
    if (made == nullptr || made->op->id != OpId::aten_neg_default) continue;
    const Val whole = shape[static_cast<std::size_t>(dim)];
    const Val place = call_operator(evaluator, "add", {bound->value, whole}, {});
    args[i] = Unknown{bound->reason, evaluator.tensor(call_operator(evaluator, "clamp", {place, SymInt(0)}, {}))};
  }
}

/// A complex number is a tensor wherever it stands; it promotes as a number does.
Val with_complex_tensor(Evaluator& evaluator, const Val& value, const Vals& args) {
  const auto* number = value.get<ComplexNumber>();
  if (number == nullptr) return value;
  const bool doubles = std::ranges::any_of(args, [](const Val& arg) {
    const auto* tensor = arg.get<Value*>();
    return tensor != nullptr && ((*tensor)->type.dtype == DType::f64 || (*tensor)->type.dtype == DType::c128);
  });
  return evaluator.complex_tensor(*number, doubles);
}

/// Scales operands by numbers that the operator takes no other way: complex ones, and those that data decide.
void scale_operands(Evaluator& evaluator, std::string_view name, Vals& args, Keywords& keywords) {
  const std::string_view plain = name.ends_with('_') ? name.substr(0, name.size() - 1) : name;
  std::erase_if(keywords, [&](const auto& keyword) {
    const auto& [number, factor] = keyword;
    const std::string_view scaled = scaled_operand(plain, number);
    const auto* unknown = factor.template get<Unknown>();
    const bool decided = unknown != nullptr && unknown->value != nullptr;
    if (scaled.empty() || (!decided && factor.template get<ComplexNumber>() == nullptr)) return false;
    const auto& schema = overloads_of(plain).front()->args;
    const auto place = static_cast<std::size_t>(std::ranges::find(schema, scaled, &SchemaArg::name) - schema.begin());
    if (place >= args.size() || !args[place].is_tensor()) return false;
    args[place] = call_operator(evaluator, "mul", {args[place], decided ? Val(unknown->value) : factor}, {});
    return true;
  });
}

/// A number that data decide is a size where the operator wants one, and else a tensor where it takes one.
Vals operands_of(Evaluator& evaluator, std::string_view name, const Vals& given, const Keywords& keywords) {
  Vals args;
  for (const Val& arg : given) args.push_back(loaded(evaluator, arg));
  for (Val& arg : args) arg = with_complex_tensor(evaluator, arg, args);
  if (name == "slice") count_from_the_end(evaluator, args);
  const bool numbers = std::ranges::any_of(args, [](const Val& v) { return v.get<Unknown>() != nullptr; });
  if (numbers && !wants_sizes(name, args, keywords) && best_overload(name, args, keywords) != nullptr) return args;
  for (Val& arg : args) arg = with_sizes(evaluator, arg);
  return args;
}

}  // namespace

std::optional<Val> call_into(Evaluator& evaluator, std::string_view name, const Vals& args, const Keywords& keywords) {
  const std::vector<const OpInfo*> found = overloads_of(name);
  const auto is_place = [&](const auto& keyword) {
    return keyword.second.is_tensor() &&
           std::ranges::none_of(found, [&](const OpInfo* op) { return find_arg(*op, keyword.first) != nullptr; });
  };
  if (found.empty() || std::ranges::none_of(keywords, is_place)) return std::nullopt;
  Vals places;
  Keywords others;
  for (const auto& keyword : keywords) {
    if (is_place(keyword))
      places.push_back(loaded(evaluator, keyword.second));
    else
      others.push_back(keyword);
  }
  auto made = call_composite(evaluator, name, args, others);
  if (!made) made = call_operator(evaluator, name, args, others);
  const Vals results = made->items() == nullptr ? Vals{*made} : *made->items();
  if (results.size() != places.size())
    evaluator.invalid(fmt::format("{}: {} tensors for {} results", name, places.size(), results.size()));
  for (std::size_t i = 0; i < places.size(); ++i) {
    Value *place = evaluator.tensor(places[i]), *result = evaluator.tensor(results[i]);
    try {
      check_out_argument(place->type, result->type);
    } catch (const Unsupported& error) {
      evaluator.unsupported(fmt::format("{}: {}", name, error.problem()), error.fix());
    }
    places[i] = call_operator(evaluator, "copy_", {place, result}, {});
  }
  return places.size() == 1 ? places.front() : make_tuple(std::move(places));
}

bool is_operator(std::string_view name) { return overloads().contains(name); }

Val call_operator(Evaluator& evaluator, std::string_view name, const Vals& given, const Keywords& named) {
  Vals scaled = given;
  Keywords keywords = named;
  scale_operands(evaluator, name, scaled, keywords);
  Vals args = operands_of(evaluator, name, scaled, keywords);
  refuse_old_meanings(evaluator, name, args);
  const OpInfo& op = choose_overload(evaluator, name, args, keywords);
  for (std::size_t i = 0; i < args.size(); ++i)
    if (const auto* number = args[i].get<Number>(); number != nullptr && op.args[i].written)
      args[i] = evaluator.written_number(*number);
  evaluator.charge(10);
  try {
    return add_node(evaluator, op, args, keywords);
  } catch (const InvalidArgument& error) {
    evaluator.invalid(fmt::format("{}: {}", op.name, error.problem()), error.fix());
  } catch (const UngivenState&) {
    throw;
  } catch (const Unsupported& error) {
    if (error.where() == evaluator.location().code) throw;
    evaluator.unsupported(
        error.problem().starts_with(op.name) ? error.problem() : fmt::format("{}: {}", op.name, error.problem()),
        error.fix());
  }
}

}  // namespace aitune::torchscript
