#include "runtime/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "format/plan_samples.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/instance.h"
#include "runtime/sample_archive.h"

namespace aitune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

LoadOptions one_thread() {
  LoadOptions options;
  options.num_threads = 1;
  return options;
}

BuiltPlan plan_for(bool avx512, std::string precision) {
  auto built = samples::kernel_plan();
  built.plan.target.avx512 = avx512;
  built.plan.precision = std::move(precision);
  return built;
}

/// The message of the error that loading ends in; empty if it loads. Internal errors fail the test.
std::string refusal(std::span<const std::byte> archive, const LoadOptions& options = one_thread()) {
  try {
    Program::from_bytes(archive, "m.ait", options);
    return {};
  } catch (const Error& e) {
    EXPECT_NE(e.code(), ErrorCode::internal) << e.what();
    return e.what();
  }
}

CpuTarget plain_host() {
  CpuTarget host;
  host.avx2_fma = true;
  return host;
}

TEST(Program, OpensAFileAndRuns) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "aitune_program_test.ait";
  write_file(path, samples::archive_of({samples::kernel_plan()}));
  const auto program = Program::open(path, one_thread());
  std::filesystem::remove(path);  // the mapping stays
  ASSERT_NE(program->manifest(), nullptr);
  EXPECT_EQ(program->manifest()->name, "digits");
  EXPECT_EQ(program->find_input("x"), 0u);
  EXPECT_EQ(program->find_output("nothing"), std::nullopt);
  Instance instance(program);
  const Tensor x(DType::f32, {2, 4});
  EXPECT_EQ(instance.run(std::span(&x, 1))[0].as<float>()[7], 4.f);
}

// ---- inputs that the model writes to

std::vector<std::byte> archive_with(const WrittenInput& written, const std::vector<Tensor>& buffers) {
  return samples::archive_of(
      {samples::fixed_kernel_plan(2)}, [&](Manifest& m) { m.modules[0].written = {written}; }, buffers);
}

TEST(Program, HasTheFirstValuesOfBuffers) {
  Tensor first(DType::f32, {2, 4});
  first.as<float>()[3] = 5;
  const auto program = Program::from_bytes(archive_with({"x", "y", "cache.keys"}, {first}), "m.ait", one_thread());
  const Program::State* state = program->state(0);
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->output, 0U);
  EXPECT_EQ(state->buffer, "cache.keys");
  EXPECT_EQ(state->first_value.as<float>()[3], 5.F);
  const auto argument = Program::from_bytes(archive_with({"x", "y", ""}, {}), "m.ait", one_thread());
  ASSERT_NE(argument->state(0), nullptr);
  EXPECT_FALSE(argument->state(0)->first_value.defined());
  EXPECT_EQ(Program::from_bytes(samples::archive_of({samples::kernel_plan()}), "m.ait", one_thread())->state(0),
            nullptr);
}

TEST(Program, RefusesStateThatDoesNotFit) {
  const Tensor first(DType::f32, {2, 4});
  EXPECT_THAT(refusal(archive_with({"z", "y", ""}, {})), HasSubstr("writes to its input 'z'"));
  EXPECT_THAT(refusal(archive_with({"x", "z", ""}, {})), HasSubstr("writes to its input 'x'"));
  EXPECT_THAT(refusal(archive_with({"x", "y", "b"}, {})), HasSubstr("first value is not in the file"));
  EXPECT_THAT(refusal(archive_with({"x", "y", "b"}, {Tensor(DType::f32, {3, 4})})), HasSubstr("data/aitune/buffers/0"));
  EXPECT_THAT(refusal(archive_with({"x", "y", "b"}, {Tensor(DType::f64, {2, 4})})), HasSubstr("data/aitune/buffers/0"));
}

TEST(Program, RefusesAWrittenInputThatComesOutAsAnotherType) {
  const auto writes_to = [](const std::string& output) {
    return samples::archive_of({samples::reference_plan()},
                               [&](Manifest& m) { m.modules[0].written = {{"x", output, ""}}; });
  };
  EXPECT_EQ(refusal(writes_to("y")), "");
  EXPECT_THAT(refusal(writes_to("z")), HasSubstr("'z' is of another type"));
}

TEST(Program, RunsConstantsThatAreNotAligned) {
  const auto bytes = serialize_plan(samples::kernel_plan());
  Bytes shifted(bytes.size() + 8);
  std::memcpy(shifted.data() + 8, bytes.data(), bytes.size());
  Instance instance(Program::from_plan(std::span(shifted).subspan(8), "shifted", one_thread()));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(instance.program().constants().data()) % 64, 0u);
  const Tensor x(DType::f32, {1, 4});
  EXPECT_EQ(instance.run(std::span(&x, 1))[0].as<float>()[3], 4.f);
}

TEST(Program, TakesTheFirstPlanThatFits) {
  const auto archive = samples::archive_of({plan_for(true, "bf16"), plan_for(true, "fp32"), plan_for(false, "fp32")});
  auto options = one_thread();
  const auto chosen = [&] { return Program::from_bytes(archive, "m.ait", options)->where(); };
  CpuTarget host = plain_host();
  options.host = host;
  EXPECT_EQ(chosen(), "m.ait:data/aitune/plans/2.plan");
  host.avx512 = true;
  options.host = host;
  EXPECT_EQ(chosen(), "m.ait:data/aitune/plans/0.plan");
  options.precision = "fp32";
  EXPECT_EQ(chosen(), "m.ait:data/aitune/plans/1.plan");
}

TEST(Program, SaysWhyNoPlanFits) {
  auto options = one_thread();
  options.host = plain_host();
  const auto archive = samples::archive_of({plan_for(true, "fp32")});
  EXPECT_THAT(refusal(archive, options),
              AllOf(HasSubstr("x86_64 avx512 (fp32)"), HasSubstr("this machine is x86_64 avx2"),
                    HasSubstr("aitune tune"), HasSubstr("rebuild=true")));
  const auto bare = samples::archive_of({plan_for(true, "fp32")}, [](Manifest& m) { m.portable = false; });
  EXPECT_THAT(refusal(bare, options), HasSubstr("saved without it"));
  options.module = "other";
  EXPECT_THAT(refusal(archive, options), HasSubstr("no module 'other': the file holds digits"));
}

TEST(Program, RefusesWhatTheManifestDoesNotDescribe) {
  const std::vector<BuiltPlan> plans = {samples::kernel_plan()};
  EXPECT_THAT(refusal(samples::archive_of(plans, [](Manifest& m) { m.plans[0].entry = "data/aitune/plans/9.plan"; })),
              HasSubstr("9.plan"));
  EXPECT_THAT(refusal(samples::archive_of(plans, [](Manifest& m) { m.plans[0].head_bytes += 1; })),
              HasSubstr("the plan's head has"));
  EXPECT_THAT(refusal(samples::archive_of(plans, [](Manifest& m) { m.plans[0].head_sha256[0] ^= std::byte{1}; })),
              HasSubstr("does not match its SHA-256"));
  EXPECT_THAT(refusal(samples::archive_of(plans, [](Manifest& m) { m.major = 2; })), HasSubstr("format version 2."));
  EXPECT_THAT(refusal(samples::archive_of(plans, [](Manifest& m) { m.modules.clear(); })), HasSubstr("no module"));
}

TEST(Program, EveryBitFlipThatMattersIsRefused) {
  const auto good = samples::archive_of({samples::kernel_plan()});
  const ZipReader zip(good, "good");
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= static_cast<std::byte>(1 << (i % 8));
    accepted += refusal(bad).empty() ? 1 : 0;
  }
  // Padding, CRCs, and times and flags of the zip directory don't matter for running; a third would be too much.
  EXPECT_LT(accepted, good.size() / 3);
  for (const auto& entry : zip.entries()) {
    if (entry.name.ends_with(".plan")) continue;  // whose padding does not matter
    for (std::uint64_t at = 0; at < entry.size; ++at) {
      auto bad = good;
      bad[entry.offset + at] ^= std::byte{4};
      EXPECT_NE(refusal(bad), "") << entry.name << " at " << at;
    }
  }
}

TEST(Program, EveryTruncationIsRefused) {
  const auto good = samples::archive_of({samples::kernel_plan()});
  for (std::size_t size = 0; size < good.size(); size += 7) EXPECT_NE(refusal(std::span(good).first(size)), "") << size;
}

/// Takes the machine for one with so much memory.
class MemoryOf {
 public:
  explicit MemoryOf(const char* bytes) { setenv("AITUNE_MEMORY", bytes, 1); }
  ~MemoryOf() { unsetenv("AITUNE_MEMORY"); }
  MemoryOf(const MemoryOf&) = delete;
  MemoryOf& operator=(const MemoryOf&) = delete;
};

TEST(Program, IsRefusedWhereItCannotFit) {
  const auto archive = samples::archive_of({samples::kernel_plan()});  // 16*s0 + 64 bytes of intermediate results
  {
    const MemoryOf tiny("79");
    EXPECT_THAT(refusal(archive),
                AllOf(HasSubstr("80 bytes of memory at least"), HasSubstr("79 is all"), HasSubstr("s0")));
  }
  const MemoryOf small("100");
  ASSERT_EQ(refusal(archive), "");
  Instance instance(Program::from_bytes(archive, "m.ait", one_thread()));
  const Tensor fits(DType::f32, {2, 4}), large(DType::f32, {3, 4});
  instance.run(std::span(&fits, 1));
  try {
    instance.run(std::span(&large, 1));
    FAIL() << "it ran";
  } catch (const Unavailable& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("take 112 bytes"), HasSubstr("100 is all"), HasSubstr("m.ait")));
  }
  instance.run(std::span(&fits, 1));
}

TEST(Program, ErrorsKeepTheirType) {
  const auto good = samples::archive_of({samples::kernel_plan()});
  EXPECT_THROW(Program::open("/nowhere/m.ait"), NotFound);
  EXPECT_THROW(Program::from_bytes(std::span(good).first(100), "m.ait"), Corrupt);
  auto options = one_thread();
  options.module = "other";
  EXPECT_THROW(Program::from_bytes(good, "m.ait", options), NotFound);
  CpuTarget host;
  host.arch = "aarch64";
  options = one_thread();
  options.host = host;
  EXPECT_THROW(Program::from_bytes(good, "m.ait", options), Incompatible);
}

TEST(VerifyEntries, ListsEverythingThatDiffers) {
  const auto verify = [](const Bytes& archive) {
    try {
      verify_entries(ZipReader(archive, "m.ait"));
      return std::string();
    } catch (const Corrupt& e) {
      return std::string(e.what());
    }
  };
  const std::vector<BuiltPlan> plans = {samples::kernel_plan(), samples::kernel_plan()};
  EXPECT_EQ(verify(samples::archive_of(plans)), "");
  const auto spoiled = samples::archive_of(plans, [](Manifest& m) {
    m.entries[0].sha256[0] ^= std::byte{1};
    m.entries[1].name = "missing.bin";
  });
  EXPECT_THAT(verify(spoiled), AllOf(HasSubstr("0.plan does not match its SHA-256"),
                                     HasSubstr("missing.bin is missing"), HasSubstr("1.plan is not in the manifest")));
}

}  // namespace
}  // namespace aitune
