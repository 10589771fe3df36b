#include "compiler/tuning/artifact.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "aitune/version.h"
#include "base/error.h"
#include "compiler/import/pickle/torch_pickle.h"
#include "format/manifest.h"
#include "format/safetensors.h"
#include "format/source.h"
#include "format/tensor_bytes.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"

namespace aitune {
namespace {

/// Of all entries. PyTorch takes any; the file's own name would make two files of one content differ.
constexpr std::string_view kTopFolder = "model";

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TorchValue plain_value(const TorchFile& file, const PickleValue& value) {
  if (TorchFile::is_tensor(value)) return TorchValue::of(file.tensor(value));
  TorchValue out;
  const auto children = [&] {
    std::vector<TorchValue> items;
    for (const PickleValue* item : value.items) items.push_back(plain_value(file, *item));
    return items;
  };
  switch (value.kind) {
    case PickleKind::none:
      return out;
    case PickleKind::boolean:
      return TorchValue::of(value.boolean);
    case PickleKind::integer:
      return TorchValue::of(value.integer);
    case PickleKind::real:
      return TorchValue::of(value.real);
    case PickleKind::string:
      return TorchValue::of(value.text);
    case PickleKind::list:
      return TorchValue::list(children());
    case PickleKind::tuple:
      return TorchValue::tuple(children());
    case PickleKind::dict: {
      std::vector<std::pair<std::string, TorchValue>> fields;
      for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
        if (!value.items[i]->is(PickleKind::string)) throw Unsupported("a dict whose keys are not strings");
        fields.emplace_back(value.items[i]->text, plain_value(file, *value.items[i + 1]));
      }
      return TorchValue::dict(std::move(fields));
    }
    case PickleKind::call:
      // An OrderedDict is a dict here; anything else has no plain form.
      if (value.text == "collections.OrderedDict") return TorchValue::dict({});
      break;
    default:
      break;
  }
  throw Unsupported("a value that is neither a tensor nor a plain container");
}

/// Collects entries with their digests as they are written.
class EntryWriter {
 public:
  EntryWriter(ZipWriter& zip, Manifest& manifest) : zip_(zip), manifest_(manifest) {}
  void add(std::string_view name, std::span<const std::byte> bytes) {
    zip_.add(name, bytes);
    manifest_.entries.push_back({std::string(name), bytes.size(), sha256(bytes)});
  }

 private:
  ZipWriter& zip_;
  Manifest& manifest_;
};

ManifestTensor manifest_tensor(const std::string& name, const TensorType& type) {
  ManifestTensor tensor{name, type.dtype, {}};
  for (const auto& size : type.shape) tensor.shape.push_back(size.str());
  return tensor;
}

const std::string& output_name(const Graph& graph, std::size_t i) {
  return i < graph.output_names.size() ? graph.output_names[i] : graph.outputs[i]->name;
}

/// Whether an argument is called in another way than the input that it is.
bool says_more(const Graph& graph, const std::vector<Argument>& arguments) {
  if (arguments.size() != graph.inputs.size()) return true;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].name != graph.inputs[i]->name || arguments[i].place != std::to_string(i)) return true;
  return false;
}

ManifestModule describe_module(const std::string& name, const ImportedModel& model) {
  const Graph& graph = model.graph;
  ManifestModule module;
  module.name = name;
  for (const Value* input : graph.inputs) module.inputs.push_back(manifest_tensor(input->name, input->type));
  for (std::size_t i = 0; i < graph.outputs.size(); ++i)
    module.outputs.push_back(manifest_tensor(output_name(graph, i), graph.outputs[i]->type));
  module.symbols = graph.symbols;
  if (says_more(graph, model.arguments)) module.arguments = model.arguments;
  module.written = model.written;
  return module;
}

void add_program(EntryWriter& writer, const ArtifactContents& contents) {
  for (const auto& entry : contents.model.portable) {
    if (entry.name.ends_with(".pt")) {
      try {
        writer.add(entry.name, repickle(entry.bytes, entry.name, contents.pickle_protocol));
        continue;
      } catch (const Unsupported&) {
        // refused: plain data that torch.save has another form for stays as PyTorch wrote it
      }
    }
    writer.add(entry.name, entry.bytes);
  }
}

void add_buffers(EntryWriter& writer, const ImportedModel& model) {
  for (std::size_t i = 0; i < model.written.size(); ++i) {
    if (model.written[i].buffer.empty()) continue;
    const auto found = std::ranges::find(model.buffers, model.written[i].input, &NamedTensors::value_type::first);
    const Tensor value = found->second.contiguous();
    writer.add(fmt::format("{}{}", kBufferFolder, i), contiguous_bytes(value));
  }
}

void add_samples(EntryWriter& writer, const ArtifactContents& contents, Manifest& manifest) {
  const Graph& graph = contents.model.graph;
  for (std::size_t s = 0; s < contents.tuned.samples.size(); ++s) {
    const auto write = [&](const std::string& entry, const NamedTensors& tensors) {
      MemorySink sink;
      write_safetensors(sink, tensors);
      writer.add(entry, sink.bytes());
      return entry;
    };
    NamedTensors inputs, outputs;
    for (std::size_t i = 0; i < graph.inputs.size(); ++i)
      inputs.emplace_back(graph.inputs[i]->name, contents.tuned.samples[s].inputs[i]);
    std::vector<std::string> unsettled;
    const auto& left_out = contents.tuned.samples[s].unsettled;
    for (std::size_t i = 0; i < graph.outputs.size(); ++i)
      if (std::ranges::find(left_out, i) == left_out.end())
        outputs.emplace_back(output_name(graph, i), contents.tuned.samples[s].outputs[i]);
      else
        unsettled.push_back(output_name(graph, i));
    const std::string base = std::string(kSampleFolder) + std::to_string(s);
    if (s == 0 && !contents.tuned.block_outputs.empty() && !contents.stripped)
      write(base + ".blocks.safetensors", contents.tuned.block_outputs);
    manifest.samples.push_back({contents.name, write(base + ".inputs.safetensors", inputs),
                                write(base + ".outputs.safetensors", outputs), std::move(unsettled)});
  }
}

/// The sizes of inputs that a special plan serves, by the general one's symbols.
SymRanges served_by(const Plan& special, const Plan& general) {
  SymRanges ranges;
  for (const PlanSymbol& symbol : general.symbols) {
    if (symbol.data) continue;
    const std::int64_t size = special.exprs[special.inputs[symbol.input].shape[symbol.dim]].value;
    const std::int64_t value = symbol_value(symbol, size);
    ranges[symbol.name] = {value, value};
  }
  return ranges;
}

void add_special_plans(EntryWriter& writer, const ArtifactContents& contents, Manifest& manifest) {
  const TunedModel& tuned = contents.tuned;
  for (std::size_t i = 0; i < tuned.specials.size(); ++i) {
    const auto plan = serialize_plan(tuned.specials[i]);
    const std::string entry = fmt::format("{}{}-{}.special{}.plan", kPlanFolder, contents.name, tuned.report.chosen, i);
    writer.add(entry, plan);
    ManifestPlan row = describe_plan(entry, contents.name, plan);
    row.special_of = manifest.plans.front().entry;
    row.symbols.merge(served_by(tuned.specials[i].plan, tuned.plan.plan));
    manifest.plans.push_back(std::move(row));
  }
}

/// Behind the chosen plan, which machines that can run it prefer.
void add_other_plans(EntryWriter& writer, const ArtifactContents& contents, Manifest& manifest) {
  const std::string chosen = manifest.plans.front().entry;
  for (const OtherPlan& other : contents.tuned.others) {
    const auto plan = serialize_plan(other.plan);
    const std::string entry =
        fmt::format("{}{}-{}.{}.plan", kPlanFolder, contents.name, other.plan.plan.precision, other.level);
    writer.add(entry, plan);
    ManifestPlan row = describe_plan(entry, contents.name, plan);
    if (other.plan.plan.shared_constants != 0) row.constants_of = chosen;
    manifest.plans.push_back(std::move(row));
    manifest.bounds.try_emplace(other.plan.plan.precision, other.bound);
  }
}

void add_plans(EntryWriter& writer, const ArtifactContents& contents, Manifest& manifest) {
  const auto plan = serialize_plan(contents.tuned.plan);
  const std::string entry = std::string(kPlanFolder) + contents.name + "-" + contents.tuned.report.chosen + ".plan";
  writer.add(entry, plan);
  manifest.plans.push_back(describe_plan(entry, contents.name, plan));
  add_special_plans(writer, contents, manifest);
  add_other_plans(writer, contents, manifest);
}

/// Whether every part of the path is a name of its own.
bool is_relative_name(std::string_view name) {
  if (name.empty() || name.find_first_of(std::string_view("\\\0", 2)) != std::string_view::npos) return false;
  while (true) {
    const auto slash = std::min(name.find('/'), name.size());
    const auto part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == name.size()) return true;
    name.remove_prefix(slash + 1);
  }
}

void add_extra(EntryWriter& writer, const std::map<std::string, std::string>& extra) {
  for (const auto& [name, text] : extra) {
    const std::string entry = "extra/" + name;
    if (!is_relative_name(name) || entry == kManifestEntry || entry == kManifestDigestEntry)
      throw InvalidArgument(fmt::format("an extra file cannot be called '{}'", name), "save",
                            "Give a relative path without . and .., and not that of the manifest");
    writer.add(entry, as_bytes(text));
  }
}

}  // namespace

void check_program(ImportedModel& model, const std::filesystem::path& file) {
  const ZipReader zip = ZipReader::open(file);
  for (const ZipEntry& entry : zip.entries())
    if (!entry.deflated) zip.verify_crc(entry);  // inflating checks the others
  for (const auto& entry : model.portable) {
    if (!entry.name.ends_with(".pt")) continue;
    try {
      const TorchFile pickled(entry.bytes, file.string() + "/" + entry.name, nullptr);
      static_cast<void>(pickled.named_tensors());  // their checksums, too
    } catch (const Unsupported& error) {
      if (!entry.name.starts_with("data/sample_inputs/")) throw;
      model.warnings.push_back(fmt::format(
          "the program's example inputs are no plain data ({}), so that the file goes without the program: it "
          "runs where its plan fits, and cannot be compiled again for other machines. Set "
          "program.example_inputs = None before torch.export.save to keep it",
          error.problem()));
      model.portable.clear();
      return;
    }
  }
}

std::vector<std::byte> repickle(std::span<const std::byte> file, const std::string& where, int protocol) {
  const TorchFile source(file, where, nullptr);
  MemorySink sink;
  write_torch_file(sink, plain_value(source, source.root()), protocol);
  return sink.take();
}

void write_artifact(const std::filesystem::path& path, const ArtifactContents& contents) {
  Manifest manifest;
  manifest.aitune_version = kVersion;
  manifest.name = contents.name;
  manifest.portable = contents.portable && !contents.stripped;
  manifest.stripped = contents.stripped;
  manifest.modules.push_back(describe_module(contents.name, contents.model));
  manifest.config = contents.config;
  manifest.measured = contents.tuned.report.to_json();
  manifest.bounds[contents.tuned.plan.plan.precision] = contents.bound;

  AtomicFile file(path);
  ZipWriter zip(file, kTopFolder);
  EntryWriter writer(zip, manifest);
  if (!contents.stripped) {
    if (contents.portable) add_program(writer, contents);
    add_plans(writer, contents, manifest);
  }
  Decisions decisions = contents.tuned.decisions;
  decisions.name = contents.name;
  decisions.config = contents.config;
  decisions.measured = manifest.measured;
  writer.add(kDecisionsEntry, as_bytes(decisions.to_json()));
  add_samples(writer, contents, manifest);
  add_buffers(writer, contents.model);
  add_extra(writer, contents.extra);
  const std::string text = manifest.to_json();
  zip.add(kManifestEntry, text);
  zip.add(kManifestDigestEntry, to_hex(sha256(as_bytes(text))));
  zip.finish();
  file.commit();
}

}  // namespace aitune
