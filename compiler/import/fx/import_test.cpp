// Files: sources and modules become graphs, and files made to be evil are refused at once.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "compiler/import/fx/testing.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"

namespace aitune::fx {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string code(std::string_view body) { return fmt::format("def forward(self, x):\n{}", body); }

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

std::string code_refusal(const std::string& source, std::string_view imports = "import torch") {
  return refusal([&] { import_code(source, {2, 3}, imports); });
}

std::string pickle_refusal(std::string_view pickle) {
  return refusal([&] { import_fx(torch_file(pickle), "evil.pt", one_sample({2, 3})); });
}

std::string text_of(const ImportedModel& model) {
  verify(model.graph, "import");
  return print(model.graph);
}

std::string fixture(const std::string& name) {
  return fmt::format("{}/compiler/import/fx/testdata/{}", AITUNE_SOURCE_DIR, name);
}

void expect_answers(const std::string& file, const std::vector<std::string>& names) {
  NamedTensors stored = read_tensors(fixture("small.npz"));
  const auto find = [&](const std::string& name) {
    return std::ranges::find(stored, name, &NamedTensors::value_type::first)->second;
  };
  ImportedModel model = import_fx(fixture(file), std::vector<NamedTensors>{{{"x", find("x")}}});
  verify(model.graph, "import");
  lower(model.graph);
  const std::vector<Tensor> inputs{find("x")};
  const auto outputs = evaluate(model.graph, inputs);
  ASSERT_EQ(outputs.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_LE(relative_error(outputs[i], find(names[i])), 1e-5) << names[i];
}

TEST(FxImport, FilesOfTorchSave) {
  expect_answers("small.pt", {"logits", "features"});
  expect_answers("small_protocol4.pt", {"logits", "features"});
  expect_answers("nested.pt", {"nested"});
  EXPECT_EQ(fx_inputs(fixture("small.pt")), (std::vector<std::string>{"x", "shift"}));
  EXPECT_TRUE(is_fx_file(fixture("small.pt")));
}

TEST(FxImport, NodesTellTheirModule) {
  const auto sample = NamedTensors{{"x", Tensor(DType::f32, {2, 3, 6, 6})}};
  const ImportedModel model = import_fx(fixture("small.pt"), std::vector<NamedTensors>{sample});
  EXPECT_EQ(model.name, "small");
  EXPECT_EQ(model.graph.output_names, (std::vector<std::string>{"logits", "features"}));
  const SourceLocation& source = model.graph.nodes().front()->source;
  EXPECT_EQ(source.module, "stem.0");
  EXPECT_THAT(source.code, HasSubstr("small.pt:5 in forward"));
}

TEST(FxImport, OperatorsAndSizes) {
  const auto model =
      import_code(code("    size = x.size(0)\n    relu = torch.relu(x);  x = None\n    mul = relu * 2\n"
                       "    view = mul.view(size, -1);  mul = None\n    getitem = view[(slice(None, None, None), 0)]\n"
                       "    return getitem + 1.5\n"));
  EXPECT_THAT(text_of(model), AllOf(HasSubstr("aten.relu.default(%x)"), HasSubstr("aten.view.default(%mul, [2, -1])"),
                                    HasSubstr("aten.select.int(%view, 1, 0)"), HasSubstr("aten.add.Scalar")));
  EXPECT_THAT(model.graph.nodes().front()->source.code, HasSubstr("test.pt:3 in forward"));
}

TEST(FxImport, ComplexNumbersAreConstants) {
  const auto model =
      import_code(code("    mul = x * complex(0.0, 1.0)\n    sub = x - (2-3j) * 1j\n"
                       "    to = x.double() / 1e1j\n    return (mul, sub, to)\n"));
  EXPECT_THAT(text_of(model), AllOf(HasSubstr("c64[] \"scalar_0\""), HasSubstr("c64[] \"scalar_1\""),
                                    HasSubstr("c128[] \"scalar_2\""), HasSubstr("%to_1: c128[2,3]")));
  EXPECT_THAT(code_refusal(code("    return torch.celu(x, 3j)\n")), HasSubstr("the complex number 0+3j"));
  EXPECT_THAT(code_refusal(code("    return x * (1j / 0j)\n")), HasSubstr("complex zero"));
  EXPECT_THAT(code_refusal(code("    return x[1j]\n")), HasSubstr("1j"));
}

TEST(FxImport, SamplesGiveSymbols) {
  const std::string source = "def forward(self, x, y):\n    return x + y.sum(1, keepdim = True)\n";
  const auto sample = [](std::int64_t batch, std::int64_t length) {
    return NamedTensors{{"x", Tensor(DType::f32, {batch, 3})}, {"1", Tensor(DType::f32, {batch, length})}};
  };
  const auto samples = std::vector{sample(2, 5), sample(4, 9), sample(3, 5)};
  const auto model = import_fx(torch_file(graph_module(source)), "test.pt", samples);
  EXPECT_THAT(text_of(model), HasSubstr("%x: f32[s0,3], %y: f32[s0,s1]"));
  EXPECT_EQ(model.graph.symbols.at("s0"), (SymRange{2, 4}));
  EXPECT_EQ(model.graph.symbols.at("s1"), (SymRange{5, 9}));
}

TEST(FxImport, SamplesMustFit) {
  const auto file = torch_file(graph_module("def forward(self, x, y = None):\n    return x\n"));
  const auto say = [&](const std::vector<NamedTensors>& samples) {
    return refusal([&] { import_fx(file, "test.pt", samples); });
  };
  const Tensor f32(DType::f32, {2}), i64(DType::i64, {2}), matrix(DType::f32, {2, 2});
  EXPECT_THAT(say({}), HasSubstr("at least one sample"));
  EXPECT_THAT(say({{{"z", f32}}}), AllOf(HasSubstr("no input 'z'"), HasSubstr("x, y")));
  EXPECT_THAT(say({{{"y", f32}}}), HasSubstr("lack the input 'x'"));
  EXPECT_THAT(say({{{"x", f32}}, {{"x", i64}}}), HasSubstr("input 'x'"));
  EXPECT_THAT(say({{{"x", f32}}, {{"x", matrix}}}), HasSubstr("f32[2,2]"));
  EXPECT_THAT(say({{{"x", f32}, {"y", f32}}, {{"x", f32}}}), HasSubstr("1 of 2 samples"));
}

std::string linear(std::string_view extra = {}) {
  return pickled_module("torch.nn.modules.linear", "Linear",
                        pickled_text("_parameters") +
                            pickled_dict(pickled_text("weight") + pickled_tensor({4, 3}) + pickled_text("bias") + "N") +
                            std::string(extra));
}

std::string with_child(std::string_view child) {
  return pickled_text("_modules") + pickled_dict(pickled_text("fc") + std::string(child));
}

ImportedModel import_child(std::string_view child, Shape shape = {2, 3}) {
  const auto file =
      torch_file(graph_module(code("    fc = self.fc(x)\n    return fc\n"), "import torch", with_child(child)));
  return import_fx(file, "test.pt", one_sample(std::move(shape)));
}

TEST(FxImport, Modules) {
  const auto model = import_child(linear());
  EXPECT_THAT(text_of(model), HasSubstr("aten.linear.default(%x, %fc.weight, None) # fc"));
  EXPECT_EQ(model.graph.weights.front()->weight_name, "fc.weight");
  const std::vector<Tensor> inputs{Tensor(DType::f32, {2, 3})};
  EXPECT_EQ(evaluate(model.graph, inputs).front().shape(), (Shape{2, 4}));
}

TEST(FxImport, SaysWhatAModuleIs) {
  EXPECT_THAT(refusal([&] { import_child(linear(), {2, 5}); }), AllOf(HasSubstr("module fc"), HasSubstr("test.pt:2")));
  EXPECT_THAT(refusal([&] { import_child(pickled_module("torch.nn.modules.loss", "CrossEntropyLoss", "")); }),
              AllOf(HasSubstr("fc"), HasSubstr("CrossEntropyLoss")));
  const std::string hooks = pickled_text("_forward_hooks") + pickled_dict(pickled_integer(1) + "N");
  EXPECT_THAT(refusal([&] { import_child(linear(hooks)); }), HasSubstr("hooks"));
  const std::string norm =
      pickled_module("torch.nn.modules.batchnorm", "BatchNorm1d", pickled_text("training") + "\x88");
  EXPECT_THAT(refusal([&] { import_child(norm); }), HasSubstr("training mode"));
  const std::string dropout =
      pickled_module("torch.nn.modules.dropout", "Dropout",
                     pickled_text("training") + "\x88" + pickled_text("p") + "G?\xe0" + std::string(6, '\0'));
  EXPECT_THAT(import_child(dropout).warnings, testing::ElementsAre(HasSubstr("fc: dropout in training mode")));
  EXPECT_THAT(refusal([&] { import_child(pickled_module("torch.nn.modules.linear", "Linear", "")); }),
              HasSubstr("has no attribute weight"));
}

TEST(FxImport, NumbersThatDataDecide) {
  const auto text = [](std::string_view lines) { return text_of(import_code(code(std::string(lines)))); };
  EXPECT_THAT(text("    return x * x.sum().item()\n"), HasSubstr("aten.mul.Tensor(%x, %to"));
  EXPECT_THAT(text("    return x[:x.to(torch.int64).sum().item()]\n"), HasSubstr("aten.item.default"));
  EXPECT_THAT(code_refusal(code("    return x.item()\n")), HasSubstr("item() of f32[2,3]"));
}

TEST(FxImport, ConstantsOfTracingAreFilledAnew) {
  const std::string constant =
      pickled_text("_buffers") + pickled_dict(pickled_text("_tensor_constant0") + pickled_tensor({2, 3}));
  const auto model = import_fx(torch_file(graph_module("def forward(self, x):\n    c = self._tensor_constant0\n"
                                                       "    y = c.add_(x)\n    return c + 0\n",
                                                       "import torch", constant)),
                               "test.pt", one_sample({2, 3}));
  EXPECT_THAT(text_of(model), HasSubstr("aten.clone.default(%_tensor_constant0"));
  EXPECT_THAT(model.warnings, testing::ElementsAre(HasSubstr("_tensor_constant0")));
  // What is no constant of tracing's is state.
  const std::string buffer = pickled_text("_buffers") + pickled_dict(pickled_text("w") + pickled_tensor({2, 3}));
  const auto state = import_fx(
      torch_file(graph_module("def forward(self, x):\n    return self.w.add_(x) + 0\n", "import torch", buffer)),
      "test.pt", one_sample({2, 3}));
  ASSERT_EQ(state.written.size(), 1u);
  EXPECT_EQ(state.written.front().buffer, "w");
}

TEST(FxImport, SaysWhereCustomOperatorsBelong) {
  EXPECT_THAT(code_refusal(code("    return torch.ops.mylib.myop(x)\n")), HasSubstr("custom_ops=LIBRARY"));
  EXPECT_THAT(refusal([&] { import_child(pickled_module("my.model", "Block", pickled_text("_modules") + "}")); }),
              HasSubstr("the module fc is a my.model.Block"));
  // A class of the same name as one of torch.nn's is another one.
  EXPECT_THAT(refusal([&] { import_child(pickled_module("my.model", "Identity", pickled_text("_modules") + "}")); }),
              HasSubstr("my.model.Identity"));
}

TEST(FxImport, RefusesCalls) {
  EXPECT_THAT(pickle_refusal("\x80\x02"
                             "cos\nsystem\n(" +
                             pickled_text("true") + "tR."),
              HasSubstr("os.system"));
  EXPECT_THAT(pickle_refusal("\x80\x02"
                             "cmy.model\nNet\n)\x81}b."),
              HasSubstr("my.model.Net"));
  // A class of torch.nn may stand for an object, but not be called.
  EXPECT_THAT(pickle_refusal("\x80\x02"
                             "ctorch.nn.modules.linear\nLinear\n)R."),
              HasSubstr("wants to call"));
  EXPECT_THAT(pickle_refusal("\x80\x02"
                             "ctorch.nn.modules.linear\nLinear\n)\x81}b."),
              HasSubstr("not a torch.fx GraphModule"));
  for (const char* imports :
       {"from os import system as f", "from builtins import eval as f", "from subprocess import run as f"})
    EXPECT_THAT(code_refusal(code("    return f(x)\n"), imports), HasSubstr("does not know"));
  EXPECT_THAT(code_refusal(code("    return torch.load(x)\n")), HasSubstr("torch.load"));
  EXPECT_THAT(code_refusal(code("    return torch.hub.load(x)\n")), HasSubstr("torch.hub.load"));
  EXPECT_THAT(code_refusal(code("    return x.numpy()\n")), HasSubstr("data"));
}

TEST(FxImport, RefusesNamesOfOurOwn) {
  EXPECT_THAT(code_refusal(code("    return padded(self, x)\n")), HasSubstr("not defined"));
  EXPECT_THAT(code_refusal(code("    return aten.relu(x)\n")), HasSubstr("not defined"));
  EXPECT_THAT(code_refusal(code("    return f(self, x)\n"), "from prelude import padded as f"), HasSubstr("prelude"));
  EXPECT_THAT(code_refusal(code("    return aitune.warn('x')\n"), "import aitune"), HasSubstr("aitune"));
}

TEST(FxImport, CollidingNames) {
  const auto model = import_code(
      "def forward(self, x, torch_1 = None):\n    relu = torch.relu(x)\n    relu = relu + relu\n"
      "    torch_1 = relu.sum()\n    return (relu, relu, torch_1)\n");
  EXPECT_THAT(text_of(model), HasSubstr("%relu_1"));
  EXPECT_THAT(model.graph.output_names, testing::ElementsAre("relu_1", "relu_1_1", "torch_1"));
}

TEST(FxImport, EvilSources) {
  const auto repeat = [](std::string_view line, int count) {
    std::string body = "    a = x\n";
    for (int i = 0; i < count; ++i) body += line;
    return code(body + "    return a\n");
  };
  EXPECT_THAT(code_refusal(repeat("    a = (a, a)\n", 100)), HasSubstr("million"));
  EXPECT_THAT(code_refusal(repeat("    a = [a]\n", 1000)), HasSubstr("nested too deep"));
  EXPECT_THAT(code_refusal(code("    a = 9\n") + "    b = a ** 99 ** 99\n    return x\n"), HasSubstr("integer"));
  EXPECT_THAT(code_refusal(code("    a = 1 << 4000000000\n    return x\n")), HasSubstr("64 bits"));
  EXPECT_THAT(code_refusal(code("    a = [0] * 9000000000\n    return x\n")), HasSubstr("too long"));
  EXPECT_THAT(code_refusal(code("    a = range(9000000000)\n    return x\n")), HasSubstr("range"));
  EXPECT_THAT(code_refusal(code("    a = 1 // 0\n    return x\n")), HasSubstr("zero"));
  EXPECT_THAT(code_refusal(code("    a = torch.zeros(99999999, 99999999, 99999999)\n    return a\n")),
              HasSubstr("63 bits"));
  EXPECT_THAT(code_refusal(code("    a = torch.zeros(9999999, 9999999)\n    return a\n")),
              HasSubstr("99999980000001 elements"));
  EXPECT_THAT(code_refusal(code("    a = x.expand(9999999, 2, 3).unbind(0)\n    return a\n")), HasSubstr("too many"));
  EXPECT_THAT(code_refusal(code("    return self.forward\n")), HasSubstr("no attribute forward"));
  EXPECT_THAT(code_refusal(code("    return self(x)\n")), HasSubstr("too deep"));
  EXPECT_THAT(code_refusal(code("    return None\n")), HasSubstr("no tensor"));
  EXPECT_THAT(code_refusal(code("    return y\n")), HasSubstr("not defined"));
  EXPECT_THAT(code_refusal("def backward(self, x):\n    return x\n"), HasSubstr("no function forward"));
}

TEST(FxImport, EvilPickles) {
  // A GraphModule whose module contains it: a cycle.
  EXPECT_THAT(pickle_refusal("\x80\x02"
                             "ctorch.fx.graph_module\nreduce_graph_module\n(}q\x01" +
                             pickled_text("_modules") + "h\x01s" + pickled_text("") + "tR."),
              HasSubstr("contains itself"));
  std::string deep = "\x80\x02";
  for (int i = 0; i < 100000; ++i) deep += ']';
  for (int i = 0; i < 99999; ++i) deep += 'a';
  EXPECT_THAT(pickle_refusal(deep + "."), HasSubstr("too deep"));
  EXPECT_THAT(pickle_refusal("\x80\x02X\xff\xff\xff\x7f."), HasSubstr("damaged"));
  EXPECT_THAT(pickle_refusal(graph_module(
                  "def forward(self, x):\n    return x + self.w\n", "import torch",
                  pickled_text("_buffers") + pickled_dict(pickled_text("w") + pickled_tensor({1000, 1000})))),
              HasSubstr("outside of its storage"));
  EXPECT_THAT(pickle_refusal("\x80\x02"
                             "ctorch.fx.graph_module\nreduce_graph_module\n(}" +
                             pickled_text("") + "tR."),
              HasSubstr("without its source"));
}

}  // namespace
}  // namespace aitune::fx
