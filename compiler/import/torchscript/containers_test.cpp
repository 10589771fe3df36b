// Lists and dicts, and what happens to them where data decide.

#include <gmock/gmock.h>

#include "compiler/import/torchscript/source_testing.h"

namespace aitune::torchscript {
namespace {

using testing::HasSubstr;

constexpr std::string_view kIfPositive = "if bool(torch.gt(torch.sum(x), 0)):\n";

TEST(TorchScriptContainers, Lists) {
  EXPECT_EQ(number_of("a = [5, 3, 4, 3]\ntorch.remove(a, 3)\nn = torch.len(a)"), "3");
  EXPECT_EQ(number_of("a = [5, 3, 4, 3]\ntorch.remove(a, 3)\nn = a[1]"), "4");
  EXPECT_EQ(number_of("n = torch.index([5, 3, 4, 3], 3)"), "1");
  EXPECT_EQ(number_of("n = torch.count([5, 3, 4, 3], 3)"), "2");
  EXPECT_EQ(number_of("a = [1, 2]\ntorch.insert(a, 1, 9)\nn = a[1]"), "9");
  EXPECT_EQ(number_of("a = [1, 2]\ntorch.Delete(a, 0)\nn = a[0]"), "2");
  EXPECT_EQ(number_of("a = [1, 2]\n_0 = torch._set_item(a, -1, 7)\nn = a[1]"), "7");
  EXPECT_EQ(number_of("n = (sorted([3, 1, 2]))[0]"), "1");
  EXPECT_EQ(number_of("n = (sorted([0.5, 2.5], True))[0]"), "2.5");
  EXPECT_EQ(number_of("a = sorted([(2, \"b\"), (2, \"a\")])\nn = torch.len((a[0])[1])"), "1");
  EXPECT_THAT(refused<InvalidArgument>(source("a = [1]\ntorch.remove(a, 3)\nreturn x")), HasSubstr("not in the list"));
  EXPECT_THAT(refused<InvalidArgument>(source("n = torch.index([1], 3)\nreturn x")), HasSubstr("not in the list"));
  EXPECT_THAT(refused<Unsupported>(source("a = sorted([x, x])\nreturn x")), HasSubstr("torch.sort"));
  EXPECT_THAT(refused<Unsupported>(source("n = torch.index([torch.size(x, 0)], 3)\nreturn x")), HasSubstr("compares"));
}

TEST(TorchScriptContainers, Dicts) {
  const std::string made = "d = {\"a\": 1, \"b\": 2}\n";
  EXPECT_EQ(number_of(made + "n = torch.setdefault(d, \"c\", 5)"), "5");
  EXPECT_EQ(number_of(made + "n = torch.setdefault(d, \"a\", 5)"), "1");
  EXPECT_EQ(number_of(made + "_0 = torch.setdefault(d, \"c\", 5)\nn = torch.len(d)"), "3");
  EXPECT_EQ(number_of(made + "torch.Delete(d, \"a\")\nn = torch.len(d)"), "1");
  EXPECT_EQ(number_of(made + "n = torch.pop(d, \"b\")"), "2");
  EXPECT_EQ(number_of(made + "n = torch.pop(d, \"z\", 8)"), "8");
  EXPECT_EQ(number_of(made + "k, n, = torch.popitem(d)"), "2");
  EXPECT_EQ(number_of(made + "torch.update(d, {\"b\": 6})\nn = d[\"b\"]"), "6");
  EXPECT_EQ(number_of(made + "n = torch.get(d, \"z\", 4)"), "4");
  EXPECT_EQ(number_of("d = dict([(1, 2), (1, 3)])\nn = torch.add(torch.len(d), d[1])"), "4");
  EXPECT_THAT(refused<InvalidArgument>(source(made + "torch.Delete(d, \"z\")\nreturn x")), HasSubstr("no key z"));
  EXPECT_THAT(refused<Unsupported>(source("d = {1: 2}\nn = d[torch.size(x, 0)]\nreturn x")),
              HasSubstr("a key that only data or sizes that move tell"));
}

TEST(TorchScriptContainers, ABranchMayChangeItems) {
  const std::string lists = graph_of(std::string("a = [x, x]\n") + std::string(kIfPositive) +
                                     "  _0 = torch._set_item(a, 0, torch.relu(x))\nelse:\n  pass\nreturn torch.cat(a)");
  EXPECT_THAT(lists, HasSubstr("higher_order.cond"));
  EXPECT_THAT(lists, HasSubstr("aten.cat.default([%cond, %x]"));
  EXPECT_THAT(graph_of(std::string("d = {\"a\": x}\n") + std::string(kIfPositive) +
                       "  torch._set_item(d, \"a\", torch.relu(x))\nelse:\n  pass\nreturn d[\"a\"]"),
              HasSubstr("higher_order.cond"));
  EXPECT_THAT(refused<Unsupported>(source(std::string("d = {\"a\": x}\n") + std::string(kIfPositive) +
                                          "  torch._set_item(d, \"b\", x)\nelse:\n  pass\nreturn x")),
              HasSubstr("different keys"));
  // Fewer items: as many as the condition says.
  EXPECT_THAT(graph_of(std::string("a = [x, x]\n") + std::string(kIfPositive) +
                       "  _0 = torch.pop(a)\nelse:\n  pass\nreturn torch.stack(a)"),
              HasSubstr("higher_order.cond"));
  EXPECT_THAT(refused<Unsupported>(source(std::string("a = [\"a\", \"b\"]\n") + std::string(kIfPositive) +
                                          "  _0 = torch.pop(a)\nelse:\n  pass\nreturn x")),
              HasSubstr("different numbers of items"));
}

TEST(TorchScriptContainers, ALoopCarriesItems) {
  const std::string loop = "for i in range(torch.size(x, 0)):\n";
  EXPECT_THAT(
      graph_of("a = [x, x]\n" + loop + "  _0 = torch._set_item(a, 1, torch.add(a[0], a[1]))\n" + "return torch.cat(a)"),
      HasSubstr("higher_order.while_loop"));
  EXPECT_THAT(
      graph_of("d = {\"a\": x}\n" + loop + "  torch._set_item(d, \"a\", torch.relu(d[\"a\"]))\nreturn d[\"a\"]"),
      HasSubstr("higher_order.while_loop"));
  // A window: one leaves, one comes.
  EXPECT_THAT(graph_of("a = [x, x]\n" + loop + "  _0 = torch.pop(a, 0)\n  _1 = torch.append(a, torch.mul(_0, i))\n" +
                       "return torch.stack(a)"),
              HasSubstr("higher_order.while_loop"));
  EXPECT_THAT(graph_of("a = annotate(List[Tensor], [])\n" + loop + "  torch.insert(a, 0, torch.select(x, 0, i))\n" +
                       "return torch.stack(a)"),
              HasSubstr("aten.cat.default([%unsqueeze"));
  // A place that data decide.
  EXPECT_THAT(graph_of("a = [x, x]\n_0 = torch._set_item(a, int(torch.sum(x)), torch.relu(x))\nreturn torch.stack(a)"),
              HasSubstr("aten.index_put.default"));
  EXPECT_THAT(refused<Unsupported>(source("d = {\"a\": x}\n" + loop + "  torch.clear(d)\nreturn x")),
              HasSubstr("different keys"));
}

TEST(TorchScriptContainers, ListsThatContainThemselvesAreNotWalkedForEver) {
  std::string body = "a = annotate(List[int], [])\n";
  for (int i = 0; i < 20; ++i) body += "_0 = torch.append(a, a)\n";
  refused<Unsupported>(source(body + "for i in range(torch.size(x, 0)):\n  a = a\nreturn torch.relu(x)"));
}

}  // namespace
}  // namespace aitune::torchscript
