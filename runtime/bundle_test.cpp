#include "runtime/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "format/plan_samples.h"
#include "format/source.h"
#include "format/zip_writer.h"
#include "runtime/archive.h"
#include "runtime/instance.h"
#include "runtime/program.h"
#include "runtime/sample_archive.h"

namespace aitune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Bytes module_called(const std::string& name) {
  return samples::archive_of({samples::kernel_plan()}, [&](Manifest& manifest) {
    manifest.name = manifest.modules.front().name = name;
    for (ManifestPlan& plan : manifest.plans) plan.module = name;
  });
}

Bytes bundle_of(std::span<const Bytes> modules) {
  MemorySink sink;
  ZipWriter zip(sink, "model");
  for (std::size_t i = 0; i < modules.size(); ++i)
    zip.add(std::string(kBundleFolder) + std::to_string(i) + ".ait", modules[i]);
  zip.finish();
  return sink.take();
}

Bytes pipeline() { return bundle_of(std::vector<Bytes>{module_called("encoder"), module_called("decoder")}); }

LoadOptions asking_for(std::string module) {
  LoadOptions options;
  options.num_threads = 1;
  options.module = std::move(module);
  return options;
}

std::string name_loaded(std::span<const std::byte> file, const std::string& module) {
  return Program::from_bytes(file, "p.ait", asking_for(module))->manifest()->name;
}

template <typename F>
std::string refusal_of(F&& f) {
  try {
    f();
    return {};
  } catch (const Error& e) {
    EXPECT_NE(e.code(), ErrorCode::internal) << e.what();
    return e.what();
  }
}

TEST(Bundle, ModulesAreFoundByNameAndNumber) {
  const Bytes file = pipeline();
  EXPECT_TRUE(is_bundle(ZipReader(file, "p.ait")));
  EXPECT_EQ(name_loaded(file, ""), "encoder");
  EXPECT_EQ(name_loaded(file, "decoder"), "decoder");
  EXPECT_EQ(name_loaded(file, "1"), "decoder");
  EXPECT_THAT(refusal_of([&] { name_loaded(file, "head"); }),
              AllOf(HasSubstr("no module 'head'"), HasSubstr("0 (encoder), 1 (decoder)")));
}

TEST(Bundle, AnAitIsNone) {
  const Bytes file = module_called("encoder");
  EXPECT_FALSE(is_bundle(ZipReader(file, "m.ait")));
  EXPECT_EQ(name_loaded(file, "0"), "encoder");
}

TEST(Bundle, GraphsOfOneModuleNeedTheirNumber) {
  const Bytes file = bundle_of(std::vector<Bytes>{module_called("net"), module_called("net")});
  EXPECT_THAT(refusal_of([&] { name_loaded(file, "net"); }), HasSubstr("2 modules are called 'net'"));
  EXPECT_EQ(name_loaded(file, "1"), "net");
}

TEST(Bundle, ManifestReadersSaySo) {
  const Bytes file = pipeline();
  EXPECT_THAT(refusal_of([&] { read_manifest(ZipReader(file, "p.ait")); }),
              AllOf(HasSubstr("several modules: 0 (encoder), 1 (decoder)"), HasSubstr("aitune extract")));
}

TEST(Bundle, VerifyingReachesEveryModule) {
  Bytes file = pipeline();
  EXPECT_NO_THROW(verify_entries(ZipReader(file, "p.ait")));
  Bytes damaged = module_called("decoder");
  const ZipReader inside(damaged, "m.ait");
  damaged[inside.at(std::string(kPlanFolder) + "0.plan").offset] ^= std::byte{1};
  const Bytes whole = bundle_of(std::vector<Bytes>{module_called("encoder"), damaged});  // the outer checksum is right
  EXPECT_THAT(refusal_of([&] { verify_entries(ZipReader(whole, "p.ait")); }), HasSubstr("modules/1.ait"));
  const ZipReader outside(file, "p.ait");
  file[outside.at(std::string(kBundleFolder) + "0.ait").offset + 100] ^= std::byte{1};
  EXPECT_THAT(refusal_of([&] { verify_entries(ZipReader(file, "p.ait")); }), HasSubstr("checksum"));
}

TEST(Bundle, BundlesHoldNoBundles) {
  const Bytes file = bundle_of(std::vector<Bytes>{module_called("net"), pipeline()});
  EXPECT_THAT(refusal_of([&] { name_loaded(file, ""); }), HasSubstr("holds modules of its own"));
}

TEST(Bundle, NonsenseInPlaceOfAModuleIsRefused) {
  EXPECT_NE(refusal_of([&] { name_loaded(bundle_of(std::vector<Bytes>{Bytes(100, std::byte{7})}), ""); }), "");
}

TEST(Bundle, WeightsOfAModuleStreamFromTheFile) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "aitune_bundle_test.ait";
  write_file(path, pipeline());
  LoadOptions options = asking_for("decoder");
  options.weight_budget = 1;
  const auto program = Program::open(path, options);
  EXPECT_NE(program->weight_stream(), nullptr);
  EXPECT_THAT(open_module(path, "decoder").where(), HasSubstr("modules/1.ait"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace aitune
