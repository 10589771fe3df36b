// The guide's Quick Start in C++, on a small network that was trained to read handwritten digits.
//
//   quickstart tune digits.pt2 digits_test.npz digits.ait   tunes on the first images, saves
//   quickstart run digits.ait digits_test.npz               loads in this fresh process, runs all images
//
// digits.pt2 was written by torch.export.save (train_digits.py); neither command needs PyTorch.

#include <aitune/aitune.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

using aitune::NamedTensors;
using aitune::Tensor;

struct Digits {
  Tensor images;  // f32 [n, 1, 8, 8]
  Tensor labels;  // i64 [n]
};

Digits read_digits(const std::string& path) {
  Digits digits;
  for (auto& [name, tensor] : aitune::read_tensors(path)) {
    if (name == "images") digits.images = tensor;
    if (name == "labels") digits.labels = tensor;
  }
  if (!digits.images.defined() || !digits.labels.defined())
    throw aitune::InvalidArgument("it holds no images and labels", path);
  return digits;
}

/// Images [first, first + count) as one batch.
Tensor batch(const Tensor& images, std::int64_t first, std::int64_t count) {
  const auto row = static_cast<std::int64_t>(images.byte_size()) / images.size(0);
  return Tensor(images.dtype(), {count, 1, 8, 8}, images.strides(), images.owner(), images.data() + first * row);
}

/// Share of images whose largest score is their label's.
double accuracy(aitune::Module& model, const Digits& digits) {
  const std::int64_t n = digits.labels.size(0), step = 64;
  std::int64_t right = 0;
  for (std::int64_t first = 0; first < n; first += step) {
    const std::int64_t count = std::min(step, n - first);
    const auto scores = model(std::vector<Tensor>{batch(digits.images, first, count)}).front();
    for (std::int64_t i = 0; i < count; ++i) {
      const float* row = scores.as<float>() + i * scores.size(1);
      const auto best = std::max_element(row, row + scores.size(1)) - row;
      right += best == digits.labels.as<std::int64_t>()[first + i];
    }
  }
  return static_cast<double>(right) / static_cast<double>(n);
}

int tune_and_save(const std::string& source, const std::string& data, const std::string& output) {
  const Digits digits = read_digits(data);

  aitune::TorchTensorRTAotBackendConfig config;
  config.ir = aitune::IRType::dynamo;
  config.compile_config.enabled_precisions = {aitune::DType::f32};
  config.compile_config.min_block_size = 1;
  const aitune::TorchTensorRTAotBackend backend(config);
  const aitune::OneBackendStrategy strategy(backend);

  // Before: the reference engine alone, as accurate as PyTorch and slow.
  aitune::TorchTensorRTAotBackendConfig plain = config;
  plain.compile_config.engine = "reference";
  aitune::Module before(source, "digits", aitune::OneBackendStrategy(aitune::TorchTensorRTAotBackend(plain)));
  const std::vector<NamedTensors> samples = {{{"0", batch(digits.images, 0, 1)}}, {{"0", batch(digits.images, 1, 16)}}};
  aitune::tune(before, samples);

  aitune::Module model(source, "digits", strategy);
  const aitune::TuneReport report = aitune::tune(model, samples);
  aitune::save(model, output);

  std::printf("accuracy before tuning %.2f %%, after %.2f %%\n", 100 * accuracy(before, digits),
              100 * accuracy(model, digits));
  std::printf("one image: %.1f us before, %.1f us after; relative error %.1e; tuned in %.1f s\n",
              1e3 * report.baseline_milliseconds, 1e3 * report.milliseconds, report.worst_error, report.seconds);
  std::printf("saved %s\n", output.c_str());
  return 0;
}

int load_and_run(const std::string& path, const std::string& data) {
  const auto start = std::chrono::steady_clock::now();
  aitune::Module model("digits");
  aitune::load(model, path);
  const Digits digits = read_digits(data);
  model(std::vector<Tensor>{batch(digits.images, 0, 1)});
  const std::chrono::duration<double, std::milli> first = std::chrono::steady_clock::now() - start;
  std::printf("loaded in a fresh process: first answer after %.1f ms, accuracy %.2f %%\n", first.count(),
              100 * accuracy(model, digits));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 5 && std::strcmp(argv[1], "tune") == 0) return tune_and_save(argv[2], argv[3], argv[4]);
    if (argc == 4 && std::strcmp(argv[1], "run") == 0) return load_and_run(argv[2], argv[3]);
    std::fprintf(stderr, "usage: quickstart tune MODEL.pt2 DATA.npz OUT.ait | quickstart run MODEL.ait DATA.npz\n");
    return 1;
  } catch (const aitune::Error& error) {
    std::fprintf(stderr, "quickstart: %s\n", error.what());
    return 1;
  }
}
