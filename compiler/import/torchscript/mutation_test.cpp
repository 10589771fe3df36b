// Sources that were shuffled at random: refused as an Error, or a graph that verifies. What the fuzz target looks for,
// in seconds; AITUNE_MUTATIONS=N tries more.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/error.h"
#include "compiler/import/torchscript/import.h"
#include "compiler/import/torchscript/testing.h"
#include "format/source.h"

namespace aitune::torchscript {
namespace {

std::vector<std::string> split(const std::string& text, std::string_view separators) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    const bool cut = separators.find(c) != std::string_view::npos;
    if (cut) parts.emplace_back();
    parts.back() += c;
    if (cut) parts.emplace_back();
  }
  return parts;
}

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::uint32_t seed) : seeds_(std::move(seeds)), random_(seed) {}

  std::string next() {
    std::string text = pick(seeds_);
    for (std::size_t edits = 1 + random_() % 4; edits > 0; --edits) text = edit(text);
    return text;
  }

 private:
  const std::string& pick(const std::vector<std::string>& from) { return from[random_() % from.size()]; }

  // Lines or tokens are left out, doubled, swapped, or taken from another seed; or a byte changes.
  std::string edit(const std::string& text) {
    if (random_() % 8 == 0 && !text.empty()) {
      std::string changed = text;
      changed[random_() % changed.size()] ^= static_cast<char>(1 << random_() % 8);
      return changed;
    }
    const std::string_view separators = random_() % 2 == 0 ? "\n" : "\n ,()[].:=";
    std::vector<std::string> parts = split(text, separators);
    const std::size_t at = random_() % parts.size();
    switch (random_() % 4) {
      case 0:
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 1:
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(random_() % parts.size()), std::string(parts[at]));
        break;
      case 2:
        std::swap(parts[at], parts[random_() % parts.size()]);
        break;
      default:
        parts[at] = pick(split(pick(seeds_), separators));
    }
    std::string joined;
    for (const auto& part : parts) joined += part;
    return joined;
  }

  std::vector<std::string> seeds_;
  std::mt19937 random_;
};

TEST(TorchScriptMutations, AreRefusedOrVerify) {
  std::vector<std::string> seeds;
  const std::filesystem::path folder = fmt::format("{}/tests/fuzz/torchscript_fuzz", AITUNE_SOURCE_DIR);
  for (const auto& file : std::filesystem::directory_iterator(folder)) seeds.push_back(read_file(file.path()));
  ASSERT_FALSE(seeds.empty());
  const NamedTensors samples[] = {sample_of(2), sample_of(5)};
  for (const std::string& text : seeds) {
    SCOPED_TRACE(text);
    try {
      verify(import_torchscript(make_archive(text), "seed", samples).model.graph, "import");
    } catch (const Unsupported& error) {
      EXPECT_NE(std::string_view(error.what()).find("keeps state"), std::string_view::npos) << error.what();
    }
  }

  const char* wanted = std::getenv("AITUNE_MUTATIONS");
  const int count = wanted != nullptr ? std::atoi(wanted) : 1000;
  const auto seed = std::random_device{}();
  Mutator mutator(seeds, seed);
  int taken = 0;
  for (int i = 0; i < count; ++i) {
    const std::string text = mutator.next();
    SCOPED_TRACE(fmt::format("seed {}, mutation {}:\n{}", seed, i, text));
    try {
      const ImportedScript imported = import_torchscript(make_archive(text), "mutation", samples);
      verify(imported.model.graph, "import");
      ++taken;
    } catch (const Error& error) {
      ASSERT_NE(error.code(), ErrorCode::internal) << error.what();
    }
  }
  fmt::print("{} of {} mutations were taken\n", taken, count);
}

}  // namespace
}  // namespace aitune::torchscript
