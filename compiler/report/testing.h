#pragma once
// For tests of reports: the digits network of the quickstart, tuned.

#include <filesystem>
#include <string>
#include <vector>

#include "aitune/aitune.hpp"
#include "format/test_folder.h"

namespace aitune {

inline std::filesystem::path digits_model() {
  return std::filesystem::path(AITUNE_SOURCE_DIR) / "examples" / "quickstart" / "digits.pt2";
}

/// One image, by its position.
inline NamedTensors digits_sample() {
  const Tensor image(DType::f32, {1, 1, 8, 8});
  for (int i = 0; i < 64; ++i) image.as<float>()[i] = static_cast<float>(i % 17) / 16;
  return {{"0", image}};
}

/// Tuned once for all tests of a process, as quickly as it goes.
inline const std::filesystem::path& tuned_digits() {
  static const TestFolder folder;
  static const std::filesystem::path path = [] {
    TorchTensorRTAotBackendConfig config;
    config.compile_config.optimization_level = 0;
    config.compile_config.timing_cache_path = "none";
    config.compile_config.num_threads = 1;
    Module module(digits_model(), "digits", OneBackendStrategy{TorchTensorRTAotBackend{config}});
    const std::vector<NamedTensors> samples = {digits_sample()};
    tune(module, samples);
    save(module, folder / "digits.ait");
    return folder / "digits.ait";
  }();
  return path;
}

}  // namespace aitune
