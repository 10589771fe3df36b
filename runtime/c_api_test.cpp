// The public faces of libaitune_runtime.so, linked as a user links it.

#include <aitune/runtime.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "format/plan_samples.h"
#include "format/source.h"
#include "runtime/sample_archive.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

const std::vector<std::byte>& sample_file() {
  static const auto bytes = samples::archive_of({samples::kernel_plan()});
  return bytes;
}

runtime::Options threads(int count) {
  runtime::Options options;
  options.num_threads = count;
  return options;
}

TEST(RuntimeCpp, RunsAModel) {
  const runtime::Module model(sample_file(), threads(1));
  EXPECT_EQ(model.find_input("x"), 0u);
  EXPECT_EQ(model.find_output("x"), std::nullopt);
  EXPECT_EQ(model.input(0).min_shape[0], 1);
  EXPECT_EQ(model.input(0).max_shape[0], 16);
  EXPECT_EQ(model.input(0).max_shape[1], 4);
  std::vector<float> x = {0, 1, 2, 3, 4, 5, 6, 7};
  const auto outputs = model.run({runtime::view<float>({2, 4}, x)});
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_THAT(outputs[0].shape(), ::testing::ElementsAre(2, 4));
  EXPECT_THAT(outputs[0].as<float>(), ::testing::ElementsAre(1, 4, 7, 10, 9, 12, 15, 18));
  EXPECT_THROW(outputs[0].as<std::int32_t>(), std::invalid_argument);

  std::vector<float> y(8);
  const runtime::TensorView in = runtime::view<float>({2, 4}, x), out = runtime::view<float>({2, 4}, y);
  model.run_into({&in, 1}, {&out, 1});
  EXPECT_EQ(y[7], 18.f);
}

TEST(RuntimeCpp, GivesTheFirstValueOfState) {
  Tensor first(DType::f32, {2, 4});
  first.as<float>()[3] = 5;
  const auto file = samples::archive_of(
      {samples::fixed_kernel_plan(2)}, [](Manifest& m) { m.modules[0].written = {{"x", "y", "cache.keys"}}; }, {first});
  const aitune_state_info state = runtime::Module(file, threads(1)).input_state(0);
  EXPECT_EQ(state.is_written, 1);
  EXPECT_EQ(state.output, 0U);
  EXPECT_EQ(state.bytes, 8 * sizeof(float));
  const runtime::Module model(file, threads(1));
  const auto* values = static_cast<const float*>(model.input_state(0).first_value);
  EXPECT_EQ(values[3], 5.F);
  EXPECT_STREQ(model.input_state(0).buffer, "cache.keys");
  EXPECT_EQ(runtime::Module(sample_file(), threads(1)).input_state(0).is_written, 0);
  EXPECT_THROW(static_cast<void>(model.input_state(1)), runtime::Error);
}

TEST(RuntimeCpp, ErrorsCarryStatusAndMessage) {
  const runtime::Module model(sample_file(), threads(1));
  std::vector<float> x(68);
  try {
    model.run({runtime::view<float>({17, 4}, x)});
    FAIL() << "was accepted";
  } catch (const runtime::Error& e) {
    EXPECT_EQ(e.status(), AITUNE_INVALID_ARGUMENT);
    EXPECT_THAT(e.what(), HasSubstr("expected f32[s0,4] (s0 in [1,16]), got f32[17,4]"));
  }
  try {
    const runtime::Module none("/nowhere/m.ait");
    FAIL() << "was opened";
  } catch (const runtime::Error& e) {
    EXPECT_EQ(e.status(), AITUNE_NOT_FOUND);
    EXPECT_THAT(e.what(), HasSubstr("/nowhere/m.ait"));
  }
}

TEST(RuntimeCpp, ManyThreadsCallOneModule) {
  for (const int pool : {1, 3}) {
    const runtime::Module model(sample_file(), threads(pool));
    std::vector<std::jthread> callers;
    for (int c = 0; c < 6; ++c) {
      callers.emplace_back([&, c] {
        for (int round = 0; round < 200; ++round) {
          const std::int64_t rows = 1 + (c + round) % 16;
          std::vector<float> x(static_cast<std::size_t>(rows * 4), static_cast<float>(c * 1000 + round));
          const auto y = model.run({runtime::view<float>({rows, 4}, x)});
          for (std::size_t i = 0; i < x.size(); ++i) {
            ASSERT_EQ(y[0].as<float>()[i], 2 * x[i] + static_cast<float>(i % 4 + 1));
          }
        }
      });
    }
  }
}

TEST(RuntimeC, NullsAndNonsenseAreRefused) {
  aitune_module* model = nullptr;
  EXPECT_EQ(aitune_load(nullptr, nullptr, &model), AITUNE_INVALID_ARGUMENT);
  EXPECT_EQ(aitune_load("x", nullptr, nullptr), AITUNE_INVALID_ARGUMENT);
  EXPECT_EQ(aitune_load_from_memory(sample_file().data(), 10, nullptr, &model), AITUNE_CORRUPT);
  EXPECT_EQ(model, nullptr);
  aitune_load_options options{};
  EXPECT_EQ(aitune_load_from_memory(sample_file().data(), sample_file().size(), &options, &model),
            AITUNE_INVALID_ARGUMENT);
  EXPECT_THAT(aitune_last_error(), HasSubstr("struct_size"));
  options.struct_size = sizeof options;
  options.num_threads = 1;
  ASSERT_EQ(aitune_load_from_memory(sample_file().data(), sample_file().size(), &options, &model), AITUNE_OK);

  aitune_tensor_info info;
  EXPECT_EQ(aitune_input_info(model, 1, &info), AITUNE_INVALID_ARGUMENT);
  EXPECT_EQ(aitune_input_info(model, 0, nullptr), AITUNE_INVALID_ARGUMENT);
  EXPECT_EQ(aitune_output_info(nullptr, 0, &info), AITUNE_INVALID_ARGUMENT);
  EXPECT_EQ(aitune_run(nullptr, nullptr, 0, nullptr, 0), AITUNE_INVALID_ARGUMENT);
  EXPECT_EQ(aitune_run(model, nullptr, 1, nullptr, 0), AITUNE_INVALID_ARGUMENT);
  std::array<float, 4> x{}, y{};
  const std::array<std::int64_t, 2> shape = {1, 4};
  aitune_tensor in{AITUNE_F32, 2, shape.data(), nullptr, x.data()}, out{AITUNE_F32, 2, shape.data(), nullptr, y.data()};
  EXPECT_EQ(aitune_run(model, &in, 1, &out, 1), AITUNE_OK);
  EXPECT_EQ(y[3], 4.f);
  for (const auto spoil : {+[](aitune_tensor& t) { t.dtype = static_cast<aitune_dtype>(77); },
                           +[](aitune_tensor& t) { t.rank = -1; }, +[](aitune_tensor& t) { t.rank = 1000; },
                           +[](aitune_tensor& t) { t.shape = nullptr; }, +[](aitune_tensor& t) { t.data = nullptr; }}) {
    aitune_tensor bad = in;
    spoil(bad);
    EXPECT_EQ(aitune_run(model, &bad, 1, &out, 1), AITUNE_INVALID_ARGUMENT);
    EXPECT_STRNE(aitune_last_error(), "");
  }
  EXPECT_EQ(aitune_run(model, &in, 1, &out, 0), AITUNE_INVALID_ARGUMENT);
  std::int64_t result[2];
  EXPECT_EQ(aitune_output_shape(model, &in, 1, 1, result), AITUNE_INVALID_ARGUMENT);
  EXPECT_EQ(aitune_output_shape(model, &in, 1, 0, result), AITUNE_OK);
  EXPECT_EQ(aitune_output_shape(model, &in, 1, 0, nullptr), AITUNE_INVALID_ARGUMENT);
  aitune_free(model);
  aitune_free(nullptr);
}

/// Standard output of a command, and its status.
std::pair<std::string, int> output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 256> buffer;
  while (fgets(buffer.data(), buffer.size(), pipe)) text += buffer.data();
  return {text, pclose(pipe)};
}

TEST(RuntimeC, TheExampleRunsLinkedAgainstTheRuntimeAlone) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "aitune_embed_c.ait";
  write_file(path, sample_file());
  EXPECT_EQ(aitune_verify_file(path.c_str()), AITUNE_OK);
  const auto [text, status] = output_of(std::string(EMBED_C) + " " + path.string() + " 3");
  std::filesystem::remove(path);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(text, "y [1,4] 1 2 3 4\n");
  EXPECT_EQ(aitune_verify_file(path.c_str()), AITUNE_NOT_FOUND);
}

TEST(RuntimeCpp, OutputsHaveTheSizeThatDataDecide) {
  const auto file = samples::archive_of({samples::data_plan()});
  const runtime::Module model(file, threads(1));
  EXPECT_EQ(model.output(0).min_shape[0], 0);
  std::vector<float> x = {0, 3, 0, -1, 5};
  const auto outputs = model.run({runtime::view<float>({5}, x)});
  EXPECT_THAT(outputs[0].shape(), ::testing::ElementsAre(3));
  EXPECT_THAT(outputs[1].shape(), ::testing::ElementsAre(3, 1));
  EXPECT_THAT(outputs[0].as<float>(), ::testing::ElementsAre(6, -2, 10));
  EXPECT_THAT(outputs[1].as<std::int64_t>(), ::testing::ElementsAre(1, 3, 4));
  x.assign(5, 0);
  EXPECT_THAT(model.run({runtime::view<float>({5}, x)})[1].shape(), ::testing::ElementsAre(0, 1));

  std::vector<float> y(5);
  std::vector<std::int64_t> z(5);
  x = {0, 0, 7, 0, 0};
  const runtime::TensorView in = runtime::view<float>({5}, x);
  const runtime::TensorView out[] = {runtime::view<float>({5}, y), runtime::view<std::int64_t>({5, 1}, z)};
  EXPECT_THAT(model.run_into({&in, 1}, out)[1], ::testing::ElementsAre(1, 1));
  EXPECT_EQ(y[0], 14.f);
  EXPECT_EQ(z[0], 2);
}

TEST(RuntimeC, OutputsOfSizesThatDataDecideNeedTheirShapes) {
  const auto file = samples::archive_of({samples::data_plan()});
  aitune_module* model = nullptr;
  ASSERT_EQ(aitune_load_from_memory(file.data(), file.size(), nullptr, &model), AITUNE_OK);
  float x[4] = {1, 0, 0, 2}, y[4] = {};
  std::int64_t z[4] = {};
  const std::int64_t size[] = {4}, pairs[] = {4, 1};
  const aitune_tensor in = {AITUNE_F32, 1, size, nullptr, x};
  const aitune_tensor out[] = {{AITUNE_F32, 1, size, nullptr, y}, {AITUNE_I64, 2, pairs, nullptr, z}};
  std::int64_t largest[2] = {};
  ASSERT_EQ(aitune_output_shape(model, &in, 1, 1, largest), AITUNE_OK);
  EXPECT_EQ(largest[0], 4);
  EXPECT_EQ(aitune_run(model, &in, 1, out, 2), AITUNE_INVALID_ARGUMENT);
  EXPECT_THAT(aitune_last_error(), HasSubstr("aitune_run_shapes"));
  std::int64_t found[2] = {};
  std::int64_t* const shapes[] = {nullptr, found};
  EXPECT_EQ(aitune_run_shapes(model, &in, 1, out, 2, nullptr), AITUNE_INVALID_ARGUMENT);
  ASSERT_EQ(aitune_run_shapes(model, &in, 1, out, 2, shapes), AITUNE_OK);
  EXPECT_THAT(found, ::testing::ElementsAre(2, 1));
  EXPECT_EQ(y[1], 4.f);
  EXPECT_EQ(z[1], 3);
  // Memory for fewer than there may be is refused before anything runs.
  const std::int64_t fewer[] = {2};
  const aitune_tensor small[] = {{AITUNE_F32, 1, fewer, nullptr, y}, out[1]};
  EXPECT_EQ(aitune_run_shapes(model, &in, 1, small, 2, shapes), AITUNE_INVALID_ARGUMENT);
  aitune_free(model);
}

}  // namespace
}  // namespace aitune
