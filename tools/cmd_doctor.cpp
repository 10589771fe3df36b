// aitune doctor: what this machine has.

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "aitune/version.h"
#include "base/error.h"
#include "base/target.h"
#include "engines/cpu/run/onednn_library.h"
#include "tools/commands.h"
#include "tools/compiler_program.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct EngineFact {
  std::string name, state;
};

std::vector<EngineFact> engines() {
  const bool compiler = !compiler_program().empty();
  const bool avx2 = host_cpu().avx2_fma;
  return {{"reference", "ready"},
          {"cpu", !avx2      ? "not here: the CPU has no AVX2 and FMA"
                  : compiler ? "ready to tune and to run"
                             : "ready to run; the compiler (aitune-tune) is not installed"},
          {"cuda", "not in this version"},
          {"tensorrt", "not in this version"}};
}

std::string onednn_state() {
  try {
    const auto library = cpu::OneDnn::open();
    return fmt::format("found {} at {}", library->version(), library->path());
  } catch (const Unavailable& e) {
    return fmt::format("not found: {}", e.problem());
  }
}

void doctor(const Common& common) {
  const CpuTarget& cpu = host_cpu();
  if (common.json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& e : engines()) list.push_back({{"engine", e.name}, {"state", e.state}});
    print_json({{"aitune", kVersion},
                {"cpu", host_cpu_name()},
                {"arch", cpu.arch},
                {"features", cpu.feature_names()},
                {"cpus", host_cpu_count()},
                {"compiler", compiler_program()},
                {"onednn", onednn_state()},
                {"engines", list}});
    return;
  }
  fmt::print("aitune {}\nCPU: {} ({} usable), {}\n", kVersion, host_cpu_name(), host_cpu_count(), cpu.str());
  fmt::print("compiler: {}\n", compiler_program().empty() ? "not installed" : compiler_program());
  fmt::print("oneDNN: {}\n", onednn_state());
  for (const auto& e : engines()) fmt::print("engine {}: {}\n", e.name, e.state);
}

}  // namespace

void add_doctor_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("doctor", "Show what this machine has, and which engines work here");
  add_common_options(*command, common);
  command->callback([&common] { doctor(common); });
}

}  // namespace aitune::tools
