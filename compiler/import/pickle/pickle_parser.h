#pragma once
// The stack machine of pickle, without anything that it could run.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "compiler/import/pickle/pickle.h"

namespace aitune {

/// One run over one pickle.
class PickleParser {
 public:
  PickleParser(std::span<const std::byte> bytes, std::string_view where, const PickleOptions& options)
      : bytes_(bytes), where_(where), options_(options) {}
  PickleDocument parse();

 private:
  using Handler = void (PickleParser::*)(unsigned char op);
  static std::array<Handler, 256> make_handlers();

  // Input.
  std::span<const std::byte> take(std::uint64_t count);
  template <typename T>
  T take_number() {
    T value;
    const auto bytes = take(sizeof(T));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(&value));
    return value;
  }
  std::uint64_t take_length(unsigned bytes);
  std::string_view take_line();

  // Stack and memo.
  PickleValue& push(PickleKind kind);
  void push_shared(PickleValue* value);
  PickleValue* pop();
  PickleValue& top();
  std::vector<const PickleValue*> pop_mark();
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void charge(std::uint64_t items);

  // Opcodes, in groups that share a handler.
  void op_constant(unsigned char op);
  void op_binary_integer(unsigned char op);
  void op_text_number(unsigned char op);
  void op_long(unsigned char op);
  void op_float(unsigned char op);
  void op_counted_text(unsigned char op);
  void op_text_string(unsigned char op);
  void op_empty(unsigned char op);
  void op_from_mark(unsigned char op);
  void op_small_tuple(unsigned char op);
  void op_append(unsigned char op);
  void op_set_items(unsigned char op);
  void op_stack(unsigned char op);
  void op_put(unsigned char op);
  void op_get(unsigned char op);
  void op_global(unsigned char op);
  void op_call(unsigned char op);
  void op_call_from_mark(unsigned char op);
  void op_build(unsigned char op);
  void op_persistent(unsigned char op);
  void op_framing(unsigned char op);
  void op_unsupported(unsigned char op);

  PickleValue& push_global(std::string_view module, std::string_view name);
  void push_call(const std::string& callee, std::vector<const PickleValue*> arguments, bool object = false);
  bool may_call(std::string_view callee, bool object) const;
  const std::string& callee_name(const PickleValue& callee);
  void set_items(PickleValue& dict, std::span<const PickleValue* const> items);
  [[noreturn]] void corrupt(std::string_view what) const;
  [[noreturn]] void unsupported(std::string what, std::string fix) const;

  std::span<const std::byte> bytes_;
  std::string_view where_;
  const PickleOptions& options_;
  std::uint64_t at_ = 0, op_at_ = 0;
  std::uint64_t charged_ = 0;
  PickleDocument document_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue*> memo_;
};

/// Throws Corrupt when the value contains itself, is nested deeper than the options allow, or would take too long to
/// walk.
void check_pickle_shape(const PickleValue& root, std::string_view where, const PickleOptions& options);

}  // namespace aitune
