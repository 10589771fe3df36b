// Sources: what torch.fx generates is read, anything else is refused with its line.

#include <gmock/gmock.h>

#include "base/error.h"
#include "compiler/import/fx/imports.h"
#include "compiler/import/fx/prelude.h"
#include "compiler/import/fx/syntax.h"

namespace aitune::fx {
namespace {

using testing::HasSubstr;

Function forward(const std::string& code) { return parse_source(code, "test.pt", Dialect::generated).at("forward"); }

std::string refusal(const std::string& code) {
  try {
    parse_source(code, "test.pt", Dialect::generated);
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::internal);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown for\n" << code;
  return {};
}

TEST(FxParser, ReadsWhatTorchFxGenerates) {
  const Function made = forward(
      "\n\nwrap(\"helper\")\ntorch.fx._symbolic_trace.wrap(\"math_sqrt\")\n\ndef forward(self, x : torch.Tensor, mask "
      ": typing_Optional[torch.Tensor] = None) -> "
      "typing_List[torch.Tensor]:\n"
      "    # a comment\n"
      "    layer_0 = getattr(self.layer, \"0\")(x);  x = None\n"
      "    add : torch.Tensor = layer_0 + -1.5e-3;  layer_0 = other = None\n"
      "    getitem = add[(slice(None, None, None), 0, Ellipsis)]\n"
      "    add += getitem;  iadd = add\n"
      "    add[0] = 1;  setitem = add\n"
      "    cat = torch.cat([add,\n"
      "        iadd], dim = 1)\n"
      "    return {'a': cat, \"b\": (add,)}\n"
      "    ");
  EXPECT_EQ(made.line, 6);
  ASSERT_EQ(made.parameters.size(), 3U);
  EXPECT_EQ(made.parameters[2].name, "mask");
  ASSERT_TRUE(made.parameters[2].default_value.has_value());
  ASSERT_EQ(made.body.size(), 11U);
  EXPECT_EQ(made.body[0].line, 8);
  EXPECT_EQ(made.body[0].value.kind, ExprKind::call);
  EXPECT_EQ(made.body[3].targets.size(), 2U);
  EXPECT_EQ(made.body[5].kind, StmtKind::augmented);
  EXPECT_EQ(made.body[7].targets[0].kind, ExprKind::subscript);
  EXPECT_EQ(made.body[9].value.keywords, std::vector<std::string>{"dim"});
  EXPECT_EQ(made.body[10].kind, StmtKind::give_back);
}

TEST(FxParser, BindsAsPythonDoes) {
  const Function made = forward("def forward(self, a):\n    return -a ** 2 + 3 * a // 2 == 1\n");
  const Expr& equal = made.body[0].value;
  EXPECT_EQ(equal.text, "==");
  const Expr& sum = equal.items[0];
  EXPECT_EQ(sum.text, "+");
  EXPECT_EQ(sum.items[0].kind, ExprKind::unary);
  EXPECT_EQ(sum.items[0].items[0].text, "**");
  EXPECT_EQ(sum.items[1].text, "//");
}

TEST(FxParser, RefusesOtherPython) {
  EXPECT_THAT(refusal("def forward(self):\n    import os\n"), HasSubstr("test.pt:2"));
  EXPECT_THAT(refusal("import os\ndef forward(self):\n    return 1\n"), HasSubstr("import"));
  for (const char* body : {"if x: return 1", "for i in x: pass", "while True: pass", "lambda: 1", "raise x", "del x",
                           "class A: pass", "with x: pass", "y = [i for i in x]", "y = x if x else 1", "y = lambda: 0",
                           "yield x", "assert x", "global x", "try: pass"}) {
    const std::string message = refusal(std::string("def forward(self, x):\n    ") + body + "\n");
    EXPECT_THAT(message, HasSubstr("test.pt:2")) << body;
  }
  EXPECT_THAT(refusal("def forward(self, *args):\n    return args\n"), HasSubstr("*args"));
}

TEST(FxParser, RefusesDamage) {
  for (const char* code :
       {"def forward(self:\n    return 1\n", "def forward(self)\n    return 1\n", "def", "def forward(self):\n",
        "def forward(self):\n  return (1\n", "def forward(self):\n   a = 'x\n", "def forward(self):\n\ta = 1\n",
        "def forward(self):\n    a = 1\n      b = 2\n", "def forward(self):\n    a = 1 2\n",
        "def forward(self):\n    1 = a\n", "def forward(self):\n    a = f'{x}'\n",
        "def forward(self):\n    a = 99999999999999999999\n", "def forward(self):\n    a = 3jx\n",
        "def forward(self):\n    a = $\n", "def forward(self):\n    f(a=1, 2)\n",
        "def forward(self):\n    a = ''' '''\n", "def f():\n    pass\ndef f():\n    pass\n"})
    refusal(code);
}

TEST(FxParser, LimitsNesting) {
  const auto nested = [](const std::string& open, const std::string& close) {
    std::string code = "def forward(self, x):\n    return ";
    for (int i = 0; i < 100000; ++i) code += open;
    code += "x";
    for (int i = 0; i < 100000; ++i) code += close;
    return code + "\n";
  };
  for (const auto& [open, close] : std::initializer_list<std::pair<const char*, const char*>>{{"(", ")"},
                                                                                              {"[", "]"},
                                                                                              {"-", ""},
                                                                                              {"f(", ")"},
                                                                                              {"not ", ""},
                                                                                              {"", ".a"},
                                                                                              {"", "[0]"},
                                                                                              {"", "()"},
                                                                                              {"", "+x"},
                                                                                              {"2**", ""}})
    EXPECT_THAT(refusal(nested(open, close)), HasSubstr("too deep"));
}

TEST(FxParser, ReadsImports) {
  const auto names = parse_imports(
      "NoneType = type(None)\nfrom builtins import getattr as getattr\nfrom math import inf\nimport torch\n"
      "import torch.fx._pytree as fx_pytree\nfrom torchvision.ops.boxes import nms as nms_1\n\nfrom\nimport");
  EXPECT_EQ(names.at("getattr"), "builtins.getattr");
  EXPECT_EQ(names.at("inf"), "math.inf");
  EXPECT_EQ(names.at("torch"), "torch");
  EXPECT_EQ(names.at("fx_pytree"), "torch.fx._pytree");
  EXPECT_EQ(names.at("nms_1"), "torchvision.ops.boxes.nms");
}

TEST(FxPrelude, Parses) {
  EXPECT_NE(module_forward("Conv2d"), nullptr);
  EXPECT_NE(library_function("interpolate"), nullptr);
  EXPECT_NE(tensor_method("norm"), nullptr);
}

}  // namespace
}  // namespace aitune::fx
