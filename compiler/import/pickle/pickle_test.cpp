#include "compiler/import/pickle/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "format/digest.h"
#include "format/fuzz.h"

namespace aitune {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

PickleDocument parse(std::string_view text, const PickleOptions& options = {}) {
  return PickleDocument::parse(as_byte_span(text), "file.pt/data.pkl", options);
}

template <typename E>
void expect_refused(std::string_view text, const std::string& message, const PickleOptions& options = {}) {
  try {
    parse(text, options);
    ADD_FAILURE() << "accepted, but should say: " << message;
  } catch (const E& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
    EXPECT_THAT(error.what(), HasSubstr("file.pt/data.pkl"));
  }
}

TEST(Pickle, Constants) {
  EXPECT_TRUE(parse("N.").root().is(PickleKind::none));
  EXPECT_TRUE(parse("\x88.").root().boolean);
  EXPECT_FALSE(parse("\x89.").root().boolean);
  EXPECT_TRUE(parse("I01\n.").root().is(PickleKind::boolean));
}

TEST(Pickle, Integers) {
  EXPECT_EQ(parse("K\xff.").root().integer, 255);
  EXPECT_EQ(parse("M\x01\x02.").root().integer, 513);
  EXPECT_EQ(parse("J\xfe\xff\xff\xff.").root().integer, -2);
  EXPECT_EQ(parse("I-17\n.").root().integer, -17);
  EXPECT_EQ(parse("L123L\n.").root().integer, 123);
  EXPECT_EQ(parse("\x8a\x00."s).root().integer, 0);
  EXPECT_EQ(parse("\x8a\x01\xff."s).root().integer, -1);
  EXPECT_EQ(parse("\x8a\x02\xff\x00."s).root().integer, 255);
  EXPECT_EQ(parse("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."s).root().integer, INT64_MIN);
  expect_refused<Unsupported>("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."s, "beyond 64 bits at offset 0");
  expect_refused<Unsupported>("L99999999999999999999L\n.", "beyond 64 bits");
  expect_refused<Corrupt>("I1x\n.", "malformed");
}

TEST(Pickle, Reals) {
  EXPECT_EQ(parse("G\x3f\xf8\x00\x00\x00\x00\x00\x00."s).root().real, 1.5);
  EXPECT_EQ(parse("F-2.5\n.").root().real, -2.5);
  EXPECT_EQ(parse("Finf\n.").root().real, std::numeric_limits<double>::infinity());
}

TEST(Pickle, Texts) {
  EXPECT_EQ(parse("X\x02\x00\x00\x00hi."s).root().text, "hi");
  EXPECT_EQ(parse("\x8c\x02hi.").root().text, "hi");
  EXPECT_EQ(parse("C\x02hi.").root().kind, PickleKind::bytes);
  EXPECT_EQ(parse("S'a\\n\\x41\\''\n.").root().text, "a\nA'");
  EXPECT_EQ(parse("Va\\u00e9\\U0001f600\xe9\n.").root().text, "a\u00e9\U0001f600\u00e9");
  expect_refused<Corrupt>("S'a\n.", "malformed");
  expect_refused<Corrupt>("\x8c\x09hi.", "ends before");
  expect_refused<Corrupt>("\x8d\xff\xff\xff\xff\xff\xff\xff\xffhi.", "ends before");
}

TEST(Pickle, Containers) {
  const PickleDocument list = parse(
      "](K\x01K\x02"
      "eK\x03"
      "a.");
  ASSERT_EQ(list.root().items.size(), 3u);
  EXPECT_EQ(list.root().items[2]->integer, 3);
  EXPECT_EQ(parse("(K\x01K\x02t.").root().items.size(), 2u);
  EXPECT_EQ(parse("K\x01K\x02K\x03\x87.").root().items[0]->integer, 1);
  EXPECT_EQ(parse("K\x01K\x02\x86.").root().items[1]->integer, 2);
  EXPECT_TRUE(parse("(K\x01\x91.").root().is(PickleKind::set));
  const PickleDocument dict = parse(
      "}(\x8c\x01"
      "aK\x01\x8c\x01"
      "bK\x02u\x8c\x01"
      "aK\x03s.");
  EXPECT_EQ(dict.root().find("a")->integer, 3) << "the last value of a key counts";
  EXPECT_EQ(dict.root().find("b")->integer, 2);
  EXPECT_EQ(dict.root().find("c"), nullptr);
}

TEST(Pickle, MemoSharesValues) {
  const PickleDocument document = parse("(]q\x05h\x05t.");
  EXPECT_EQ(document.root().items[0], document.root().items[1]);
  expect_refused<Corrupt>("h\x05.", "memo");
}

TEST(Pickle, KnownCallsAreInertNodes) {
  const PickleDocument call = parse(
      "ctorch\ndevice\n(X\x03\x00\x00\x00"
      "cputR."s);
  EXPECT_TRUE(call.root().is_call("torch.device"));
  EXPECT_EQ(call.root().items.at(0)->text, "cpu");
  EXPECT_TRUE(parse("\x8c\x05torch\x8c\x07"
                    "float32\x93.")
                  .root()
                  .is_global("torch.float32"));
  EXPECT_TRUE(parse("K\x07Q.").root().is(PickleKind::persistent));
  EXPECT_EQ(parse("Pabc\n.").root().items[0]->text, "abc");
}

TEST(Pickle, CallsThatOnlyBuildDataBecomeData) {
  const PickleDocument dict = parse(
      "ccollections\nOrderedDict\n)R\x8c\x01"
      "aK\x01s}b.");
  EXPECT_TRUE(dict.root().is(PickleKind::dict));
  EXPECT_EQ(dict.root().find("a")->integer, 1);
  EXPECT_NE(dict.root().state, nullptr);
  const PickleDocument pairs = parse(
      "ccollections\nOrderedDict\n(]](\x8c\x01"
      "aK\x01"
      "eatR.");
  EXPECT_EQ(pairs.root().find("a")->integer, 1);
  const PickleDocument bytes = parse(
      "c_codecs\nencode\n(X\x03\x00\x00\x00"
      "a\xc3\xa9X\x06\x00\x00\x00latin1tR."s);
  EXPECT_EQ(bytes.root().kind, PickleKind::bytes);
  EXPECT_EQ(bytes.root().text, "a\xe9");
  EXPECT_TRUE(parse("c__builtin__\nset\n(](K\x01"
                    "etR.")
                  .root()
                  .is(PickleKind::set));
  expect_refused<Corrupt>("ccollections\nOrderedDict\n(K\x01tR.", "list of pairs");
  expect_refused<Corrupt>("c_codecs\nencode\n(K\x01tR.", "it takes bytes");
}

TEST(Pickle, DictsWithDefaultsAreDicts) {
  const std::string_view more[] = {"collections.defaultdict"};
  const PickleDocument made = parse("ccollections\ndefaultdict\n(cbuiltins\nlist\ntRS'a'\nK\x01s.", {.callable = more});
  ASSERT_NE(made.root().find("a"), nullptr);
  EXPECT_EQ(made.root().find("a")->integer, 1);
}

TEST(Pickle, RefusesToCallAnythingElse) {
  const std::string wants = "the pickle wants to call os.system at offset ";
  expect_refused<Unsupported>("cos\nsystem\n(S'ls'\ntR.", wants + "19: refused, aitune never executes pickles");
  expect_refused<Unsupported>("\x8c\x02os\x8c\x06system\x93(S'ls'\nt\x81.", wants);
  expect_refused<Unsupported>("cos\nsystem\n(S'ls'\nt}\x92.", wants);
  expect_refused<Unsupported>("(S'ls'\nios\nsystem\n.", wants);
  expect_refused<Unsupported>("(cos\nsystem\nS'ls'\no.", wants);
  expect_refused<Unsupported>("\x82\x01.", "extension registry");
  expect_refused<Unsupported>("\x97.", "out-of-band");
  expect_refused<Corrupt>("K\x01)R.", "calls what is not a global");
  const std::string_view more[] = {"os.system"};
  EXPECT_TRUE(parse("cos\nsystem\n)R.", {.callable = more}).root().is_call("os.system")) << "inert, as ever";
}

TEST(Pickle, RefusesBrokenStacks) {
  for (const std::string_view text : {".", "0.", "t.", "e.", "K\x01\x61.", "]K\x01s.", "}(K\x01u.", "N(.", "NN.",
                                      "(N0N1.", "]K\x01K\x02s.", "N}b.", "N.N", "\xff.", "N", ""}) {
    expect_refused<Corrupt>(text, "");
  }
  EXPECT_NO_THROW(parse("N(0.")) << "POP takes a mark";
  expect_refused<Corrupt>("(K\x01(a.", "");
  expect_refused<Unsupported>("\x80\x06N.", "protocol 6");
  expect_refused<Corrupt>("\x95\x10\x00\x00\x00\x00\x00\x00\x00N."s, "frame");
}

TEST(Pickle, LeavesOutWhatIsOpaque) {
  const auto all = [](std::string_view) { return true; };
  const auto nodes = [](std::string_view name) { return name == "a.Node"; };
  const std::string_view circle = "ca\nNode\n)\x81q\x01}S'next'\nh\x01sb.";
  EXPECT_EQ(parse(circle, {.inert_class = all, .opaque_class = nodes}).root().state, nullptr);
  EXPECT_THROW(parse(circle, {.inert_class = all}), Corrupt);
}

TEST(Pickle, RefusesValuesThatContainThemselves) {
  expect_refused<Corrupt>(
      "]q\x01h\x01"
      "a.",
      "contains itself");
  expect_refused<Corrupt>(
      "}q\x01K\x01]h\x01"
      "as.",
      "contains itself");
}

TEST(Pickle, RefusesDepthAndBombs) {
  expect_refused<Corrupt>("K\x01" + std::string(100000, '\x85') + ".", "nested too deep");
  EXPECT_NO_THROW(parse("K\x01" + std::string(150, '\x85') + "."));
  std::string laughs = "]";  // each level refers to the last one ten times
  for (int level = 0; level < 12; ++level)
    laughs +=
        "q\x01"
        "0](h\x01h\x01h\x01h\x01h\x01h\x01h\x01h\x01h\x01h\x01"
        "e";
  expect_refused<Corrupt>(laughs + ".", "trap");
  // A long tuple of arguments that is passed again and again.
  std::string calls = "(" + std::string(100000, 'N') +
                      "tq\x01"
                      "0ctorch\nSize\nq\x02"
                      "0(";
  for (int i = 0; i < 1000; ++i) calls += "h\x02h\x01R";
  expect_refused<Corrupt>(calls + "t.", "trap");
  expect_refused<Corrupt>("(" + std::string(1000, 'N') + "t.", "more than 100 values", {.max_values = 100});
  expect_refused<Corrupt>("(" + std::string(1000, 'N') + "t.", "more than the 10", {.max_bytes = 10});
}

TEST(Pickle, SurvivesEveryDamage) {
  const auto read = [](std::span<const std::byte> bytes) { PickleDocument::parse(bytes, "damaged"); };
  for_each_damage(as_byte_span("\x80\x02}q\x00(X\x01\x00\x00\x00"
                               "aK\x01X\x01\x00\x00\x00"
                               "b]q\x01(K\x02h\x00"
                               "eu."s),
                  read);
  for_each_damage(as_byte_span("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x01"
                               "a\x94"
                               "ccollections\nOrderedDict\n)R."s),
                  read);
  for_each_damage(as_byte_span("(dp0\nS'a'\np1\nI1\nsS'b'\nF2.5\nsV\\u00e9\nL5L\ns."), read);
}

}  // namespace
}  // namespace aitune
