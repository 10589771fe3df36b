#include "engines/reference/run/custom.h"

#include <array>
#include <deque>

#include "base/error.h"

namespace aitune::reference {
namespace {

/// The call in C. Deques, because there are pointers into them.
class CCall {
 public:
  explicit CCall(const OpCall& call) {
    for (const OpArg& arg : call.args) args_.push_back(convert(arg));
    for (const Tensor& out : call.outputs) outputs_.push_back(view(out));
    raw_ = {args_.data(), args_.size(), outputs_.data(), outputs_.size(), message_.data(), message_.size()};
  }

  void run(const CustomOp& op) {
    const aitune_status status = op.functions.run(&raw_, op.functions.user);
    if (status == AITUNE_OK) return;
    message_.back() = '\0';
    const bool known = status > AITUNE_OK && status <= AITUNE_INTERNAL;
    throw_error(known ? static_cast<ErrorCode>(status) : ErrorCode::internal,
                message_[0] == '\0' ? "the custom operator failed and does not say why" : message_.data(), op.name,
                op.advice);
  }

 private:
  aitune_tensor view(const Tensor& given) {
    const Tensor& t = tensors_.emplace_back(given.contiguous());
    return {static_cast<aitune_dtype>(t.dtype()), static_cast<std::int32_t>(t.shape().size()), t.shape().data(),
            nullptr, t.data()};
  }

  aitune_op_arg convert(const OpArg& arg) {
    aitune_op_arg out{};
    if (const bool* flag = std::get_if<bool>(&arg)) {
      out.kind = AITUNE_ARG_BOOLEAN, out.as.integer = *flag ? 1 : 0;
    } else if (const auto* number = std::get_if<std::int64_t>(&arg)) {
      out.kind = AITUNE_ARG_INTEGER, out.as.integer = *number;
    } else if (const double* real = std::get_if<double>(&arg)) {
      out.kind = AITUNE_ARG_NUMBER, out.as.number = *real;
    } else if (const auto* text = std::get_if<std::string>(&arg)) {
      out.kind = AITUNE_ARG_STRING, out.as.string = text->c_str();
    } else if (const DType* dtype = std::get_if<DType>(&arg)) {
      out.kind = AITUNE_ARG_DTYPE, out.as.integer = static_cast<std::int64_t>(*dtype);
    } else if (const Tensor* tensor = std::get_if<Tensor>(&arg)) {
      out.kind = AITUNE_ARG_TENSOR, out.as.tensor = &views_.emplace_back(view(*tensor));
    } else if (const auto* elements = std::get_if<OpArgList>(&arg)) {
      auto& list = lists_.emplace_back();
      for (const OpArg& element : *elements) list.push_back(convert(element));
      out.kind = AITUNE_ARG_LIST, out.count = list.size(), out.as.list = list.data();
    }
    return out;
  }

  std::deque<Tensor> tensors_;
  std::deque<aitune_tensor> views_;
  std::deque<std::vector<aitune_op_arg>> lists_;
  std::vector<aitune_op_arg> args_;
  std::vector<aitune_tensor> outputs_;
  std::array<char, 512> message_{};
  aitune_op_call raw_{};
};

}  // namespace

void run_custom_op(const CustomOp& op, const OpCall& call) { CCall(call).run(op); }

}  // namespace aitune::reference
