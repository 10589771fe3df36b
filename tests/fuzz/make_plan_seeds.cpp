// Writes the seed corpora of the formats that are our own: make_plan_seeds tests/fuzz. Run it when a format changes.

#include <filesystem>
#include <string>

#include "format/onednn_payload.h"
#include "format/plan_samples.h"
#include "format/source.h"

namespace {

using namespace aitune;

OneDnnPayload payload() {
  OneDnnPayload p;
  p.version = "3.2.0";
  p.src = 0, p.dst = 2, p.bias = 3, p.residual = 4;
  p.posts = {OneDnnPost::residual, OneDnnPost::relu};
  OneDnnPart product, window;
  product.weights = 1;
  product.rows = 4, product.depth = 8, product.columns = 16, product.src_stride = 10, product.dst_stride = 20;
  product.layout = {3, 2, 8, 16};
  window.kind = OneDnnPart::Kind::convolution;
  window.weights = 5;
  window.in_h = 7, window.in_w = 9, window.depth = 3, window.columns = 2, window.kernel_h = window.kernel_w = 3;
  window.layout = {3};
  p.parts = {product, window};
  p.calls = {{0, 5, 6, 7, 8}, {1, 0, 0, 0, 0}};
  return p;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  const std::filesystem::path root(argv[1]);
  const auto put = [&](const char* target, const char* name, const std::vector<std::byte>& bytes) {
    std::filesystem::create_directories(root / target);
    write_file(root / target / name, bytes);
  };
  for (const char* target : {"plan_fuzz", "program_fuzz"}) {
    put(target, "kernels.plan", serialize_plan(samples::kernel_plan()));
    put(target, "reference.plan", serialize_plan(samples::reference_plan()));
    // The operators alone: machine code that a fuzzer has changed may do anything.
    BuiltPlan data = samples::data_plan();
    data.plan.outputs.erase(data.plan.outputs.begin());
    data.plan.buffers[1].index = data.plan.buffers[2].index = 0;
    data.plan.steps.pop_back();
    data.plan.kernels.clear();
    put(target, "data.plan", serialize_plan(data));
    put(target, "control.plan", serialize_plan(samples::control_plan()));
    put(target, "region.plan", serialize_plan(samples::region_plan()));
  }
  put("onednn_payload_fuzz", "two_parts", write_onednn_payload(payload()));
  return 0;
}
