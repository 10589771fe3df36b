#include "compiler/import/pickle/pickle_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "compiler/import/pickle/pickle_globals.h"
#include "compiler/import/pickle/pickle_text.h"
#include "format/bytes.h"

namespace aitune {

namespace {

constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::string_view kTorchScriptClasses = "__torch__.";

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, 120));
  std::replace_if(shown.begin(), shown.end(), [](char c) { return c < 32 || c > 126; }, '?');
  return shown;
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::array<PickleParser::Handler, 256> PickleParser::make_handlers() {
  std::array<Handler, 256> handlers{};
  const auto set = [&](std::string_view opcodes, Handler handler) {
    for (const char op : opcodes) handlers[static_cast<unsigned char>(op)] = handler;
  };
  set("N\x88\x89", &PickleParser::op_constant);
  set("JKM", &PickleParser::op_binary_integer);
  set("IL", &PickleParser::op_text_number);
  set("\x8a\x8b", &PickleParser::op_long);
  set("FG", &PickleParser::op_float);
  set("XTUBC\x8c\x8d\x8e\x96", &PickleParser::op_counted_text);
  set("SV", &PickleParser::op_text_string);
  set(")]}\x8f", &PickleParser::op_empty);
  set("tld\x91", &PickleParser::op_from_mark);
  set("\x85\x86\x87", &PickleParser::op_small_tuple);
  set("ae\x90", &PickleParser::op_append);
  set("su", &PickleParser::op_set_items);
  set("(012", &PickleParser::op_stack);
  set("pqr\x94", &PickleParser::op_put);
  set("ghj", &PickleParser::op_get);
  set("c\x93", &PickleParser::op_global);
  set("R\x81\x92", &PickleParser::op_call);
  set("io", &PickleParser::op_call_from_mark);
  set("b", &PickleParser::op_build);
  set("PQ", &PickleParser::op_persistent);
  set("\x80\x95", &PickleParser::op_framing);
  set("\x82\x83\x84\x97\x98", &PickleParser::op_unsupported);
  return handlers;
}

PickleDocument PickleParser::parse() {
  static const std::array<Handler, 256> handlers = make_handlers();
  if (bytes_.size() > options_.max_bytes) {
    corrupt(fmt::format("it has {} bytes, more than the {} that are read", bytes_.size(), options_.max_bytes));
  }
  while (true) {
    op_at_ = at_;
    const auto op = std::to_integer<unsigned char>(take(1)[0]);
    if (op == '.') break;
    const Handler handler = handlers[op];
    if (handler == nullptr) corrupt(fmt::format("there is no opcode 0x{:02x}", op));
    (this->*handler)(op);
  }
  document_.root_ = pop();
  if (!marks_.empty() || !stack_.empty()) corrupt("it ends with values left over");
  if (at_ != bytes_.size()) corrupt("bytes follow its end");
  check_pickle_shape(*document_.root_, where_, options_);
  return std::move(document_);
}

void PickleParser::corrupt(std::string_view what) const {
  throw Corrupt(fmt::format("the pickle is damaged at offset {}: {}", op_at_, what), std::string(where_),
                "the file is damaged or cut short; save it again");
}

void PickleParser::unsupported(std::string what, std::string fix) const {
  throw Unsupported(fmt::format("{} at offset {} of the pickle", what, op_at_), std::string(where_), std::move(fix));
}

std::span<const std::byte> PickleParser::take(std::uint64_t count) {
  if (!fits(at_, count, bytes_.size())) corrupt(fmt::format("it ends before {} more bytes", count));
  const auto taken = bytes_.subspan(at_, count);
  at_ += count;
  return taken;
}

std::uint64_t PickleParser::take_length(unsigned bytes) {
  if (bytes == 1) return take_number<std::uint8_t>();
  if (bytes == 4) return take_number<std::uint32_t>();
  return take_number<std::uint64_t>();
}

std::string_view PickleParser::take_line() {
  const std::string_view rest = as_text(bytes_.subspan(at_));
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) corrupt("a line has no end");
  at_ += end + 1;
  return rest.substr(0, end);
}

PickleValue& PickleParser::push(PickleKind kind) {
  if (document_.values_.size() >= options_.max_values) {
    corrupt(fmt::format("it makes more than {} values", options_.max_values));
  }
  PickleValue& value = document_.values_.emplace_back();
  value.kind = kind;
  value.offset = op_at_;
  stack_.push_back(&value);
  return value;
}

void PickleParser::push_shared(PickleValue* value) {
  charge(1);
  stack_.push_back(value);
}

PickleValue* PickleParser::pop() {
  if (stack_.size() <= floor()) corrupt("it takes a value from an empty stack");
  PickleValue* const value = stack_.back();
  stack_.pop_back();
  return value;
}

PickleValue& PickleParser::top() {
  if (stack_.size() <= floor()) corrupt("it looks at an empty stack");
  return *stack_.back();
}

std::vector<const PickleValue*> PickleParser::pop_mark() {
  if (marks_.empty()) corrupt("a mark is missing");
  const std::size_t start = marks_.back();
  marks_.pop_back();
  std::vector<const PickleValue*> items(stack_.begin() + static_cast<std::ptrdiff_t>(start), stack_.end());
  stack_.resize(start);
  return items;
}

// References are cheap to write and expensive to hold: a two-byte opcode may copy a million of them.
void PickleParser::charge(std::uint64_t items) {
  charged_ += items;
  if (charged_ > options_.max_walk) corrupt("it refers to the same values so often that it is a trap");
}

void PickleParser::op_constant(unsigned char op) {
  if (op == 'N') {
    push(PickleKind::none);
  } else {
    push(PickleKind::boolean).boolean = op == 0x88;
  }
}

void PickleParser::op_binary_integer(unsigned char op) {
  std::int64_t value = 0;
  if (op == 'J') value = take_number<std::int32_t>();
  if (op == 'K') value = take_number<std::uint8_t>();
  if (op == 'M') value = take_number<std::uint16_t>();
  push(PickleKind::integer).integer = value;
}

void PickleParser::op_text_number(unsigned char op) {
  std::string_view line = take_line();
  if (op == 'I' && (line == "00" || line == "01")) {
    push(PickleKind::boolean).boolean = line == "01";
    return;
  }
  if (op == 'L' && line.ends_with('L')) line.remove_suffix(1);
  const auto value = parse_number<std::int64_t>(line);
  if (!value) {
    if (line.size() > 18 && line.find_first_not_of("+-0123456789") == std::string_view::npos) {
      unsupported("an integer beyond 64 bits", "keep such numbers out of the saved object");
    }
    corrupt("a number is malformed");
  }
  push(PickleKind::integer).integer = *value;
}

void PickleParser::op_long(unsigned char op) {
  const auto digits = take(take_length(op == 0x8a ? 1 : 4));
  if (digits.size() > 8) unsupported("an integer beyond 64 bits", "keep such numbers out of the saved object");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) value |= std::to_integer<std::uint64_t>(digits[i]) << (8 * i);
  const bool negative = !digits.empty() && (digits.back() & std::byte{0x80}) != std::byte{};
  if (negative && digits.size() < 8) value |= ~std::uint64_t{0} << (8 * digits.size());
  push(PickleKind::integer).integer = static_cast<std::int64_t>(value);
}

void PickleParser::op_float(unsigned char op) {
  if (op == 'G') {
    push(PickleKind::real).real = std::bit_cast<double>(__builtin_bswap64(take_number<std::uint64_t>()));
    return;
  }
  const auto value = parse_number<double>(take_line());
  if (!value) corrupt("a number is malformed");
  push(PickleKind::real).real = *value;
}

void PickleParser::op_counted_text(unsigned char op) {
  const bool is_bytes = op == 'B' || op == 'C' || op == 0x8e || op == 0x96;
  const bool one = op == 'U' || op == 'C' || op == 0x8c, four = op == 'X' || op == 'T' || op == 'B';
  const auto text = take(take_length(one ? 1 : four ? 4 : 8));
  push(is_bytes ? PickleKind::bytes : PickleKind::string).text = as_text(text);
}

void PickleParser::op_text_string(unsigned char op) {
  const std::string_view line = take_line();
  auto text = op == 'S' ? unquote_python_string(line) : decode_raw_unicode_escape(line);
  if (!text) corrupt("a string is malformed");
  push(PickleKind::string).text = std::move(*text);
}

void PickleParser::op_empty(unsigned char op) {
  push(op == ')' ? PickleKind::tuple : op == ']' ? PickleKind::list : op == '}' ? PickleKind::dict : PickleKind::set);
}

void PickleParser::op_from_mark(unsigned char op) {
  auto items = pop_mark();
  if (op == 'd') {
    set_items(push(PickleKind::dict), items);
    return;
  }
  push(op == 't' ? PickleKind::tuple : op == 'l' ? PickleKind::list : PickleKind::set).items = std::move(items);
}

void PickleParser::op_small_tuple(unsigned char op) {
  const std::size_t count = op - 0x84u;
  std::vector<const PickleValue*> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  push(PickleKind::tuple).items = std::move(items);
}

void PickleParser::op_append(unsigned char op) {
  const PickleKind kind = op == 0x90 ? PickleKind::set : PickleKind::list;
  const auto items = op == 'a' ? std::vector<const PickleValue*>{pop()} : pop_mark();
  PickleValue& target = top();
  if (!target.is(kind)) corrupt("it appends to what is not a list or set");
  target.items.insert(target.items.end(), items.begin(), items.end());
}

void PickleParser::op_set_items(unsigned char op) {
  std::vector<const PickleValue*> items;
  if (op == 's') {
    items.resize(2);
    items[1] = pop();
    items[0] = pop();
  } else {
    items = pop_mark();
  }
  set_items(top(), items);
}

void PickleParser::set_items(PickleValue& dict, std::span<const PickleValue* const> items) {
  if (!dict.is(PickleKind::dict)) corrupt("it sets an item of what is not a dict");
  if (items.size() % 2 != 0) corrupt("a key has no value");
  dict.items.insert(dict.items.end(), items.begin(), items.end());
}

void PickleParser::op_stack(unsigned char op) {
  if (op == '(') {
    charge(1);
    marks_.push_back(stack_.size());
  } else if (op == '1') {
    pop_mark();
  } else if (op == '2') {
    push_shared(&top());
  } else if (stack_.size() == floor() && !marks_.empty()) {
    marks_.pop_back();  // POP takes a mark, too
  } else {
    pop();
  }
}

void PickleParser::op_put(unsigned char op) {
  charge(1);
  std::uint64_t slot = memo_.size();
  if (op == 'q' || op == 'r') slot = take_length(op == 'q' ? 1 : 4);
  if (op == 'p') {
    const auto parsed = parse_number<std::uint64_t>(take_line());
    if (!parsed) corrupt("a memo number is malformed");
    slot = *parsed;
  }
  memo_[slot] = &top();
}

void PickleParser::op_get(unsigned char op) {
  std::optional<std::uint64_t> slot;
  if (op == 'g') {
    slot = parse_number<std::uint64_t>(take_line());
  } else {
    slot = take_length(op == 'h' ? 1 : 4);
  }
  const auto found = slot ? memo_.find(*slot) : memo_.end();
  if (found == memo_.end()) corrupt("it asks the memo for what it does not hold");
  push_shared(found->second);
}

PickleValue& PickleParser::push_global(std::string_view module, std::string_view name) {
  if (module.size() > kMaxNameBytes || name.size() > kMaxNameBytes) corrupt("a global has too long a name");
  PickleValue& value = push(PickleKind::global);
  value.text = canonical_global(module, name);
  return value;
}

void PickleParser::op_global(unsigned char op) {
  if (op == 'c') {
    const std::string_view module = take_line();
    push_global(module, take_line());
    return;
  }
  const PickleValue* const name = pop();
  const PickleValue* const module = pop();
  if (!name->is(PickleKind::string) || !module->is(PickleKind::string)) corrupt("a global's name is not text");
  push_global(module->text, name->text);
}

const std::string& PickleParser::callee_name(const PickleValue& callee) {
  if (!callee.is(PickleKind::global)) corrupt("it calls what is not a global");
  return callee.text;
}

void PickleParser::op_call(unsigned char op) {
  if (op == 0x92) {
    const PickleValue* const keywords = pop();
    if (!keywords->is(PickleKind::dict) || !keywords->items.empty()) {
      unsupported("an object made with keyword arguments", std::string(options_.advice));
    }
  }
  const PickleValue* const arguments = pop();
  const PickleValue* const callee = pop();
  const std::string& name = callee_name(*callee);
  if (!arguments->is(PickleKind::tuple)) {
    // TorchScript gives the value of an enum as it is.
    if (op != 'R' || !name.starts_with(kTorchScriptClasses)) corrupt("the arguments of a call are not a tuple");
    return push_call(name, {arguments}, false);
  }
  charge(arguments->items.size());
  push_call(name, arguments->items, op != 'R');
}

void PickleParser::op_call_from_mark(unsigned char op) {
  std::string callee;
  if (op == 'i') {
    const std::string_view module = take_line(), name = take_line();
    callee = canonical_global(module, name);
  }
  auto arguments = pop_mark();
  if (op == 'o') {
    if (arguments.empty()) corrupt("an object has no class");
    callee = callee_name(*arguments.front());
    arguments.erase(arguments.begin());
  }
  push_call(callee, std::move(arguments));
}

bool PickleParser::may_call(std::string_view callee, bool object) const {
  const auto& extra = options_.callable;
  const auto begins = [&](std::string_view prefix) { return callee.starts_with(prefix); };
  return is_callable_by_default(callee) || std::find(extra.begin(), extra.end(), callee) != extra.end() ||
         std::ranges::any_of(options_.callable_prefixes, begins) ||
         (object && options_.inert_class != nullptr && options_.inert_class(callee));
}

// `object`: made by cls.__new__, which runs none of the class's own code.
void PickleParser::push_call(const std::string& callee, std::vector<const PickleValue*> arguments, bool object) {
  if (!may_call(callee, object)) {
    throw Unsupported(fmt::format("the pickle wants to call {} at offset {}: refused, aitune never executes pickles",
                                  printable(callee), op_at_),
                      std::string(where_), std::string(options_.advice));
  }
  for (const PickleValue* const argument : arguments) charge(argument->items.size() + argument->text.size() / 8);
  PickleValue& call = push(PickleKind::call);
  call.text = callee;
  call.items = std::move(arguments);
  if (const auto problem = simplify_call(call)) corrupt(fmt::format("{}: {}", callee, *problem));
}

void PickleParser::op_build(unsigned char) {
  const PickleValue* const state = pop();
  PickleValue& target = top();
  if (!target.is(PickleKind::call) && !target.is(PickleKind::dict)) corrupt("it gives state to what has none");
  const bool opaque = options_.opaque_class != nullptr && options_.opaque_class(target.text);
  if (!opaque) target.state = state;
}

void PickleParser::op_persistent(unsigned char op) {
  if (op == 'P') {
    push(PickleKind::string).text = take_line();
  }
  const PickleValue* const id = pop();
  push(PickleKind::persistent).items = {id};
}

void PickleParser::op_framing(unsigned char op) {
  if (op == 0x80) {
    const unsigned version = take_number<std::uint8_t>();
    if (version > 5) unsupported(fmt::format("pickle protocol {}", version), "save with pickle_protocol=2");
    return;
  }
  const auto length = take_number<std::uint64_t>();
  if (!fits(at_, length, bytes_.size())) corrupt(fmt::format("a frame claims {} bytes", length));
}

void PickleParser::op_unsupported(unsigned char op) {
  const bool extension = op >= 0x82 && op <= 0x84;
  unsupported(extension ? "a name from Python's extension registry" : "an out-of-band buffer",
              "save with torch.save and its default settings");
}

}  // namespace aitune
