// Programs as JSON: small ones written here, changed in every way that should be refused.

#include "compiler/import/dynamo/program.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "compiler/import/dynamo/testing.h"
#include "compiler/ops/size_facts.h"

namespace aitune::dynamo {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json small() { return json::parse(small_program()); }

Graph import_json(const json& program) {
  const std::string text = program.dump();
  const auto document = parse_json(text, "test.json");
  return import_program(JsonView(*document, "test.json"), fake_tensors());
}

std::string error_of(const json& program, ErrorCode expected) {
  try {
    import_json(program);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), expected) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(Program, BecomesAGraph) {
  const Graph graph = import_json(small());
  verify(graph);
  EXPECT_EQ(graph.inputs.at(0)->type, (TensorType{DType::f32, {SymInt::symbol("s0"), 3}}));
  EXPECT_EQ(graph.symbols.at("s0"), (SymRange{1, 16}));
  EXPECT_EQ(graph.weights.at(0)->weight_name, "scale");
  EXPECT_EQ(graph.output_names, std::vector<std::string>{"view"});
  EXPECT_EQ(graph.outputs.at(0)->type.shape, SymShape{SymInt::symbol("s0") * 3});
  const Node& add = *graph.nodes().front();
  EXPECT_EQ(add.op_name(), "aten.add.Tensor");
  EXPECT_EQ(add.args.size(), 3u);
  EXPECT_EQ(add.source.module, "layer1.0");
  EXPECT_EQ(add.source.code, "model.py:7 in forward: return f(x) + w");
}

// A functional program says what its buffers and inputs hold afterwards, in front of its results.
TEST(Program, DeclaredWritesBecomeCopies) {
  json program = small();
  auto& outputs = program["/graph_module/signature/output_specs"_json_pointer];
  outputs.insert(outputs.begin(),
                 json{{"user_input_mutation", {{"arg", {{"name", "add"}}}, {"user_input_name", "x"}}}});
  const Graph graph = import_json(program);
  const Node& copy = *graph.nodes().back();
  EXPECT_EQ(copy.op_name(), "aten.copy_.default");
  EXPECT_EQ(copy.args.at(0).value(), graph.inputs.at(0));
  EXPECT_EQ(copy.args.at(1).value()->name, "add");
  EXPECT_EQ(graph.output_names, std::vector<std::string>{"view"});
}

// torch.export.Dim.DYNAMIC of an int: a tensor without dimensions, whose value is a size.
TEST(Program, NumbersThatMoveAreInputs) {
  json program = small();
  auto& inputs = program["/graph_module/signature/input_specs"_json_pointer];
  inputs.push_back(json{{"user_input", {{"arg", {{"as_sym_int", {{"as_name", "n"}}}}}}}});
  inputs.push_back(json{{"user_input", {{"arg", {{"as_sym_float", {{"as_name", "f"}}}}}}}});
  program["/graph_module/graph/sym_int_values/n"_json_pointer] = {{"as_expr", {{"expr_str", "s7"}, {"hint", nullptr}}}};
  program["/range_constraints/s7"_json_pointer] = {{"min_val", 2}, {"max_val", 9}};
  const Graph graph = import_json(program);
  verify(graph);
  ASSERT_EQ(graph.inputs.size(), 3U);
  EXPECT_EQ(graph.inputs[1]->type, (TensorType{DType::i64, {}}));
  EXPECT_EQ(graph.inputs[2]->type, (TensorType{DType::f64, {}}));
  EXPECT_EQ(graph.nodes().front()->op_name(), "aten.item.default");
  EXPECT_EQ(graph.nodes().front()->args.at(0).value(), graph.inputs[1]);
}

// The runtime checks what nobody can prove.
TEST(Program, AViewThatMayNotFitIsAFactOfTheSizes) {
  json program = small();
  program["/graph_module/graph/nodes/5/inputs/1/arg"_json_pointer] = json{{"as_ints", {9}}};
  const auto facts = size_facts(import_json(program));
  EXPECT_THAT(facts, testing::Contains(testing::ResultOf([](const SizeFact& f) { return to_string(f); }, "9 == 3*s0")));
}

TEST(Program, GeneratedCodeIsNotTheUsersLine) {
  json program = small();
  auto& trace = program["/graph_module/graph/nodes/0/metadata/stack_trace"_json_pointer];
  trace = trace.get<std::string>() + "\n  File \"<eval_with_key>.17\", line 9, in forward\n    cond = f(x)";
  EXPECT_EQ(import_json(program).nodes().front()->source.code, "model.py:7 in forward: return f(x) + w");
}

TEST(Program, NumbersForTensorsTakeTheScalarOverload) {
  json program = small();
  program["/graph_module/graph/nodes/0/inputs/1/arg"_json_pointer] = {{"as_float", 2.5}};
  const Graph graph = import_json(program);
  EXPECT_EQ(graph.nodes().front()->op_name(), "aten.add.Scalar");
  EXPECT_EQ(graph.nodes().front()->args.at(1).number(), 2.5);
}

TEST(Program, InfinityAndNanAreNumbers) {
  json program = small();
  program["/graph_module/graph/nodes/0/inputs/1/arg"_json_pointer] = {{"as_float", "-Infinity"}};
  EXPECT_EQ(import_json(program).nodes().front()->args.at(1).number(), -std::numeric_limits<double>::infinity());
}

TEST(Program, NumbersThatJsonDoesNotHaveAreReadOutsideOfStrings) {
  const auto document =
      parse_json(R"json({"a": Infinity, "b": [-Infinity, NaN, -1], "c": "Infinity, \"NaN", "d": "\\"})json", "file");
  EXPECT_EQ(
      *document,
      json::parse(R"json({"a": "Infinity", "b": ["-Infinity", "NaN", -1], "c": "Infinity, \"NaN", "d": "\\"})json"));
  EXPECT_THROW(parse_json(R"({"a": Infinite})", "file"), Corrupt);
}

TEST(Program, SizesFollowFromShapesNotFromTheFilesWord) {
  json program = small();
  program["/graph_module/graph/sym_int_values/mul/as_expr/expr_str"_json_pointer] = "7";
  EXPECT_EQ(import_json(program).outputs.at(0)->type.shape, SymShape{SymInt::symbol("s0") * 3});
}

TEST(Program, RangesMayBeOpen) {
  for (const json& open : {json(nullptr), json("Infinity"), json(9.3e18)}) {
    json program = small();
    program["/range_constraints/s0/max_val"_json_pointer] = open;
    EXPECT_EQ(import_json(program).symbols.at("s0"), (SymRange{1, SymRange::kNoMax})) << open;
  }
}

TEST(Program, RegionsWithoutGradientsAreInlined) {
  json program = small();
  auto& nodes = program["/graph_module/graph/nodes"_json_pointer];
  json inner = program["/graph_module/graph"_json_pointer];
  inner["inputs"] = {{{"as_tensor", {{"name", "x"}}}}, {{"as_tensor", {{"name", "w"}}}}};
  inner["outputs"] = {{{"as_tensor", {{"name", "add"}}}}};
  inner["nodes"] = json::array({nodes[0]});
  nodes[0] = {{"target", "torch.ops.higher_order.wrap_with_set_grad_enabled"},
              {"inputs",
               {{{"name", ""}, {"arg", {{"as_bool", false}}}},
                {{"name", ""}, {"arg", {{"as_graph", {{"name", "submod"}, {"graph", inner}}}}}},
                {{"name", ""}, {"arg", {{"as_tensor", {{"name", "x"}}}}}},
                {{"name", ""}, {"arg", {{"as_tensor", {{"name", "w"}}}}}}}},
              {"outputs", {{{"as_tensor", {{"name", "add"}}}}}},
              {"metadata", json::object()}};
  EXPECT_EQ(print(import_json(program)), print(import_json(small())));
}

struct Case {
  std::string name, pointer;
  std::optional<json> value;  // none: the key is removed
  ErrorCode code;
  std::string message;
};

class Refused : public testing::TestWithParam<Case> {};

TEST_P(Refused, WithPlaceAndReason) {
  const Case& c = GetParam();
  json program = small();
  const json::json_pointer pointer(c.pointer);
  if (c.value)
    program[pointer] = *c.value;
  else if (program[pointer.parent_pointer()].is_object())
    program[pointer.parent_pointer()].erase(pointer.back());
  EXPECT_THAT(error_of(program, c.code), testing::AllOf(HasSubstr(c.message), HasSubstr("test.json")));
}

const std::string kGraph = "/graph_module/graph", kNode = kGraph + "/nodes/0", kSignature = "/graph_module/signature";

INSTANTIATE_TEST_SUITE_P(
    Program, Refused,
    testing::Values(
        Case{"NewerSchema", "/schema_version/major", 9, ErrorCode::incompatible, "schema version 9"},
        Case{"OlderSchema", "/schema_version/major", 5, ErrorCode::incompatible, "PyTorch 2.5 or newer"},
        Case{"NoGraph", kGraph, {}, ErrorCode::corrupt, "the key \"graph\" is missing"},
        Case{"NodesNoList", kGraph + "/nodes", 3, ErrorCode::corrupt, "graph_module.graph.nodes"},
        Case{"UsedBeforeDefined", kNode + "/inputs/0/arg/as_tensor/name", "view", ErrorCode::corrupt,
             "graph_module.graph.nodes[0].inputs[0].arg.as_tensor.name: \"view\" is used here but no tensor"},
        Case{"DefinedTwice", kNode + "/outputs/0/as_tensor/name", "x", ErrorCode::corrupt, "a second time"},
        Case{"UnknownOperator", kNode + "/target", "torch.ops.mine.frobnicate.default", ErrorCode::unsupported,
             "mine.frobnicate.default (1 time)\n    at model.py:7 in forward"},
        Case{"UnknownHigherOrder", kNode + "/target", "torch.ops.higher_order.flex_attention", ErrorCode::unsupported,
             "higher_order.flex_attention"},
        Case{"ScanWithoutGraph", kNode + "/target", "torch.ops.higher_order.scan", ErrorCode::corrupt,
             "without its graph"},
        Case{"ControlFlowWithoutGraphs", kNode + "/target", "torch.ops.higher_order.cond", ErrorCode::corrupt,
             "without its graphs"},
        Case{"LoopWithoutGraphs", kNode + "/target", "torch.ops.higher_order.while_loop", ErrorCode::corrupt,
             "without its graphs"},
        Case{"UnknownArgument", kNode + "/inputs/1/name", "another", ErrorCode::corrupt, "another"},
        Case{"WrongKind", kNode + "/inputs/1/arg", json{{"as_string", "x"}}, ErrorCode::corrupt, "argument other"},
        Case{"ForeignKind", kNode + "/inputs/1/arg", json{{"as_custom_obj", json::object()}}, ErrorCode::unsupported,
             "as_custom_obj"},
        Case{"HalfAComplexNumber", kNode + "/inputs/1/arg", json{{"as_complex", {{"real", 1}}}}, ErrorCode::corrupt,
             "imag"},
        Case{"NoKind", kNode + "/inputs/1/arg", json{{"as_nonsense", 1}}, ErrorCode::corrupt, "as_nonsense"},
        Case{"TwoKinds", kNode + "/inputs/1/arg", json{{"as_int", 1}, {"as_float", 1.0}}, ErrorCode::corrupt,
             "exactly one key"},
        Case{"HugeNumber", kNode + "/inputs/1/arg", json{{"as_int", 18446744073709551615ull}}, ErrorCode::corrupt,
             "does not fit 64 bits"},
        Case{"FractionForInt", kNode + "/inputs/1/arg", json{{"as_int", 1.5}}, ErrorCode::corrupt, "whole number"},
        Case{"ShapesContradict", kGraph + "/tensor_values/w/sizes/0", json{{"as_int", 7}}, ErrorCode::corrupt,
             "nodes[0]"},
        Case{"ResultContradicts", kGraph + "/tensor_values/add/dtype", 5, ErrorCode::corrupt, "tensor_values says"},
        Case{"NoSuchDtype", kGraph + "/tensor_values/x/dtype", 99, ErrorCode::unsupported, "dtype"},
        Case{"NegativeSize", kGraph + "/tensor_values/w/sizes/0", json{{"as_int", -1}}, ErrorCode::corrupt,
             "negative size"},
        Case{"Sparse", kGraph + "/tensor_values/x/layout", 1, ErrorCode::unsupported, "sparse"},
        Case{"BadExpression", kGraph + "/tensor_values/x/sizes/0/as_expr/expr_str", "Add(", ErrorCode::corrupt,
             "expr_str"},
        Case{"SymbolFromNowhere", kGraph + "/tensor_values/x/sizes/0/as_expr/expr_str", "FloorDiv(s0, 2)",
             ErrorCode::unsupported, "s0 is not the size of an input dimension"},
        Case{"SizeContradicts", kGraph + "/nodes/2",
             json{{"target", "_operator.mul"},
                  {"inputs", {{{"name", "a"}, {"arg", {{"as_int", 2}}}}, {{"name", "b"}, {"arg", {{"as_int", 3}}}}}},
                  {"outputs", {{{"as_sym_int", {{"as_name", "seven"}}}}}}},
             ErrorCode::corrupt, "a size of 6 that sym_int_values says is 7"},
        Case{"EmptyRange", "/range_constraints/s0/min_val", 99, ErrorCode::corrupt, "empty range"},
        Case{"NoWeight", kSignature + "/input_specs/0/buffer/buffer_name", "missing", ErrorCode::corrupt,
             "holds no tensor \"missing\""},
        Case{"InputNoTensor", kSignature + "/input_specs/1/user_input/arg", json{{"as_graph", {{"name", "x"}}}},
             ErrorCode::unsupported, "as_graph"},
        Case{"CustomObject", kSignature + "/input_specs/1", json{{"custom_obj", json::object()}},
             ErrorCode::unsupported, "custom_obj"},
        Case{"OutputNoTensor", kSignature + "/output_specs/0/user_output/arg", json{{"as_string", "x"}},
             ErrorCode::unsupported, "as_string"},
        Case{"OutputsAreNone", kSignature + "/output_specs/0/user_output/arg", json{{"as_none", true}},
             ErrorCode::unsupported, "without outputs"},
        Case{"NoOutputs", kSignature + "/output_specs", json::array(), ErrorCode::unsupported, "without outputs"},
        Case{"MutatedBuffer", kSignature + "/output_specs/0",
             json{{"buffer_mutation", {{"arg", {{"name", "add"}}}, {"buffer_name", "bn.mean"}}}}, ErrorCode::corrupt,
             "there is no buffer \"bn.mean\""},
        Case{"MutatedByAnotherType", kSignature + "/output_specs/0",
             json{{"user_input_mutation", {{"arg", {{"name", "w"}}}, {"user_input_name", "x"}}}}, ErrorCode::corrupt,
             "is written to f32[s0,3]"}),
    [](const auto& chosen) { return chosen.param.name; });

TEST(Program, ListsAllUnknownOperatorsAtOnce) {
  json program = small();
  auto& nodes = program["/graph_module/graph/nodes"_json_pointer];
  json extra = nodes[0];
  extra["target"] = "torch.ops.mine.second.default";
  nodes.insert(nodes.begin(), {extra, extra, extra});
  nodes[3]["target"] = "torch.ops.mine.first.default";
  const std::string message = error_of(program, ErrorCode::unsupported);
  EXPECT_THAT(message, HasSubstr("2 operators are not supported"));
  EXPECT_THAT(message, HasSubstr("mine.second.default (3 times)"));
  EXPECT_THAT(message, HasSubstr("mine.first.default (1 time)"));
}

TEST(Program, UnknownOperatorsAndCallsAreTheSameReport) {
  json program = small();
  auto& nodes = program["/graph_module/graph/nodes"_json_pointer];
  const auto another = [&](std::string_view target, int i) {
    json node = nodes[0];
    node["target"] = target;
    node["outputs"][0]["as_tensor"]["name"] = fmt::format("another_{}", i);
    program["/graph_module/graph/tensor_values"_json_pointer][fmt::format("another_{}", i)] =
        program["/graph_module/graph/tensor_values/add"_json_pointer];
    return node;
  };
  json cond = another("torch.ops.higher_order.flex_attention", 0), custom = another("torch.ops.mine.op.default", 1);
  json branch = {{"nodes", {another("torch.ops.aten._standard_gamma.default", 2)}}};
  cond["inputs"].push_back({{"name", "true_graph"}, {"arg", {{"as_graph", {{"name", "t"}, {"graph", branch}}}}}});
  json complex = another("torch.ops.aten.celu.default", 3);
  complex["inputs"].erase(1);
  complex["inputs"].push_back({{"name", "alpha"}, {"arg", {{"as_complex", {{"real", 1}, {"imag", 0}}}}}});
  nodes.insert(nodes.begin(), {complex, cond, custom});
  const std::string message = error_of(program, ErrorCode::unsupported);
  EXPECT_THAT(message, HasSubstr("4 operators are not supported"));
  EXPECT_THAT(message,
              HasSubstr("higher_order.flex_attention (1 time)\n    at model.py:7 in forward: return f(x) + w"));
  EXPECT_THAT(message, HasSubstr("aten._standard_gamma.default (1 time)"));
  EXPECT_THAT(message, HasSubstr("mine.op.default (1 time)"));
  EXPECT_THAT(message, HasSubstr("aten.celu.default: its argument alpha is a complex number"));
  EXPECT_THAT(message, HasSubstr("take control flow out of the model"));
  EXPECT_THAT(message, HasSubstr("name the library that has the custom operator"));
}

/// The program's first node as a cond of a bool input with two graphs that negate or keep their operand.
json with_cond() {
  json program = small();
  json& graph = program["/graph_module/graph"_json_pointer];
  json& values = graph["tensor_values"];
  json& node = graph["nodes"][0];
  const json x = graph["nodes"][0]["inputs"][0]["arg"];
  json flag = values["x"];
  flag["dtype"] = 12;
  flag["sizes"] = flag["strides"] = json::array();
  values["flag"] = flag;
  graph["inputs"].push_back({{"as_tensor", {{"name", "flag"}}}});
  program["/graph_module/signature/input_specs"_json_pointer].push_back(
      {{"user_input", {{"arg", {{"as_tensor", {{"name", "flag"}}}}}}}});
  const auto branch = [&](std::string_view target) {
    json inner = {{"inputs", {{{"as_tensor", {{"name", "a"}}}}}},
                  {"outputs", {{{"as_tensor", {{"name", "b"}}}}}},
                  {"tensor_values", {{"a", values["x"]}, {"b", values["x"]}}},
                  {"nodes",
                   {{{"target", target},
                     {"inputs", {{{"name", "self"}, {"arg", {{"as_tensor", {{"name", "a"}}}}}, {"kind", 1}}}},
                     {"outputs", {{{"as_tensor", {{"name", "b"}}}}}},
                     {"metadata", json::object()}}}}};
    return json{{"as_graph", {{"name", "g"}, {"graph", inner}}}};
  };
  node["target"] = "torch.ops.higher_order.cond";
  node["inputs"] = json::array();
  for (const json& argument : {json{{"as_tensor", {{"name", "flag"}}}}, branch("torch.ops.aten.neg.default"),
                               branch("torch.ops.aten.relu.default"), json{{"as_tensors", {x["as_tensor"]}}}})
    node["inputs"].push_back({{"name", ""}, {"arg", argument}, {"kind", 1}});
  return program;
}

TEST(Program, CondBecomesANodeWithRegions) {
  const std::string text = print(import_json(with_cond()));
  EXPECT_THAT(text, HasSubstr("higher_order.cond.default(%flag, [%x])"));
  EXPECT_THAT(text, HasSubstr("aten.neg.default(%a)"));
  EXPECT_THAT(text, HasSubstr("aten.relu.default(%a)"));
}

TEST(Program, CondsThatDoNotFitAreRefused) {
  const auto changed = [](std::string_view path, json value, ErrorCode code) {
    json program = with_cond();
    program[json::json_pointer("/graph_module/graph/nodes/0" + std::string(path))] = std::move(value);
    return error_of(program, code);
  };
  EXPECT_THAT(changed("/inputs/0/arg", {{"as_bool", true}}, ErrorCode::unsupported),
              HasSubstr("neither a tensor nor a comparison of sizes"));
  EXPECT_THAT(changed("/inputs/0/arg/as_tensor/name", "x", ErrorCode::unsupported), HasSubstr("not one bool"));
  EXPECT_THAT(changed("/inputs/3/arg/as_tensors", json::array(), ErrorCode::corrupt),
              HasSubstr("a graph with 1 inputs is given 0 operands"));
  EXPECT_THAT(changed("/inputs/3/arg", {{"as_ints", {1}}}, ErrorCode::corrupt),
              HasSubstr("takes a tensor and is given a number"));
  EXPECT_THAT(changed("/inputs/3/arg", {{"as_floats", {1.5}}}, ErrorCode::unsupported),
              HasSubstr("operands of control flow of the kind as_floats"));
  EXPECT_THAT(
      changed("/inputs/2/arg/as_graph/graph/inputs/0", {{"as_sym_int", {{"as_name", "a"}}}}, ErrorCode::corrupt),
      HasSubstr("takes a number and is given a tensor"));
  EXPECT_THAT(changed("/inputs/2/arg/as_graph/graph/outputs/0", {{"as_int", 1}}, ErrorCode::unsupported),
              HasSubstr("in the other"));
  EXPECT_THAT(changed("/inputs/2/arg/as_graph/graph/outputs", json::array(), ErrorCode::unsupported),
              HasSubstr("there are 1 results in one branch and 0 in the other"));
  EXPECT_THAT(
      changed("/inputs/2/arg/as_graph/graph/nodes/0/target", "torch.ops.aten.isnan.default", ErrorCode::corrupt),
      HasSubstr("the operator gives bool"));
  EXPECT_THAT(changed("/inputs/2/arg/as_graph/graph/outputs/0/as_tensor/name", "x", ErrorCode::corrupt),
              HasSubstr("no tensor of that name is defined"));
  EXPECT_THAT(changed("/outputs", json::array(), ErrorCode::corrupt), HasSubstr("gives 0 results here, its graphs 1"));
}

TEST(Program, TerminalSequencesDoNotReachMessages) {
  json program = small();
  program["/graph_module/graph/nodes/0/target"_json_pointer] = "torch.ops.\x1b[31mred\nline";
  const std::string message = error_of(program, ErrorCode::unsupported);
  EXPECT_THAT(message, testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(message, HasSubstr("red?line"));
}

// Every value of the JSON, replaced by each of these, is an Error or a valid graph: never a crash, never our own bug.
TEST(Program, AnyValueMayBeWrong) {
  const std::vector<json> replacements = {nullptr,
                                          true,
                                          -1,
                                          0,
                                          7,
                                          INT64_MIN,
                                          INT64_MAX,
                                          1e300,
                                          "",
                                          "x",
                                          "Infinity",
                                          json::array(),
                                          json::object(),
                                          json::array({1}),
                                          json{{"as_int", INT64_MAX}},
                                          json{{"as_none", true}},
                                          json{{"name", "x"}},
                                          "s0 + 1"};
  const json original = small(), leaves = original.flatten();
  std::size_t imported = 0, refused = 0;
  for (const auto& [pointer, leaf] : leaves.items()) {
    for (json::json_pointer at(pointer); !at.empty(); at.pop_back()) {
      for (const json& value : replacements) {
        json program = original;
        program[at] = value;
        try {
          verify(import_json(program));
          ++imported;
        } catch (const Error& error) {
          EXPECT_NE(error.code(), ErrorCode::internal) << at << " = " << value << ": " << error.what();
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(imported, 100u);
  EXPECT_GT(refused, 1000u);
}

TEST(Json, IsLimited) {
  EXPECT_THROW(parse_json(std::string(100'000, '['), "x"), Error);
  EXPECT_THROW(parse_json("[[[]]]", "x", {.depth = 2}), Unsupported);
  EXPECT_THROW(parse_json("[1,2,3,4]", "x", {.values = 3}), Unsupported);
  EXPECT_THROW(parse_json("[1,2,3,4]", "x", {.bytes = 3}), Unsupported);
  EXPECT_THROW(parse_json("", "x"), Corrupt);
  EXPECT_THROW(parse_json("{\"a\": \"\xff\"}", "x"), Corrupt);
  EXPECT_THROW(parse_json("{} {}", "x"), Corrupt);
}

}  // namespace
}  // namespace aitune::dynamo
