#include "compiler/ops/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/ops/schema_parse.h"

namespace aitune {
namespace {

using testing::HasSubstr;

OpInfo parsed(std::string schema) {
  OpInfo info{OpId{}, "aten.test.default", std::move(schema), {}};
  parse_schema(info);
  return info;
}

TEST(Schema, EveryRowOfTheTableParses) {
  ASSERT_EQ(all_ops().size(), static_cast<std::size_t>(OpId::count));
  for (const OpInfo& op : all_ops()) {
    EXPECT_EQ(find_op(op.name), &op);
    EXPECT_EQ(&op_info(op.id), &op);
    for (const SchemaArg& arg : op.args) {
      EXPECT_EQ(&op.args[op.arg_index(arg.name)], &arg) << op.schema;
      const Arg value = arg.default_value.value_or(None{});
      EXPECT_TRUE(!arg.default_value || !argument_problem(arg, value)) << op.schema << " argument " << arg.name;
    }
  }
}

TEST(Schema, FindsByShortName) {
  ASSERT_NE(find_op("aten.relu"), nullptr);
  EXPECT_EQ(find_op("aten.relu"), find_op("aten.relu.default"));
  EXPECT_EQ(find_op("aten.no_such_thing"), nullptr);
  EXPECT_THROW(find_op("aten.relu")->arg_index("other"), InternalError);
}

TEST(Schema, ReadsEveryPartOfTheLanguage) {
  const OpInfo op = parsed(
      "test(Tensor(a!) self, Tensor? weight=None, SymInt[2] stride=1, int[1]? dim=None, bool[3] mask, Tensor?[] "
      "indices, "
      "Tensor[] tensors, *, Scalar alpha=1, float eps=1e-05, str mode='linear', str rounding=\"none\", ScalarType? "
      "dtype=None, "
      "MemoryFormat? memory_format=contiguous_format, int reduction=Mean, int[] none=[], int[2] pair=[0, 1]) -> "
      "(Tensor(a!) values, Tensor indices)");
  EXPECT_EQ(op.result_count, 2u);
  EXPECT_FALSE(op.variadic_results);
  EXPECT_TRUE(op.is_inplace());
  EXPECT_TRUE(op.args[0].written);
  EXPECT_TRUE(op.args[1].optional);
  EXPECT_EQ(op.args[2].type, ArgType::integer_list);
  EXPECT_EQ(op.args[2].list_size, 2);
  EXPECT_EQ(op.args[2].default_value->int_list(), (std::vector<std::int64_t>{1, 1}));
  EXPECT_TRUE(op.args[3].optional);
  EXPECT_EQ(op.args[4].type, ArgType::boolean_list);
  EXPECT_EQ(op.args[5].type, ArgType::optional_tensor_list);
  EXPECT_EQ(op.args[6].type, ArgType::tensor_list);
  EXPECT_FALSE(op.args[6].keyword_only);
  EXPECT_TRUE(op.args[7].keyword_only);
  EXPECT_EQ(op.args[8].default_value->number(), 1e-05);
  EXPECT_EQ(op.args[9].default_value->string(), "linear");
  EXPECT_EQ(std::get<MemoryFormat>(*op.args[12].default_value), MemoryFormat::contiguous);
  EXPECT_EQ(op.args[13].default_value->integer(), 1);
  EXPECT_TRUE(op.args[14].default_value->list().empty());
  EXPECT_EQ(op.args[15].default_value->int_list(), (std::vector<std::int64_t>{0, 1}));
  EXPECT_TRUE(parsed("split(Tensor(a -> *) self, int n) -> Tensor(a)[]").variadic_results);
  EXPECT_EQ(parsed("check(Tensor self) -> ()").result_count, 0u);
}

TEST(Schema, RefusesWhatItDoesNotKnow) {
  for (const std::string text : {"f", "f(", "f(Tensor)", "f(Banana x) -> Tensor", "f(Tensor x)", "f(Tensor x -> Tensor",
                                 "f(int x=yes) -> Tensor", "f(Tensor x) -> Tensor and more", "f(str s='x) -> Tensor"})
    EXPECT_THROW(parsed(text), InternalError) << text;
}

struct Fixture : testing::Test {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, {2, 3}});
  OpInfo op = parsed("test(Tensor self, int[2] size, bool flag=False, *, Scalar alpha=1, float? scale=None) -> Tensor");
  std::string problem(ArgList positional, std::vector<std::pair<std::string, Arg>> keyword = {}) {
    try {
      bind_arguments(op, std::move(positional), std::move(keyword));
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "none";
  }
};
using BindArguments = Fixture;

TEST_F(BindArguments, FillsDefaultsAndBroadcasts) {
  const ArgList bound = bind_arguments(op, {x, 3}, {{"alpha", 2.5}});
  ASSERT_EQ(bound.size(), 5u);
  EXPECT_EQ(bound[0].value(), x);
  EXPECT_EQ(bound[1].int_list(), (std::vector<std::int64_t>{3, 3}));
  EXPECT_FALSE(bound[2].boolean());
  EXPECT_EQ(bound[3].number(), 2.5);
  EXPECT_TRUE(bound[4].is_none());
  EXPECT_EQ(bind_arguments(op, {x, ArgList{4}}, {})[1].int_list(), (std::vector<std::int64_t>{4, 4}));
  EXPECT_TRUE(bind_arguments(op, {x, 3, 1}, {})[2].boolean());
  EXPECT_EQ(bind_arguments(op, {x, SymInt::symbol("s")}, {})[1].sym_list()[1].str(), "s");
}

TEST_F(BindArguments, SaysWhichArgumentIsWrong) {
  EXPECT_THAT(problem({}), HasSubstr("argument self"));
  EXPECT_THAT(problem({x}), HasSubstr("argument size"));
  EXPECT_THAT(problem({3, 3}), HasSubstr("argument self is an integer, expected a tensor"));
  EXPECT_THAT(problem({x, ArgList{3, 1.5}}), HasSubstr("argument size is a float inside a list"));
  EXPECT_THAT(problem({x, 3, "no"}), HasSubstr("argument flag"));
  EXPECT_THAT(problem({x, 3}, {{"beta", 1}}), HasSubstr("no argument is called beta"));
  EXPECT_THAT(problem({x, 3}, {{"self", x}}), HasSubstr("given twice"));
  EXPECT_THAT(problem({x, 3, true, 1, None{}, None{}}), HasSubstr("6 arguments"));
  EXPECT_THAT(problem({None{}, 3}), HasSubstr("argument self is None"));
  EXPECT_THAT(problem({static_cast<Value*>(nullptr), 3}), HasSubstr("argument self"));
  EXPECT_EQ(problem({x, 3}), "none");
}

}  // namespace
}  // namespace aitune
