#include "format/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace aitune {
namespace {

using Named = std::vector<std::pair<std::string, Tensor>>;

const std::vector<Argument> kArguments = {
    {"x", "0", "x"}, {"n", "1", "", 2.0}, {"d.a", "2.a", "d_a"}, {"d.b", "2.b", "d_b"}};

std::vector<std::string> names_of(std::initializer_list<std::string> given) {
  Named tensors;
  for (const auto& name : given) tensors.emplace_back(name, Tensor::scalar(DType::i64, std::int64_t{2}));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : as_program_inputs(tensors, kArguments, "sample 0")) names.push_back(name);
  return names;
}

TEST(Arguments, ByNameByPlaceAndByTheProgramsInputs) {
  const auto program = testing::ElementsAre("x", "d_a", "d_b");
  EXPECT_THAT(names_of({"x", "n", "d.a", "d.b"}), program);
  EXPECT_THAT(names_of({"0", "1", "2.a", "2.b"}), program);
  EXPECT_THAT(names_of({"x", "d_a", "d_b"}), program);
  EXPECT_THAT(names_of({"0", "1", "2"}), testing::ElementsAre("0", "1", "2"));  // as many as there are inputs
  EXPECT_THAT(names_of({"0", "1"}), testing::ElementsAre("x"));
  EXPECT_THAT(names_of({"other"}), testing::ElementsAre("other"));
}

TEST(Arguments, AConstantKeepsItsValue) {
  const Named other = {{"n", Tensor::scalar(DType::i64, std::int64_t{3})}};
  EXPECT_THROW(as_program_inputs(other, kArguments, "sample 0"), InvalidArgument);
  const Named no_number = {{"n", Tensor(DType::f32, {2})}};
  EXPECT_THROW(as_program_inputs(no_number, kArguments, "sample 0"), InvalidArgument);
}

}  // namespace
}  // namespace aitune
