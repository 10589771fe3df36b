// Checked access to the arguments of a call.

#include "engines/reference/run/op_call.h"

#include <array>
#include <string_view>

#include "base/error.h"

namespace aitune::reference {
namespace {

template <typename T>
const T& get(const OpArg& arg, std::string_view expected) {
  static constexpr std::array<std::string_view, 8> kinds = {"None",     "a bool",  "an integer", "a float",
                                                            "a string", "a dtype", "a tensor",   "a list"};
  if (const T* v = std::get_if<T>(&arg)) return *v;
  throw InternalError("an argument is " + std::string(kinds[arg.index()]) + ", expected " + std::string(expected),
                      "reference engine");
}

}  // namespace

const Tensor& OpArg::tensor() const { return get<Tensor>(*this, "a tensor"); }
const Tensor* OpArg::tensor_or_null() const { return is_none() ? nullptr : &tensor(); }
std::int64_t OpArg::integer() const {
  if (const bool* b = std::get_if<bool>(this)) return *b ? 1 : 0;
  return get<std::int64_t>(*this, "an integer");
}
double OpArg::number() const {
  if (const double* d = std::get_if<double>(this)) return *d;
  return static_cast<double>(integer());
}
bool OpArg::boolean() const { return get<bool>(*this, "a bool"); }
const std::string& OpArg::string() const { return get<std::string>(*this, "a string"); }
const OpArgList& OpArg::list() const { return get<OpArgList>(*this, "a list"); }
std::vector<std::int64_t> OpArg::int_list() const {
  std::vector<std::int64_t> result;
  for (const OpArg& a : list()) result.push_back(a.integer());
  return result;
}

}  // namespace aitune::reference
