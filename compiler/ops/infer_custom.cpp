// The shape functions of custom operators: our types as handles of their C interface, and their answers back.

#include <array>
#include <deque>

#include "base/custom_ops.h"
#include "base/error.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

constexpr std::int32_t kMaxRank = 64;
constexpr std::size_t kMaxOutputs = 1024;

/// One call of a shape function. Errors that our own arithmetic throws wait until the C function has returned.
class ShapeCall {
 public:
  explicit ShapeCall(const Call& call) : call_(call) {
    for (const SchemaArg& arg : call.op().args) args_.push_back(convert(call[arg.name]));
    raw_.struct_size = sizeof(raw_);
    raw_.args = args_.data();
    raw_.arg_count = args_.size();
    raw_.constant = [](aitune_shape_call* c, std::int64_t value) { return self(c).add_size(value); };
    raw_.add = [](aitune_shape_call* c, aitune_size a, aitune_size b) { return self(c).combine(a, b, plus); };
    raw_.subtract = [](aitune_shape_call* c, aitune_size a, aitune_size b) { return self(c).combine(a, b, minus); };
    raw_.multiply = [](aitune_shape_call* c, aitune_size a, aitune_size b) { return self(c).combine(a, b, times); };
    raw_.floor_divide = [](aitune_shape_call* c, aitune_size a, aitune_size b) {
      return self(c).combine(a, b, quotient);
    };
    raw_.value = [](aitune_shape_call* c, aitune_size a, std::int64_t* value) {
      const auto known = self(c).size(a).as_constant();
      if (known && value != nullptr) *value = *known;
      return known ? 1 : 0;
    };
    raw_.require_equal = [](aitune_shape_call* c, aitune_size a, aitune_size b) {
      self(c).guarded([&] { unify(self(c).call_, self(c).size(a), self(c).size(b)); });
    };
    raw_.add_output = [](aitune_shape_call* c, aitune_dtype dtype, std::int32_t rank, const aitune_size* sizes) {
      self(c).guarded([&] { self(c).add_output(dtype, rank, sizes); });
    };
    raw_.message = message_.data();
    raw_.message_size = message_.size();
    raw_.host = this;
    raw_.print = [](aitune_shape_call* c, aitune_size a, char* text, std::size_t size) {
      return self(c).print(a, text, size);
    };
    raw_.parse = [](aitune_shape_call* c, const char* text) { return self(c).parse(text); };
  }

  Types run(const CustomOp& op) {
    const aitune_status status = op.functions.infer(&raw_, op.functions.user);
    message_.back() = '\0';
    if (!problem_.empty()) call_.fail(problem_);
    if (status != AITUNE_OK) {
      const std::string why = message_[0] == '\0' ? "its shape function refuses the call" : message_.data();
      if (status == AITUNE_UNSUPPORTED) throw Unsupported(why, op.name);
      call_.fail(why);
    }
    if (!call_.op().variadic_results && outputs_.size() != call_.op().result_count)
      call_.fail("its shape function gives " + std::to_string(outputs_.size()) + " results, the schema has " +
                 std::to_string(call_.op().result_count));
    return std::move(outputs_);
  }

 private:
  using Combine = SymInt (*)(const SymInt&, const SymInt&);
  static SymInt plus(const SymInt& a, const SymInt& b) { return a + b; }
  static SymInt minus(const SymInt& a, const SymInt& b) { return a - b; }
  static SymInt times(const SymInt& a, const SymInt& b) { return a * b; }
  static SymInt quotient(const SymInt& a, const SymInt& b) { return floordiv(a, b); }

  static ShapeCall& self(aitune_shape_call* c) { return *static_cast<ShapeCall*>(c->host); }

  template <typename F>
  void guarded(F f) {
    try {
      f();
    } catch (const Error& error) {
      if (problem_.empty()) problem_ = error.problem();
    } catch (const std::exception& error) {
      if (problem_.empty()) problem_ = error.what();
    }
  }

  aitune_size add_size(SymInt value) {
    sizes_.push_back(std::move(value));
    return static_cast<aitune_size>(sizes_.size() - 1);
  }
  const SymInt& size(aitune_size handle) {
    static const SymInt zero = 0;
    if (handle >= 0 && handle < static_cast<aitune_size>(sizes_.size()))
      return sizes_[static_cast<std::size_t>(handle)];
    if (problem_.empty()) problem_ = "its shape function uses a size that was never made";
    return zero;
  }
  aitune_size combine(aitune_size a, aitune_size b, Combine f) {
    SymInt result = 0;
    guarded([&] { result = f(size(a), size(b)); });
    return add_size(std::move(result));
  }

  std::size_t print(aitune_size a, char* text, std::size_t text_size) {
    std::size_t length = 0;
    guarded([&] {
      const std::string formula = size(a).str();
      length = formula.size();
      if (text == nullptr || text_size == 0) return;
      text[formula.copy(text, text_size - 1)] = '\0';
    });
    return length;
  }
  aitune_size parse(const char* text) {
    SymInt result = 0;
    guarded([&] { result = SymInt::parse(text == nullptr ? "" : text); });
    return add_size(std::move(result));
  }

  void add_output(aitune_dtype dtype, std::int32_t rank, const aitune_size* sizes) {
    call_.require(dtype >= AITUNE_U8 && dtype <= AITUNE_BF16, "its shape function gives an unknown dtype");
    call_.require(rank >= 0 && rank <= kMaxRank && (rank == 0 || sizes != nullptr) && outputs_.size() < kMaxOutputs,
                  "its shape function gives an impossible result");
    TensorType type{static_cast<DType>(dtype), {}};
    for (std::int32_t d = 0; d < rank; ++d) type.shape.push_back(size(sizes[d]));
    outputs_.push_back(std::move(type));
  }

  aitune_shape_arg convert(const Arg& arg) {
    aitune_shape_arg out{};
    if (const bool* flag = std::get_if<bool>(&arg)) {
      out.kind = AITUNE_ARG_BOOLEAN, out.as.integer = *flag ? 1 : 0;
    } else if (const SymInt* number = std::get_if<SymInt>(&arg)) {
      out.kind = AITUNE_ARG_INTEGER, out.as.size = add_size(*number);
    } else if (const double* real = std::get_if<double>(&arg)) {
      out.kind = AITUNE_ARG_NUMBER, out.as.number = *real;
    } else if (const std::string* text = std::get_if<std::string>(&arg)) {
      out.kind = AITUNE_ARG_STRING, out.as.string = text->c_str();
    } else if (const DType* dtype = std::get_if<DType>(&arg)) {
      out.kind = AITUNE_ARG_DTYPE, out.as.integer = static_cast<std::int64_t>(*dtype);
    } else if (const MemoryFormat* format = std::get_if<MemoryFormat>(&arg)) {
      out.kind = AITUNE_ARG_INTEGER, out.as.size = add_size(static_cast<std::int64_t>(*format));
    } else if (arg.is_list()) {
      auto& list = lists_.emplace_back();
      for (const Arg& element : arg.list()) list.push_back(convert(element));
      out.kind = AITUNE_ARG_LIST, out.count = list.size(), out.as.list = list.data();
    } else if (arg.is_value()) {
      const TensorType& type = arg.value()->type;
      auto& sizes = shapes_.emplace_back();
      for (const SymInt& size : type.shape) sizes.push_back(add_size(size));
      types_.push_back({static_cast<aitune_dtype>(type.dtype), static_cast<std::int32_t>(sizes.size()), sizes.data()});
      out.kind = AITUNE_ARG_TENSOR, out.as.tensor = &types_.back();
    }
    return out;
  }

  const Call& call_;
  aitune_shape_call raw_{};
  std::array<char, 512> message_{};
  std::string problem_;
  std::vector<aitune_shape_arg> args_;
  std::deque<SymInt> sizes_;  // deques: pointers into them stay valid
  std::deque<std::vector<aitune_size>> shapes_;
  std::deque<aitune_type> types_;
  std::deque<std::vector<aitune_shape_arg>> lists_;
  Types outputs_;
};

}  // namespace

Types infer_custom(const Call& call) {
  const CustomOp* op = find_custom_op(call.op().id);
  if (op == nullptr) throw InternalError("no such custom operator", call.op().name);
  return ShapeCall(call).run(*op);
}

}  // namespace aitune::infer
