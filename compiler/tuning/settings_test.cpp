#include "compiler/tuning/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/tuning/yaml.h"
#include "format/source.h"
#include "format/test_folder.h"

namespace aitune {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// What is said about settings that are wrong.
template <typename Read>
std::string refusal(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

std::string json_refusal(std::string_view text) {
  return refusal([&] { CompilationSettings().read_json(text, "s.json"); });
}
std::string yaml_refusal(std::string_view text) {
  return refusal([&] { CompilationSettings().read_yaml(text, "s.yaml"); });
}

TEST(Settings, DryrunTakesTruthsAsPeopleWriteThem) {
  CompilationSettings s;
  for (const auto& [text, kept] : std::map<std::string, std::string>{
           {"no", ""}, {"Off", ""}, {"False", ""}, {"0", ""}, {"yes", "true"}, {"ON", "true"}, {"No.txt", "No.txt"}}) {
    s.set("dryrun", text);
    EXPECT_EQ(s.dryrun, kept) << text;
  }
}

TEST(Settings, AreSetFromTextAndNameWhatIsWrong) {
  CompilationSettings s;
  s.set("enabled_precisions", "fp32, bf16");
  s.set("num_threads", "3");
  s.set("require_full_compilation", "true");
  s.set("max_aux_streams", "2");
  s.set("engine_capability", "EngineCapability.SAFETY");
  EXPECT_TRUE(s.enabled_precisions.contains(DType::bf16));
  EXPECT_EQ(s.num_threads, 3);
  EXPECT_EQ(s.max_aux_streams, 2);
  EXPECT_EQ(s.engine_capability, "safety");
  s.set("max_aux_streams", "none");
  s.set("optimization_level", "5");
  s.set("optimization_level", "None");
  EXPECT_EQ(s.max_aux_streams, std::nullopt);
  EXPECT_EQ(s.optimization_level, 3);
  EXPECT_NE(s.to_json().find("\"num_threads\":3"), std::string::npos);
  for (const auto& [field, value] : {std::pair{"num_threads", "many"},
                                     {"num_threads", "-1"},
                                     {"optimization_level", "6"},
                                     {"enabled_precisions", "fp7"},
                                     {"engine", "gpu"},
                                     {"portable", "maybe"},
                                     {"workspace_size", "-1"},
                                     {"tiling_optimization_level", "much"},
                                     {"autocast_low_precision_type", "fp32"},
                                     {"autocast_excluded_nodes", "conv,(relu"},
                                     {"autocast_excluded_nodes", "a{600000}"},
                                     {"autocast_calibration_dataloader", "x"}})
    EXPECT_THAT(refusal([&, f = field, v = value] { s.set(f, v); }),
                testing::AllOf(HasSubstr(fmt::format("setting {}", field)), HasSubstr("It takes: ")));
  EXPECT_THAT(refusal([&] { s.set("nonsense", "1"); }), HasSubstr("There are: enabled_precisions, "));
}

TEST(Settings, WhatIsWrittenIsReadAgain) {
  CompilationSettings s;
  s.enabled_precisions = {DType::f32, DType::bf16};
  s.torch_executed_ops = {"aten.relu", "aten.gelu.default"};
  s.dryrun = "plan.txt";
  s.max_relative_error = 0.125;
  s.cpu_memory_budget = std::int64_t{1} << 40;
  CompilationSettings again;
  again.read_json(s.to_json(), "s.json");
  EXPECT_EQ(again.to_json(), s.to_json());
  EXPECT_NE(again.to_json(), CompilationSettings().to_json());
  again.read_json(CompilationSettings().to_json(), "s.json");
  EXPECT_EQ(again.to_json(), CompilationSettings().to_json());
}

TEST(Settings, FilesOfBothFormsSetTheSame) {
  TestFolder folder;
  write_file(folder / "s.json", R"({"enabled_precisions": ["fp32", "bf16"], "num_threads": 2, "portable": false,
    "special_plan_gain": 0, "torch_executed_ops": "aten.relu,aten.gelu", "dryrun": "out.txt", "max_aux_streams": null})");
  write_file(folder / "s.yaml",
             "# the same\nenabled_precisions: [fp32, bf16]\nnum_threads: 2\nportable: false\n"
             "special_plan_gain: 0\ntorch_executed_ops:\n  - aten.relu\n  - \"aten.gelu\"\n"
             "dryrun: out.txt\nmax_aux_streams: ~\n");
  const CompilationSettings json = CompilationSettings::from_file(folder / "s.json");
  EXPECT_EQ(json.num_threads, 2);
  EXPECT_EQ(json.torch_executed_ops, (CompilationSettings::Names{"aten.relu", "aten.gelu"}));
  EXPECT_EQ(CompilationSettings::from_file(folder / "s.yaml").to_json(), json.to_json());
  CompilationSettings kept;
  kept.min_block_size = 9;
  kept.read_file(folder / "s.yaml");
  EXPECT_EQ(kept.min_block_size, 9);
  write_file(folder / "s.txt", "num_threads: 2");
  EXPECT_THAT(refusal([&] { CompilationSettings::from_file(folder / "s.txt"); }), HasSubstr(".json, .yaml or .yml"));
  EXPECT_THROW(CompilationSettings::from_file(folder / "none.json"), NotFound);
}

TEST(Settings, FilesThatAreWrongNameTheField) {
  EXPECT_THAT(json_refusal(R"({"num_threads": "2"})"),
              HasSubstr(R"(s.json: setting num_threads: "2" is a text. It takes: integer 0 to 1024)"));
  EXPECT_THAT(json_refusal(R"({"num_threads": 2.5})"), HasSubstr("setting num_threads: 2.5 is a number"));
  EXPECT_THAT(json_refusal(R"({"num_threads": null})"), HasSubstr("setting num_threads: null is null"));
  EXPECT_THAT(json_refusal(R"({"num_threads": 99999999999999999999})"), HasSubstr("setting num_threads"));
  EXPECT_THAT(json_refusal(R"({"portable": 1})"),
              HasSubstr("setting portable: 1 is a number. It takes: true or false"));
  EXPECT_THAT(json_refusal(R"({"torch_executed_ops": [1]})"), HasSubstr("1 is a number in a list of texts"));
  EXPECT_THAT(json_refusal(R"({"torch_executed_ops": ["a,b"]})"), HasSubstr("has a comma"));
  EXPECT_THAT(json_refusal(R"({"threads": 1})"), HasSubstr("there is no setting 'threads'"));
  EXPECT_THAT(json_refusal(R"({"portable": true, "portable": true})"), HasSubstr("'portable' is given twice"));
  EXPECT_THAT(json_refusal(R"({"custom_ops": [["x"]]})"), HasSubstr("nests deeper"));
  EXPECT_THAT(json_refusal("[1]"), HasSubstr("the file holds a list"));
  const std::string broken = json_refusal("{\n  \"num_threads\": 2,\n}");
  EXPECT_THAT(broken, testing::StartsWith("s.json: the file is no JSON: line 3, column 1: "));
  EXPECT_THAT(broken, testing::AllOf(HasSubstr("Correct it there: it is one object with settings by name"),
                                     testing::Not(HasSubstr("json.exception")), testing::Not(HasSubstr("Copy"))));
  EXPECT_THAT(yaml_refusal("portable: yes"), HasSubstr("s.yaml: setting portable: \"yes\" is a text"));
  EXPECT_THAT(yaml_refusal("portable: true\nportable: true"), HasSubstr("'portable' is given twice"));
  EXPECT_THAT(yaml_refusal("portable: true\nnum_threads: [2"),
              testing::AllOf(HasSubstr("the file is no YAML"), HasSubstr("in line 3, column 1. Correct it there")));
  EXPECT_THAT(yaml_refusal("? [a]\n: 1"), HasSubstr("a key is no word"));
  CompilationSettings half;
  EXPECT_ANY_THROW(half.read_json(R"({"num_threads": 7, "portable": 1})", "s.json"));
  EXPECT_EQ(half.num_threads, 0);  // all of a file or nothing
}

TEST(Settings, HostileFilesAreRefused) {
  EXPECT_THAT(json_refusal(std::string(200000, '[')), HasSubstr("nests deeper"));
  EXPECT_THAT(json_refusal(std::string(300000, ' ')), HasSubstr("are read at most"));
  EXPECT_THAT(yaml_refusal(std::string(200000, '[')), HasSubstr("nests too deep"));
  EXPECT_THAT(yaml_refusal(std::string(300000, ' ')), HasSubstr("are read at most"));
  EXPECT_THAT(yaml_refusal("a: &a [x, x]\nb: [*a, *a]"), HasSubstr("anchors or tags"));
  EXPECT_THAT(yaml_refusal("num_threads: *a"), HasSubstr("aliases"));
  EXPECT_THAT(yaml_refusal("num_threads: !!int 3"), HasSubstr("anchors or tags"));
  EXPECT_THAT(yaml_refusal("--- {}\n--- {}"), HasSubstr("several documents"));
}

TEST(Yaml, WordsAreTypedAsTheCoreSchemaDoes) {
  const auto read = [](std::string_view text) { return parse_yaml(text, "y", 4).dump(); };
  EXPECT_EQ(read(""), "{}");
  EXPECT_EQ(read("{a: 1, b: -2.5, c: true, d: ~, e: yes, f: '1', g: .inf, h: 1e400}"),
            R"({"a":1,"b":-2.5,"c":true,"d":null,"e":"yes","f":"1","g":".inf","h":"1e400"})");
  EXPECT_EQ(read("a:\n  - [x, y]\n  - b: |\n      text\n"), R"({"a":[["x","y"],{"b":"text\n"}]})");
}

TEST(Settings, IgnoredOnesAreNamedWithTheReason) {
  EXPECT_THAT(ignored_settings({}, "cpu"), ElementsAre());
  EXPECT_THAT(ignored_settings({}, "reference"), ElementsAre());
  CompilationSettings s;
  s.enable_resource_partitioning = true;
  s.use_fp32_acc = true;
  s.version_compatible = true;
  s.onednn = false;
  EXPECT_THAT(ignored_settings(s, "cpu"),
              ElementsAre("enable_resource_partitioning is ignored by engine cpu: blocks are not cut by memory"));
  EXPECT_THAT(ignored_settings(s, "reference"),
              ElementsAre("onednn is ignored by engine reference: it calls no library",
                          "enable_resource_partitioning is ignored by engine reference: blocks are not cut by memory"));
}

TEST(Settings, ThoseThatOthersLeaveNoEffectAreNamed) {
  const auto lines = [](std::string_view pairs, std::string_view engine = "cpu") {
    CompilationSettings s;
    s.read_json(pairs, "test");
    return ignored_settings(s, engine);
  };
  EXPECT_THAT(
      lines(R"({"autocast_low_precision_type": "bf16", "autocast_max_output_threshold": 9})"),
      ElementsAre("autocast_low_precision_type, autocast_max_output_threshold are ignored: enable_autocast is off"));
  EXPECT_THAT(
      lines(R"({"autocast_excluded_nodes": "a", "autocast_excluded_ops": "b",
                        "autocast_max_depth_of_reduction": 0})"),
      ElementsAre(HasSubstr("autocast_excluded_nodes, autocast_excluded_ops, autocast_max_depth_of_reduction are")));
  EXPECT_THAT(lines(R"({"autocast_low_precision_type": "bf16", "enable_autocast": true})"), ElementsAre());
  EXPECT_THAT(lines(R"({"enable_autocast": true, "enabled_precisions": "fp32,int8", "max_quantisation_error": 0.1})"),
              ElementsAre("enabled_precisions, max_quantisation_error are ignored: enable_autocast chooses the "
                          "precision of each product by its own rules"));
  EXPECT_THAT(lines(R"({"max_quantisation_error": 0.1})"),
              ElementsAre("max_quantisation_error is ignored: enabled_precisions has no int8"));
  EXPECT_THAT(lines(R"({"max_quantisation_error": 0.1, "enabled_precisions": "int8"})"), ElementsAre());
  EXPECT_THAT(lines(R"({"min_block_size": 3, "require_full_compilation": true})"),
              ElementsAre("min_block_size is ignored: require_full_compilation is on"));
  EXPECT_THAT(lines(R"({"min_block_size": 1, "require_full_compilation": true})"), ElementsAre());
  EXPECT_THAT(lines(R"({"special_plan_gain": 0.5, "max_special_plans": 0})"),
              ElementsAre("special_plan_gain is ignored: max_special_plans is 0"));
  EXPECT_THAT(lines(R"({"optimization_level": 0, "num_avg_timing_iters": 3, "timing_cache_path": "t.json"})"),
              ElementsAre("num_avg_timing_iters is ignored: optimization_level 0 times no kernels",
                          "timing_cache_path is ignored: optimization_level 0 times no kernels"));
  EXPECT_THAT(lines(R"({"optimization_level": 0, "timing_cache_path": "none"})"), ElementsAre());
  EXPECT_THAT(lines(R"({"engine_cache_dir": "a", "engine_cache_size": 5, "refit_identical_engine_weights": true})"),
              ElementsAre("engine_cache_dir, refit_identical_engine_weights are ignored: cache_built_engines and "
                          "reuse_cached_engines are off",
                          "engine_cache_size is ignored: cache_built_engines is off"));
  EXPECT_THAT(lines(R"({"engine_cache_dir": "a", "cache_built_engines": true})"), ElementsAre());
  // One line, not two, for what the engine ignores anyway.
  EXPECT_THAT(lines(R"({"autocast_excluded_ops": "b"})", "reference"),
              ElementsAre(HasSubstr("autocast_excluded_ops is ignored by engine reference")));
}

TEST(Settings, ThoseOfTheSearchHaveNoEffectBesideDecisions) {
  CompilationSettings s;
  s.timing_cache_path = "none";
  EXPECT_THAT(ignored_beside_decisions(s, "cpu"), ElementsAre());
  s.timing_cache_path = "t.json";
  s.tune_budget_seconds = 3;
  EXPECT_THAT(ignored_beside_decisions(s, "cpu"),
              ElementsAre(HasSubstr("timing_cache_path is ignored: what is built comes from the decision log"),
                          HasSubstr("tune_budget_seconds is ignored")));
}

TEST(Settings, WhatIsHonouredIsShownByATest) {
  for (const SettingHelp& row : setting_help()) {
    if (!row.ignored_by_cpu.empty()) continue;
    const std::string file = fmt::format("{}/{}", AITUNE_SOURCE_DIR, row.shown_by);
    EXPECT_TRUE(read_file(file).find(row.field) != std::string::npos) << row.field << " is not in " << file;
  }
}

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

/// The table of docs/settings.md.
std::string table() {
  std::string text =
      "| setting | takes | default | meaning | engine `cpu` | engine `reference` |\n|---|---|---|---|---|---|\n";
  const auto effect = [](const SettingHelp& row, std::string_view ignored) {
    if (!ignored.empty()) return fmt::format("ignored: {}", cell(ignored));
    if (!row.always.empty()) return fmt::format("[does it](../{}) always: {}", row.shown_by, cell(row.always));
    return fmt::format("[does it](../{})", row.shown_by);
  };
  for (const SettingHelp& row : setting_help())
    text += fmt::format("| `{}` | {} | `{}` | {} | {} | {} |\n", row.field, cell(row.type), row.default_value,
                        cell(row.meaning), effect(row, row.ignored_by_cpu), effect(row, row.ignored_by_reference));
  return text;
}

TEST(Settings, TheTableInTheDocumentsIsCurrent) {
  const std::string file = std::string(AITUNE_SOURCE_DIR) + "/docs/settings.md";
  const std::string begin = "<!-- settings: written by settings_test -->\n", end = "<!-- end of settings -->\n";
  std::string text = read_file(file);
  const auto from = text.find(begin);
  ASSERT_NE(from, text.npos);
  const auto first = from + begin.size(), last = text.find(end, first);
  ASSERT_NE(last, text.npos);
  if (std::getenv("AITUNE_UPDATE")) write_file(file, text.replace(first, last - first, table()));
  EXPECT_EQ(read_file(file).substr(first, table().size() + end.size()), table() + end)
      << "AITUNE_UPDATE=1 settings_test writes it";
}

}  // namespace
}  // namespace aitune
