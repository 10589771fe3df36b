#include "runtime/sample_archive.h"

#include <fmt/format.h>

#include "format/tensor_bytes.h"
#include "format/zip_writer.h"

namespace aitune::samples {

std::vector<std::byte> archive_of(const std::vector<BuiltPlan>& plans, const std::function<void(Manifest&)>& edit,
                                  const std::vector<Tensor>& buffers) {
  MemorySink sink;
  ZipWriter zip(sink, "digits");
  Manifest manifest;
  manifest.aitune_version = "0.1.0";
  manifest.name = "digits";
  const Plan& first = plans.at(0).plan;
  ManifestModule module{"digits", {}, {}, {{"s0", {1, 16}}}};
  for (const PlanTensor& t : first.inputs) module.inputs.push_back({t.name, t.dtype, {"s0", "4"}});
  for (const PlanTensor& t : first.outputs) module.outputs.push_back({t.name, t.dtype, {"s0", "4"}});
  manifest.modules = {std::move(module)};
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto name = fmt::format("{}{}.plan", kPlanFolder, i);
    const auto bytes = serialize_plan(plans[i]);
    zip.add(name, bytes);
    manifest.plans.push_back(describe_plan(name, "digits", bytes));
    if (plans[i].plan.shared_constants != 0) manifest.plans.back().special_of = manifest.plans.front().entry;
    manifest.entries.push_back({name, bytes.size(), sha256(bytes)});
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const auto name = fmt::format("{}{}", kBufferFolder, i);
    const auto bytes = contiguous_bytes(buffers[i]);
    zip.add(name, bytes);
    manifest.entries.push_back({name, bytes.size(), sha256(bytes)});
  }
  edit(manifest);
  const auto text = manifest.to_json();
  zip.add(kManifestEntry, text);
  zip.add(kManifestDigestEntry, to_hex(sha256(as_byte_span(text))) + "\n");
  zip.finish();
  return sink.take();
}

}  // namespace aitune::samples
