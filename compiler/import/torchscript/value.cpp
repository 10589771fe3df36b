#include "compiler/import/torchscript/value.h"

#include <fmt/format.h>

#include <cmath>

namespace aitune::torchscript {
namespace {

constexpr std::size_t kMaxText = 4000;

struct ScalarTypeRow {
  std::int64_t number;
  DType dtype;
};
constexpr ScalarTypeRow kScalarTypes[] = {{0, DType::u8},  {1, DType::i8},    {2, DType::i16}, {3, DType::i32},
                                          {4, DType::i64}, {5, DType::f16},   {6, DType::f32}, {7, DType::f64},
                                          {9, DType::c64}, {10, DType::c128}, {11, DType::b8}, {15, DType::bf16}};

class Writer {
 public:
  void write(const Val& value, bool quoted) {
    if (text_.size() > kMaxText || depth_ > 20) {
      text_ += "...";
      return;
    }
    ++depth_;
    if (const auto* flag = value.get<bool>())
      text_ += *flag ? "True" : "False";
    else if (const auto* size = value.get<SymInt>())
      text_ += size->str();
    else if (const auto* real = value.get<double>())
      text_ += number(*real);
    else if (const auto* text = value.get<std::string>())
      text_ += quoted ? "'" + *text + "'" : *text;
    else if (value.is_none())
      text_ += "None";
    else if (const auto* device = value.get<Device>())
      text_ += device->name;
    else if (value.items() != nullptr)
      sequence(value);
    else
      text_ += fmt::format("<{}>", value.kind());
    --depth_;
  }
  std::string take() { return std::move(text_); }

 private:
  static std::string number(double real) {
    if (std::isfinite(real) && real == std::floor(real) && std::abs(real) < 1e15) return fmt::format("{:.1f}", real);
    return fmt::format("{}", real);
  }
  void sequence(const Val& value) {
    const bool list = value.get<ListPtr>() != nullptr;
    text_ += list ? '[' : '(';
    bool first = true;
    for (const Val& item : *value.items()) {
      if (!std::exchange(first, false)) text_ += ", ";
      if (text_.size() > kMaxText) break;
      write(item, true);
    }
    text_ += list ? ']' : ')';
  }

  std::string text_;
  int depth_ = 0;
};

}  // namespace

const Vals* Val::items() const {
  if (const auto* list = get<ListPtr>()) return (*list)->grown == nullptr ? &(*list)->items : nullptr;
  if (const auto* tuple = get<TuplePtr>()) return &(*tuple)->items;
  return nullptr;
}

std::optional<std::int64_t> Val::integer() const {
  const auto* size = get<SymInt>();
  return size == nullptr ? std::nullopt : size->as_constant();
}

std::string_view Val::kind() const {
  static constexpr std::string_view kNames[] = {"None",
                                                "a bool",
                                                "an integer",
                                                "a float",
                                                "a string",
                                                "a tensor",
                                                "a number in a tensor",
                                                "a list",
                                                "a tuple",
                                                "a dict",
                                                "an object",
                                                "a device",
                                                "something that the data decides",
                                                "an uninitialized value",
                                                "a tensor",
                                                "a function",
                                                "a class",
                                                "a function of PyTorch",
                                                "a complex number"};
  static_assert(std::size(kNames) == std::variant_size_v<ValBase>);
  if (const auto* list = get<ListPtr>(); list != nullptr && (*list)->grown != nullptr)
    return "a list with as many items as data decide";
  return kNames[index()];
}

const Maybe* maybe_of(const Val& value) {
  const auto* unknown = value.get<Unknown>();
  return unknown == nullptr ? nullptr : unknown->maybe.get();
}

Slot* find_slot(const ObjectPtr& module, std::string_view path) {
  Object* object = module.get();
  while (true) {
    const auto dot = path.find('.');
    const auto found = object->slots.find(path.substr(0, dot));
    if (found == object->slots.end()) return nullptr;
    if (dot == std::string_view::npos) return &found->second;
    const auto* inner = found->second.value.get<ObjectPtr>();
    if (inner == nullptr) return nullptr;
    object = inner->get();
    path.remove_prefix(dot + 1);
  }
}

ListPtr make_list(Vals items) {
  auto list = std::make_shared<List>();
  list->items = std::move(items);
  return list;
}
ListState state_in(const ListStates& states, const ListPtr& list) {
  const auto found = states.find(list);
  return found == states.end() ? ListState{list->items, list->grown} : found->second;
}
const DictItems& items_in(const DictStates& states, const DictPtr& dict) {
  const auto found = states.find(dict);
  return found == states.end() ? dict->items : found->second;
}
TuplePtr make_tuple(Vals items, const Class* type) {
  auto tuple = std::make_shared<Tuple>();
  tuple->items = std::move(items);
  tuple->type = type;
  return tuple;
}

std::optional<double> plain_number(const Val& value) {
  if (const auto* flag = value.get<bool>()) return *flag ? 1 : 0;
  if (const auto* real = value.get<double>()) return *real;
  if (const auto integer = value.integer()) return static_cast<double>(*integer);
  return std::nullopt;
}

namespace {

std::optional<bool> equal_items(const Vals& a, const Vals& b, int depth, int& budget);

std::optional<bool> equal(const Val& a, const Val& b, int depth, int& budget) {
  if (depth > 50 || --budget < 0 || a.get<Unknown>() != nullptr || b.get<Unknown>() != nullptr) return std::nullopt;
  if (a.get<SymInt>() != nullptr && b.get<SymInt>() != nullptr) {
    const SymInt difference = *a.get<SymInt>() - *b.get<SymInt>();
    if (const auto known = difference.as_constant()) return *known == 0;
    return std::nullopt;
  }
  if (a.is_tensor() || b.is_tensor()) return std::nullopt;
  if (a.is_number() && b.is_number()) {
    const auto x = plain_number(a), y = plain_number(b);
    return x && y ? std::optional(*x == *y) : std::nullopt;
  }
  if (a.items() != nullptr && b.items() != nullptr) return equal_items(*a.items(), *b.items(), depth + 1, budget);
  if (a.index() != b.index()) return false;
  if (const auto* text = a.get<std::string>()) return *text == *b.get<std::string>();
  if (const auto* object = a.get<ObjectPtr>()) return *object == *b.get<ObjectPtr>();
  if (a.get<Device>() != nullptr || a.is_none()) return true;  // there is one device
  return std::nullopt;
}

std::optional<bool> equal_items(const Vals& a, const Vals& b, int depth, int& budget) {
  if (a.size() != b.size()) return false;
  bool unknown = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto same = equal(a[i], b[i], depth, budget);
    if (same == false) return false;
    unknown = unknown || !same;
  }
  return unknown ? std::nullopt : std::optional(true);
}

}  // namespace

std::optional<bool> equal(const Val& a, const Val& b, std::size_t* steps) {
  constexpr int kBudget = 100'000;
  int budget = kBudget;
  const auto same = equal(a, b, 0, budget);
  if (steps != nullptr) *steps = static_cast<std::size_t>(kBudget - budget);
  return same;
}

std::size_t next_birth() {
  thread_local std::size_t births = 0;
  return ++births;
}

bool identical(const Val& a, const Val& b) {
  if (a.index() != b.index()) return false;
  if (a.is_none() || a.get<Uninitialized>() != nullptr) return true;
  if (const auto* x = a.get<bool>()) return *x == *b.get<bool>();
  if (const auto* x = a.get<SymInt>()) return *x == *b.get<SymInt>();
  if (const auto* x = a.get<double>()) return *x == *b.get<double>();
  if (const auto* x = a.get<std::string>()) return *x == *b.get<std::string>();
  if (const auto* x = a.get<Value*>()) return *x == *b.get<Value*>();
  if (const auto* x = a.get<Number>()) return x->dtype == b.get<Number>()->dtype && x->value == b.get<Number>()->value;
  if (const auto* x = a.get<ListPtr>()) return *x == *b.get<ListPtr>();
  if (const auto* x = a.get<TuplePtr>()) return *x == *b.get<TuplePtr>();
  if (const auto* x = a.get<DictPtr>()) return *x == *b.get<DictPtr>();
  if (const auto* x = a.get<ObjectPtr>()) return *x == *b.get<ObjectPtr>();
  if (const auto* x = a.get<Device>()) return *x == *b.get<Device>();
  if (const auto* x = a.get<Unknown>())
    return x->value == b.get<Unknown>()->value && x->reason == b.get<Unknown>()->reason &&
           x->maybe == b.get<Unknown>()->maybe;
  if (const auto* x = a.get<Stored>())
    return x->data.data() == b.get<Stored>()->data.data() && x->name == b.get<Stored>()->name;
  if (const auto* x = a.get<const Class*>()) return *x == *b.get<const Class*>();
  if (const auto* x = a.get<Builtin>()) return x->name == b.get<Builtin>()->name;
  const auto *x = a.get<Callable>(), *y = b.get<Callable>();
  return x != nullptr && x->function == y->function && x->self == y->self;
}

std::string to_text(const Val& value) {
  Writer writer;
  writer.write(value, false);
  return writer.take();
}

std::optional<DType> dtype_of_scalar_type(std::int64_t number) {
  for (const auto& row : kScalarTypes)
    if (row.number == number) return row.dtype;
  return std::nullopt;
}
std::int64_t scalar_type_of(DType dtype) {
  for (const auto& row : kScalarTypes)
    if (row.dtype == dtype) return row.number;
  return -1;
}

}  // namespace aitune::torchscript
