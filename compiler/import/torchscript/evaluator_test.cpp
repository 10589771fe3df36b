// Every feature of the language, on sources as torch.jit.save writes them.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "compiler/import/torchscript/source_testing.h"

namespace aitune::torchscript {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(TorchScript, SizesThatMoveAreSymbols) {
  const std::string text = graph_of("return torch.relu(x)");
  EXPECT_THAT(text, HasSubstr("%x: f32[s0,2]) where s0 in [2,5]"));
  EXPECT_THAT(text, HasSubstr("%relu: f32[s0,2] = aten.relu.default(%x)"));
}

TEST(TorchScript, AttributesConstantsAndMethods) {
  const std::string text = graph_of(
      "w = self.w\n"
      "y = (self).twice(torch.add(x, w), )\n"
      "return torch.mul((self).twice(y, self.n, ), self.scale)");
  EXPECT_THAT(text, HasSubstr("weight %w: f32[2,2] \"w\" = [1.0, 2.0, 3.0, 4.0]"));
  EXPECT_THAT(text, HasSubstr("aten.add.Tensor(%x, %w, 1)"));
  EXPECT_THAT(text, HasSubstr("aten.mul.Scalar(%add, 2)"));
  EXPECT_THAT(text, HasSubstr("aten.mul.Scalar(%mul, 3)"));
  EXPECT_THAT(text, HasSubstr("aten.mul.Scalar(%mul_1, 0.5)"));
}

TEST(TorchScript, FreeFunctionsWithDefaultsAndKeywords) {
  const std::string text =
      print(import_source(source("return __torch__.scaled(x, factor=3)", "x: Tensor",
                                 "def scaled(x: Tensor,\n    shift: int=4,\n    factor: int=1) -> Tensor:\n"
                                 "  return torch.add(torch.mul(x, factor), shift)\n"))
                .model.graph);
  EXPECT_THAT(text, HasSubstr("aten.mul.Scalar(%x, 3)"));
  EXPECT_THAT(text, HasSubstr("aten.add.Scalar(%mul, 4, 1)"));
}

TEST(TorchScript, ArithmeticIsDoneAtImport) {
  EXPECT_EQ(number_of("n = torch.add(torch.mul(2, 3), torch.floordiv(-7, 2))"), "2");
  EXPECT_EQ(number_of("n = torch.remainder(-7, 3)"), "2");
  EXPECT_EQ(number_of("n = int(torch.div(7, 2))"), "3");
  EXPECT_EQ(number_of("n = torch.pow(2, 10)"), "1024");
  EXPECT_EQ(number_of("n = ops.prim.max([3, 9, 4])"), "9");
  EXPECT_EQ(number_of("n = torch.neg(int(float(3)))"), "-3");
  EXPECT_EQ(number_of("n = int(torch.floor(2.7))"), "2");
  EXPECT_EQ(number_of("n = torch.sub(1.5, 1)"), "0.5");
  EXPECT_EQ(number_of("n = -inf"), "-inf");
  EXPECT_EQ(number_of("n = int(ops.prim.NumToTensor(torch.size(x, 1)))"), "2");
  EXPECT_EQ(number_of("n = int(torch.mul(ops.prim.NumToTensor(torch.size(x, 1)), CONSTANTS.c0))"), "14");
  EXPECT_EQ(number_of("n = annotate(int, CONSTANTS.c0)"), "7");
  EXPECT_EQ(number_of("n = self.n"), "3");
}

TEST(TorchScript, SizesAreComputedWith) {
  EXPECT_THAT(graph_of("return torch.reshape(x, [torch.mul((torch.size(x))[0], 2), -1])"),
              HasSubstr("aten.reshape.default(%x, [2*s0, -1])"));
  EXPECT_THAT(graph_of("n = torch.floordiv(torch.numel(x), 2)\nreturn torch.zeros([n, torch.dim(x)], dtype=ops.prim."
                       "dtype(x), layout=None, device=ops.prim.device(x))"),
              HasSubstr("aten.zeros.default([s0, 2], f32"));
}

TEST(TorchScript, ComplexNumbersAreTensors) {
  EXPECT_THAT(graph_of("return torch.mul(x, 0.+2.j)"), HasSubstr("= [0.0, 2.0]"));
  EXPECT_THAT(graph_of("return torch.mul(x, -1.5-2.e-1j)"), HasSubstr("= [-1.5, -0.2]"));
  EXPECT_THAT(graph_of("return torch.add(x, x, alpha=1.+2.j)"), HasSubstr("aten.mul.Tensor"));
  EXPECT_THAT(refused<Corrupt>(source("return torch.mul(x, 1.+2.k)")), HasSubstr("'+' stands here"));
}

TEST(TorchScript, ListsTuplesAndDicts) {
  EXPECT_EQ(number_of("a = annotate(List[int], [])\n_0 = torch.append(a, 4)\n_1 = torch.append(a, 5)\nn = a[-1]"), "5");
  EXPECT_EQ(number_of("n = torch.len(torch.add([1, 2], [3]))"), "3");
  EXPECT_EQ(number_of("a, b, = (1, 8)\nn = b"), "8");
  EXPECT_EQ(number_of("n = ((1, 2, 3)[1:])[0]"), "2");
  EXPECT_EQ(number_of("d = annotate(Dict[str, int], {})\ntorch._set_item(d, \"k\", 6)\nn = d[\"k\"]"), "6");
  EXPECT_EQ(number_of("d = {\"a\": 1, \"b\": 9}\nn = torch.add(torch.len(torch.keys(d)), (torch.values(d))[1])"), "11");
  EXPECT_EQ(number_of("n = torch.pop([1, 2, 3])"), "3");
  EXPECT_EQ(number_of("n = (self.sizes)[2]"), "3");
  EXPECT_EQ(number_of("a = torch.__contains__([1, 2], 2)\nif a:\n  n = 1\nelse:\n  n = 2"), "1");
}

TEST(TorchScript, NamedTuples) {
  const std::string body = "p = __torch__.Pair(x, 5)\nq = torch.mul(p.left, p.count)\nreturn (p.left, q)";
  EXPECT_THAT(graph_of(body), HasSubstr("aten.mul.Scalar(%x, 5)"));
  const ImportedScript pair =
      import_source(source("return __torch__.Pair(torch.relu(x), 5)"
                           "[0:1]"));
  EXPECT_EQ(pair.model.graph.outputs.size(), 1u);
}

TEST(TorchScript, Optionals) {
  const std::string body =
      "if torch.__isnot__(y, None):\n  y1 = unchecked_cast(Tensor, y)\n  z = torch.add(x, y1)\nelse:\n  z = x\nreturn "
      "torch.relu(z)";
  EXPECT_THAT(graph_of(body, "x: Tensor,\n    y: Optional[Tensor]=None"), Not(HasSubstr("aten.add")));
  const NamedTensors given = {{"y", Tensor(DType::f32, {2})}};
  EXPECT_THAT(graph_of(body, "x: Tensor,\n    y: Optional[Tensor]=None", given),
              HasSubstr("aten.add.Tensor(%x, %y, 1)"));
}

TEST(TorchScript, ConstantConditionsFold) {
  EXPECT_EQ(number_of("if self.training:\n  n = 1\nelse:\n  n = 2"), "2");
  EXPECT_EQ(number_of("if torch.gt(torch.size(x, 0), 1):\n  n = 1\nelse:\n  n = 2"), "1");
  EXPECT_EQ(number_of("if torch.__and__(torch.eq(self.word, \"hi\"), torch.lt(torch.dim(x), 3)):\n  n = 1\nelse:\n  "
                      "pass\n  n = 2"),
            "1");
  EXPECT_EQ(number_of("if isinstance(x, Tensor):\n  n = 1\nelse:\n  n = 2"), "1");
}

TEST(TorchScript, LoopsUnroll) {
  const std::string text = graph_of("for i in range(3):\n  x = torch.add(x, i)\nreturn x");
  EXPECT_THAT(text, HasSubstr("aten.add.Scalar(%add_1, 2, 1)"));
  EXPECT_EQ(number_of("n = 10\n_0 = torch.gt(n, 3)\nwhile _0:\n  n1 = torch.sub(n, 2)\n  _0, n = torch.gt(n1, 3), n1"),
            "2");
  EXPECT_EQ(number_of("n = 0\nfor _0 in range(torch.__range_length(1, 9, 3)):\n  n = torch.__derive_index(_0, 1, 3)"),
            "7");
}

TEST(TorchScript, AssertionsOnSizesThatMoveAreDropped) {
  const std::string body =
      "if torch.eq(torch.size(x, 0), 3):\n  pass\nelse:\n  ops.prim.RaiseException(torch.format(\"bad {}\", "
      "torch.size(x)), \"builtins.ValueError\")\nreturn torch.relu(x)";
  EXPECT_THAT(graph_of(body), HasSubstr("aten.relu"));
}

TEST(TorchScript, AssertionsOnDataAreDroppedWithAWarning) {
  const ImportedScript imported =
      import_source(source("if bool(torch.gt(torch.sum(x), 0)):\n  ops.prim.RaiseException(\"no\")\nelse:\n  pass\n"
                           "return torch.relu(x)"));
  EXPECT_THAT(print(imported.model.graph), HasSubstr("aten.relu"));
  ASSERT_EQ(imported.model.warnings.size(), 1U);
  EXPECT_THAT(imported.model.warnings[0], HasSubstr("an exception or assertion there is left out"));
}

TEST(TorchScript, ExceptionsThatAreMetAreTheUsersMistake) {
  const std::string message = refused<InvalidArgument>(source(
      "_0 = \"expected {}D, got {}D\"\nif torch.ne(torch.dim(x), 3):\n  ops.prim.RaiseException(torch.format(_0, "
      "3, torch.dim(x)), \"builtins.ValueError\")\nelse:\n  pass\nreturn x"));
  EXPECT_THAT(message, HasSubstr("the model raises ValueError: expected 3D, got 2D"));
  EXPECT_THAT(message, HasSubstr("net.pt/code/__torch__.py:"));
}

TEST(TorchScript, OverloadsAreFoundByTheirArguments) {
  EXPECT_THAT(graph_of("a, b = torch.max(x, 1)\nreturn a"), HasSubstr("aten.max.dim(%x, 1, False)"));
  EXPECT_THAT(graph_of("return torch.max(x)"), HasSubstr("aten.max.default(%x)"));
  EXPECT_THAT(graph_of("return torch.max(x, torch.relu(x))"), HasSubstr("aten.max.other(%x, %relu)"));
  EXPECT_THAT(graph_of("return torch.mean(x, [1], True)"), HasSubstr("aten.mean.dim(%x, [1], True, None)"));
  EXPECT_THAT(graph_of("return torch.to(x, 7)"), HasSubstr("aten.to.dtype(%x, f64"));
  EXPECT_THAT(graph_of("return torch.relu(torch.to(x, torch.device(\"cpu\")))"), HasSubstr("aten.relu.default(%x)"));
  EXPECT_THAT(graph_of("return torch.cat(torch.split(x, 1, 1), 0)"), HasSubstr("aten.split.Tensor(%x, 1, 1)"));
}

TEST(TorchScript, NumbersBecomeConstants) {
  const NamedTensors five = {{"k", Tensor::scalar<std::int64_t>(DType::i64, 5)}};
  const ImportedScript imported = import_source(source("return torch.mul(x, k)", "x: Tensor,\n    k: int"), five);
  EXPECT_THAT(print(imported.model.graph), HasSubstr("aten.mul.Scalar(%x, 5)"));
  EXPECT_EQ(imported.model.graph.inputs.size(), 1u);
  ASSERT_EQ(imported.samples.size(), 2u);
  EXPECT_EQ(imported.samples[0].size(), 1u);
}

TEST(TorchScript, ListsOfTensorsComeInByTheirParts) {
  const NamedTensors parts = {{"more.0", Tensor(DType::f32, {2})}, {"more.1", Tensor(DType::f32, {2})}};
  const std::string text =
      graph_of("return torch.add(torch.add(x, more[0]), more[1])", "x: Tensor,\n    more: List[Tensor]", parts);
  EXPECT_THAT(text, HasSubstr("%more_0: f32[2], %more_1: f32[2]"));
}

TEST(TorchScript, ForksRunWhereTheyStand) {
  EXPECT_THAT(graph_of("k = 3\ndef __forked_function():\n  k = 4\n  return torch.mul(x, k)\n"
                       "f = fork(__forked_function)\nreturn torch.add(torch.wait(f), k)"),
              HasSubstr("aten.add.Scalar(%mul, 3, 1)"));
  EXPECT_THAT(refused<Unsupported>(source("f = fork(g)\nreturn x")), HasSubstr("g is forked"));
  refused<Corrupt>(source("def f(a: int):\n  return a\nreturn x"));
  refused<Unsupported>(source("def f():\n  g = fork(f)\n  return x\ng = fork(f)\nreturn x"));
}

TEST(TorchScript, StateIsAnInputAndAnOutput) {
  const std::string body = "s = self.state\ny = torch.add(x, s)\nself.state = torch.relu(s)\nreturn y";
  const std::string fixed = source(body);
  const ImportedScript imported = import_source(fixed, {{"state", Tensor(DType::f32, {1, 2})}});
  const Graph& graph = imported.model.graph;
  ASSERT_EQ(graph.inputs.size(), 2u);
  EXPECT_EQ(graph.inputs[1]->name, "state");
  EXPECT_EQ(graph.output_names, (std::vector<std::string>{"add", "state"}));
  EXPECT_TRUE(imported.model.written.empty());
  // Not given, it begins with what the file has.
  const ImportedScript own = import_source(fixed);
  ASSERT_EQ(own.model.written.size(), 1U);
  EXPECT_EQ(own.model.written[0], (WrittenInput{"state", "state", "state"}));
  EXPECT_EQ(own.model.buffers.at(0).first, "state");
  EXPECT_EQ(own.samples.at(0).back().first, "state");
  EXPECT_THAT(own.model.warnings.back(), HasSubstr("keeps state in its buffers (state)"));
}

TEST(TorchScript, WritesIntoStateAreAnOutput) {
  const std::string fixed = source("s = self.state\n_0 = torch.add_(s, 1)\nreturn torch.mul(x, 2)");
  EXPECT_EQ(import_source(fixed).model.written.size(), 1U);
  const Tensor given(DType::f32, {2, 2});
  const ImportedScript imported = import_source(fixed, {{"state", given}});
  EXPECT_EQ(imported.model.graph.output_names, (std::vector<std::string>{"mul", "state"}));
  EXPECT_THAT(print(imported.model.graph), HasSubstr("aten.clone.default(%state, None)"));
  // What is only read is neither copied nor given back.
  const ImportedScript read = import_source(source("return torch.add(x, torch.sum(self.state))"), {{"state", given}});
  EXPECT_EQ(read.model.graph.output_names, (std::vector<std::string>{"add"}));
  EXPECT_THAT(print(read.model.graph), Not(HasSubstr("clone")));
  // Writes in a branch.
  const std::string inside = source(
      "if bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.add_(self.state, 1)\nelse:\n  pass\nreturn torch.mul(x, 2)");
  EXPECT_EQ(import_source(inside).model.written.size(), 1U);
  EXPECT_EQ(import_source(inside, {{"state", given}}).model.graph.output_names,
            (std::vector<std::string>{"mul", "state"}));
  EXPECT_THAT(refused<Unsupported>(
                  source("if bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.add_(x, 1)\nelse:\n  pass\nreturn x")),
              HasSubstr("the model writes into input x"));
}

TEST(TorchScript, StateThatIsANumberHasToStay) {
  EXPECT_THAT(refused<Unsupported>(source("a = self.n\nself.n = torch.add(a, 1)\nreturn torch.relu(x)")),
              HasSubstr("it was 3 before the call and is 4 after it"));
  EXPECT_THAT(graph_of("self.n = 4\nreturn torch.relu(x)"), HasSubstr("aten.relu"));
}

TEST(TorchScript, ResultsAreTakenApart) {
  const ImportedScript imported =
      import_source(source("a = torch.relu(x)\nreturn (a, [torch.neg(x)], {\"key\": torch.abs(x)}, None)"));
  EXPECT_EQ(imported.model.graph.output_names, (std::vector<std::string>{"relu", "neg", "key"}));
}

// ---- what data decide

TEST(TorchScript, AnIfThatDataDecideBecomesRegions) {
  const std::string text = graph_of(
      "if bool(torch.gt(torch.sum(x), 0)):\n  y, n = torch.relu(x), 1\nelse:\n  y, n = torch.neg(x), 2\n"
      "return torch.add(y, n)");
  EXPECT_THAT(text, HasSubstr("higher_order.cond.default("));
  EXPECT_THAT(text, HasSubstr("aten.relu.default"));
  EXPECT_THAT(text, HasSubstr("aten.neg.default"));
}

TEST(TorchScript, ValuesThatOneBranchAloneSets) {
  const std::string text = graph_of(
      "_0 = uninitialized(Tensor)\n_1 = bool(torch.gt(torch.sum(x), 0))\nif _1:\n  a, b = True, torch.relu(x)\n"
      "else:\n  a, b = False, _0\nif a:\n  c = b\nelse:\n  c = torch.neg(x)\nreturn c");
  EXPECT_THAT(text, HasSubstr("aten.full.default"));
}

TEST(TorchScript, AttributesThatABranchSetsAreMerged) {
  const ImportedScript imported = import_source(
      source("s = self.state\nif bool(torch.gt(torch.sum(x), 0)):\n  self.state = torch.relu(s)\nelse:\n  "
             "pass\nreturn torch.add(x, s)"),
      {{"state", Tensor(DType::f32, {1, 2})}});
  const Graph& graph = imported.model.graph;
  verify(graph, "import");
  ASSERT_EQ(graph.outputs.size(), 2u);
  EXPECT_TRUE(graph.outputs[1]->producer->op_name() == "higher_order.cond.default");
}

TEST(TorchScript, LoopsThatDataDecideBecomeRegions) {
  EXPECT_THAT(graph_of("y = x\n_0 = bool(torch.gt(torch.sum(x), 1))\nwhile _0:\n  y1 = torch.div(y, 2)\n"
                       "  _0, y = bool(torch.gt(torch.sum(y1), 1)), y1\nreturn y"),
              HasSubstr("higher_order.while_loop.default("));
  EXPECT_THAT(graph_of("y = x\nfor i in range(int(torch.sum(x))):\n  y = torch.add(y, i)\nreturn y"),
              HasSubstr("higher_order.while_loop.default("));
}

TEST(TorchScript, WhatBranchesMakeDifferentlyIsRefusedWhereItIsRead) {
  const std::string body = "if bool(torch.gt(torch.sum(x), 0)):\n  y = x\nelse:\n  y = torch.unsqueeze(x, 0)\n";
  const std::string message = refused<Unsupported>(source(body + "return torch.relu(y)"));
  EXPECT_THAT(message, HasSubstr("in one branch and"));
  EXPECT_THAT(message, HasSubstr("net.pt/code/__torch__.py:17"));
  EXPECT_THAT(graph_of(body + "return torch.relu(x)"), HasSubstr("aten.relu.default(%x)"));
  EXPECT_THAT(refused<Unsupported>(source("y = x\nwhile bool(torch.gt(torch.sum(y), 0)):\n  y = torch.unsqueeze(y, 0)\n"
                                          "return y")),
              HasSubstr("before the loop and"));
}

TEST(TorchScript, TensorsMayGrowInLoops) {
  // By two rows, if there are so many, on each of s0 trips; x has s0 rows itself.
  const std::string bounded =
      graph_of("y = x\nfor i in range(torch.size(x, 0)):\n  y = torch.cat([y, torch.slice(x, 0, 0, 2)])\nreturn y");
  EXPECT_THAT(bounded, HasSubstr("<= (3*s0)"));
  EXPECT_THAT(bounded, HasSubstr("aten.constant_pad_nd.default"));
  // By as much as there is, and as often as data decide: by the limit.
  EXPECT_THAT(graph_of("y = x\nwhile bool(torch.gt(torch.sum(y), 0)):\n  y = torch.cat([y, y])\nreturn y"),
              HasSubstr("<= (1048576)"));
}

TEST(TorchScript, ContainersThatARegionMakesArePlain) {
  EXPECT_THAT(graph_of("if bool(torch.gt(torch.sum(x), 0)):\n  a = [x]\n  _0 = torch.append(a, x)\n  y = torch.cat(a)\n"
                       "else:\n  y = torch.cat([x, x])\nreturn y"),
              HasSubstr("higher_order.cond"));
}

TEST(TorchScript, ListsMayGrowInRegions) {
  // A row on each of s0 trips, behind the one that is there.
  const std::string text = graph_of(
      "a = [torch.sum(x, [0])]\nfor i in range(torch.size(x, 0)):\n  _0 = torch.append(a, torch.select(x, 0, i))\n"
      "return torch.stack(a)");
  EXPECT_THAT(text, HasSubstr("<= (s0 + 1)"));
  EXPECT_THAT(text, HasSubstr("aten.cat.default"));
  // At most one on each trip, in one branch of another.
  const std::string some = graph_of(
      "a = annotate(List[Tensor], [])\nfor i in range(torch.size(x, 0)):\n  y = torch.select(x, 0, i)\n"
      "  if bool(torch.gt(torch.sum(y), 0)):\n    if bool(torch.lt(torch.sum(y), 9)):\n      _0 = torch.append(a, y)\n"
      "    else:\n      pass\n  else:\n    pass\nreturn torch.stack(a)");
  EXPECT_THAT(some, HasSubstr("<= (s0)"));
  EXPECT_THAT(some, Not(HasSubstr("1048576")));
  // Of sizes that differ: joined, and counted.
  EXPECT_THAT(graph_of("a = annotate(List[Tensor], [])\nfor i in range(torch.size(x, 0)):\n"
                       "  _0 = torch.append(a, torch.nonzero(torch.select(x, 0, i)))\n"
                       "return (torch.cat(a), torch.len(a))"),
              HasSubstr("higher_order.while_loop"));
  // By a branch.
  EXPECT_THAT(graph_of("a = [x]\nif bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.append(a, x)\nelse:\n  pass\n"
                       "return torch.cat(a, 1)"),
              HasSubstr("higher_order.cond"));
  EXPECT_THAT(refused<Unsupported>(source("a = [x]\nif bool(torch.gt(torch.sum(x), 0)):\n"
                                          "  _0 = torch.append(a, torch.nonzero(x))\nelse:\n  pass\n"
                                          "return torch.cat(a)")),
              HasSubstr("a list holds"));
}

TEST(TorchScript, ARegionMayFindSizesOut) {
  const std::string text = graph_of(
      "if bool(torch.gt(torch.sum(x), 0)):\n  y = torch.sum(torch.nonzero(x))\nelse:\n  y = torch.sum(torch.to(x, 4))\n"
      "return y");
  EXPECT_THAT(text, HasSubstr("aten.nonzero.default"));
  EXPECT_THAT(text, Not(HasSubstr("constant_pad_nd")));
}

TEST(TorchScript, SizesThatDifferFromBranchToBranchAreJoined) {
  const std::string text = graph_of(
      "if bool(torch.gt(torch.sum(x), 0)):\n  y = torch.nonzero(x)\nelse:\n  y = torch.zeros([1, 2], dtype=4)\n"
      "return torch.mul(y, 2)");
  EXPECT_THAT(text, HasSubstr("aten.constant_pad_nd.default"));
  EXPECT_THAT(text, HasSubstr("aten.item.default"));
  // The joined size is bounded by what the larger branch may give: two columns of s0 rows.
  EXPECT_THAT(text, HasSubstr("<= (2*s0)"));
}

TEST(TorchScript, ConditionsOnSizesThatMoveAreDecidedWhenItRuns) {
  const std::string text =
      graph_of("if torch.gt(torch.size(x, 0), 3):\n  y = torch.relu(x)\nelse:\n  y = torch.neg(x)\nreturn y");
  EXPECT_THAT(text, HasSubstr("higher_order.cond"));
  EXPECT_THAT(text, HasSubstr("aten.full.default([], s0"));
  // s0 is in [2,5].
  EXPECT_THAT(graph_of("if torch.gt(torch.size(x, 0), 1):\n  y = torch.relu(x)\nelse:\n  y = torch.neg(x)\nreturn y"),
              Not(HasSubstr("higher_order.cond")));
}

TEST(TorchScript, LoopsOverASizeThatMoves) {
  EXPECT_THAT(graph_of("y = x\nfor i in range(torch.size(x, 0)):\n  y = torch.add(y, torch.select(x, 0, i))\nreturn y"),
              HasSubstr("higher_order.while_loop"));
}

TEST(TorchScript, WritesInARegionGiveNamesNewTensors) {
  const std::string text = graph_of(
      "y = torch.mul(x, 2)\nif bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.add_(torch.select(y, 0, 0), 1)\n"
      "else:\n  pass\nreturn torch.neg(y)");
  EXPECT_THAT(text, HasSubstr("aten.clone.default"));
  EXPECT_THAT(text, HasSubstr("aten.add_."));
  EXPECT_THAT(graph_of("y = torch.mul(x, 2)\nfor i in range(int(torch.sum(x))):\n  _0 = torch.add_(y, 1)\nreturn y"),
              HasSubstr("higher_order.while_loop"));
  // A list that holds it sees the write as well.
  EXPECT_THAT(graph_of("y = torch.mul(x, 2)\na = [y]\nif bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.add_(y, 1)\n"
                       "else:\n  pass\nreturn torch.cat([y, a[0]])"),
              HasSubstr("aten.cat.default([%cond, %cond]"));
  EXPECT_THAT(refused<Unsupported>(
                  source("y = torch.mul(x, 2)\nv = torch.select(y, 0, 0)\nif bool(torch.gt(torch.sum(x), 0)):\n"
                         "  _0 = torch.add_(y, 1)\nelse:\n  pass\nreturn torch.neg(v)")),
              HasSubstr("it shows memory that is written into"));
}

TEST(TorchScript, WhatIsMadeOfConstantsIsKnown) {
  EXPECT_EQ(number_of("n = int(torch.item(torch.mul(torch.tensor(1.5), torch.tensor(4))))"), "6");
  EXPECT_EQ(number_of("n = int(torch.round(torch.log2(torch.tensor(9.))))"), "3");
  // A constant that was written into is none.
  EXPECT_THAT(number_of("a = torch.zeros([1])\n_0 = torch.add_(a, torch.select(torch.select(x, 0, 0), 0, 0))\n"
                        "n = int(a)"),
              HasSubstr("aten."));
}

TEST(TorchScript, NumbersThatDataDecideWhereOperatorsTakeTensors) {
  EXPECT_THAT(graph_of("n = float(torch.mean(x))\nreturn torch.clamp(x, None, n)"), HasSubstr("aten.clamp.Tensor"));
  EXPECT_THAT(graph_of("n = int(torch.sum(x))\nreturn torch.full([2], n)"), HasSubstr("aten.expand.default"));
}

TEST(TorchScript, AMaskBesideOtherIndices) {
  const std::string text = graph_of(
      "m = torch.gt(torch.select(x, 1, 0), 0)\ni = torch.tensor([1])\n"
      "return torch.index(x, annotate(List[Optional[Tensor]], [m, i]))");
  EXPECT_THAT(text, HasSubstr("aten.nonzero.default"));
  EXPECT_THAT(text, HasSubstr("aten.index.Tensor(%x, [%select_1"));
}

TEST(TorchScript, AReturnInOneBranchAloneIsRefused) {
  EXPECT_THAT(refused<Unsupported>(source("if bool(torch.gt(torch.sum(x), 0)):\n  return x\nelse:\n  pass\nreturn x")),
              HasSubstr("one branch of an if that data decide returns"));
}

TEST(TorchScript, UnknownOperatorsAreNamed) {
  EXPECT_THAT(refused<Unsupported>(source("return torch.no_such_thing(x)")), HasSubstr("aten.no_such_thing"));
  EXPECT_THAT(refused<Unsupported>(source("return ops.mine.thing(x)")),
              HasSubstr("the operator ops.mine.thing is not in aitune's list"));
  EXPECT_THAT(refused<Unsupported>(source("return torch.relu(x, 3, 4)")), HasSubstr("no overload of aten.relu takes"));
}

TEST(TorchScript, SamplesMustFit) {
  const std::string text = source("return torch.relu(x)");
  EXPECT_THAT(refused<InvalidArgument>(text, {{"z", Tensor(DType::f32, {2})}}), HasSubstr("no input 'z'"));
  EXPECT_THAT(refused<InvalidArgument>(source("return x", "y: Tensor")), HasSubstr("input 'y' is missing"));
  const auto archive = make_archive(text);
  EXPECT_THROW(import_torchscript(archive, "net.pt", {}), InvalidArgument);
}

TEST(TorchScript, InputsThatAreWrittenToComeOut) {
  EXPECT_THAT(graph_of("y = torch.relu_(x)\nreturn torch.add(y, 1)"),
              AllOf(HasSubstr("aten.relu_.default(%x)"), HasSubstr("return %add, %x")));
  EXPECT_THAT(graph_of("y = torch.add(x, 1)\nreturn torch.relu_(y)"), HasSubstr("aten.relu_.default(%add)"));
}

// ---- hostile sources: each is refused, soon

TEST(TorchScriptHostile, EndlessRecursion) {
  EXPECT_THAT(refused<Unsupported>(source("return (self).forward(x, )")), HasSubstr("without end"));
}

TEST(TorchScriptHostile, EndlessLoops) {
  EXPECT_THAT(refused<Unsupported>(source("a = True\nwhile a:\n  a = True\nreturn x")), HasSubstr("no end"));
  EXPECT_THAT(refused<Unsupported>(source("for i in range(9223372036854775807):\n  a = i\nreturn x")),
              HasSubstr("more than 1000000 times"));
  EXPECT_THAT(refused<Unsupported>(source("y = x\nfor i in range(999999):\n  y = torch.relu(y)\nreturn y")),
              HasSubstr("more than 200000 operators"));
}

TEST(TorchScriptHostile, RegionsWithinRegions) {
  std::string deep = "c = bool(torch.gt(torch.sum(x), 0))\n", indent;
  for (int i = 0; i < 40; ++i) {
    deep += indent + "while c:\n";
    indent += "  ";
  }
  deep += indent + "x = torch.relu(x)\n" + indent + "c = bool(torch.gt(torch.sum(x), 0))\nreturn x";
  EXPECT_THAT(refused<Unsupported>(source(deep)), HasSubstr("too deep in each other"));
  std::string wide = "c = bool(torch.gt(torch.sum(x), 0))\ny = x\n";
  for (int i = 0; i < 300; ++i) wide += "if c:\n  y = torch.relu(y)\nelse:\n  y = torch.neg(y)\n";
  EXPECT_THAT(graph_of(wide + "return y"), HasSubstr("higher_order.cond"));
}

TEST(TorchScriptHostile, ThingsThatGrow) {
  refused<Unsupported>(source("a = [1]\nfor i in range(80):\n  a = torch.add(a, a)\nreturn x"));
  refused<Unsupported>(source("a = \"ab\"\nfor i in range(80):\n  a = torch.add(a, a)\nreturn x"));
  refused<Unsupported>(
      source("a = torch.size(x, 0)\nfor i in range(80):\n  a = torch.mul(a, torch.add(a, 1))\nreturn "
             "x"));
}

TEST(TorchScriptHostile, CyclesOfContainers) {
  refused<Unsupported>(
      source("a = annotate(List[int], [])\n_0 = torch.append(a, a)\n_1 = torch.append(a, a)\n_2 = "
             "torch.eq(a, [a, a])\nreturn a"));
  EXPECT_THAT(graph_of("self.state = self\nreturn torch.relu(x)"), HasSubstr("aten.relu"));
}

TEST(TorchScriptHostile, DeepNesting) {
  std::string deep = "return ";
  for (int i = 0; i < 5000; ++i) deep += "torch.relu(";
  deep += "x" + std::string(5000, ')');
  EXPECT_THAT(refused<Corrupt>(source(deep)), HasSubstr("nested too deeply"));
  EXPECT_THAT(refused<Corrupt>(source("return x" + std::string(5000, '[') + std::string(5000, ']'))),
              HasSubstr("nested too deeply"));
  std::string chain = "return x";
  for (int i = 0; i < 5000; ++i) chain += ".a";
  EXPECT_THAT(refused<Corrupt>(source(chain)), HasSubstr("too long"));
}

TEST(TorchScriptHostile, EnormousConstants) {
  EXPECT_THAT(refused<Corrupt>(source("return torch.mul(x, 99999999999999999999)")), HasSubstr("64 bits"));
  refused<InvalidArgument>(source("return torch.mul(x, int(\"99999999999999999999\"))"));
  refused<InvalidArgument>(source("return torch.mul(x, torch.floordiv(1, 0))"));
}

TEST(TorchScriptHostile, OtherLanguages) {
  for (const auto* text : {"import os\nos.system('x')\n", "class Net(Module):\n  def forward(self):\n  return 1\n",
                           "x = 1\n", "def f(:\n", "class Net:\n", "class Net(Module):\n\tpass\n\x01",
                           "class Net(Module):\n  pass\nclass Net(Module):\n  pass\n", "\"unfinished", "lambda: 1"}) {
    SCOPED_TRACE(text);
    const auto archive = make_archive(text);
    const NamedTensors samples[] = {sample_of(2)};
    EXPECT_THROW(import_torchscript(archive, "net.pt", samples), Error);
  }
}

TEST(TorchScriptHostile, ModulesThatContainThemselves) {
  const std::string pickle =
      std::string("\x80\x02") + "c__torch__\nNet\n)\x81q\x01}(X\x01" + std::string(3, '\0') + "a" + "h\x01ub.";
  const auto archive = make_archive(source("return x"), pickle);
  const NamedTensors samples[] = {sample_of(2)};
  EXPECT_THROW(import_torchscript(archive, "net.pt", samples), Corrupt);
}

TEST(TorchScriptHostile, PicklesThatCallSomething) {
  const auto archive = make_archive(source("return x"), "cposix\nsystem\n(S'echo'\ntR.");
  const NamedTensors samples[] = {sample_of(2)};
  try {
    import_torchscript(archive, "net.pt", samples);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Unsupported& error) {
    EXPECT_THAT(error.what(), HasSubstr("posix.system"));
  }
}

}  // namespace
}  // namespace aitune::torchscript
