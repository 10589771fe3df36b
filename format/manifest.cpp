#include "format/manifest.h"

#include <algorithm>

#include "format/json_problem.h"
#include "format/manifest_json.h"
#include "format/plan.h"
#include "format/plan_header.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr int kMaxManifestDepth = 64;

/// Maps every item of a list through `write`.
template <typename Items, typename Write>
Json list_of(const Items& items, const Write& write) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(write(item));
  return list;
}

Json object_from_text(const std::string& text, std::string_view what) {
  Json value = Json::parse(text, nullptr, false);
  if (!value.is_object()) throw InternalError(fmt::format("the manifest's {} is not a JSON object", what));
  return value;
}

Json to_json(const SymRanges& ranges) {
  Json object = Json::object();
  for (const auto& [name, range] : ranges) {
    object[name] = {{"min", range.min}};
    object[name]["max"] = range.max == SymRange::kNoMax ? Json(nullptr) : Json(range.max);
  }
  return object;
}

Json to_json(const CpuTarget& t) { return {{"arch", t.arch}, {"features", t.feature_names()}}; }

Json to_json(const ManifestTensor& t) { return {{"name", t.name}, {"dtype", dtype_name(t.dtype)}, {"shape", t.shape}}; }

Json to_json(const Argument& a) {
  Json row = {{"name", a.name}, {"place", a.place}};
  if (a.constant)
    row["constant"] = *a.constant;
  else
    row["input"] = a.input;
  return row;
}

Json to_json(const WrittenInput& w) {
  Json row = {{"input", w.input}, {"output", w.output}};
  if (!w.buffer.empty()) row["buffer"] = w.buffer;
  return row;
}

Json to_json(const ManifestModule& m) {
  const auto tensor = [](const ManifestTensor& t) { return to_json(t); };
  Json module = {{"name", m.name},
                 {"inputs", list_of(m.inputs, tensor)},
                 {"outputs", list_of(m.outputs, tensor)},
                 {"symbols", to_json(m.symbols)}};
  if (!m.arguments.empty()) module["arguments"] = list_of(m.arguments, [](const Argument& a) { return to_json(a); });
  if (!m.written.empty()) module["written"] = list_of(m.written, [](const WrittenInput& w) { return to_json(w); });
  return module;
}

Json to_json(const ManifestPlan& p) {
  Json row = {{"entry", p.entry},
              {"module", p.module},
              {"target", to_json(p.target)},
              {"precision", p.precision},
              {"symbols", to_json(p.symbols)},
              {"head_bytes", p.head_bytes},
              {"head_sha256", to_hex(p.head_sha256)}};
  if (!p.special_of.empty()) row["special_of"] = p.special_of;
  if (!p.constants_of.empty()) row["constants_of"] = p.constants_of;
  return row;
}

Json to_json(const ManifestEntry& e) { return {{"name", e.name}, {"size", e.size}, {"sha256", to_hex(e.sha256)}}; }

Json to_json(const ManifestSample& s) {
  Json row = {{"module", s.module}, {"inputs", s.inputs}, {"outputs", s.outputs}};
  if (!s.unsettled.empty()) row["unsettled"] = s.unsettled;
  return row;
}

SymRanges read_ranges(const JsonField& field) {
  SymRanges ranges;
  field.members([&](const std::string& name, const JsonField& item) {
    const auto max = item["max"];
    ranges[name] = {item["min"].integer(0), max.value().is_null() ? SymRange::kNoMax : max.integer(0)};
  });
  return ranges;
}

CpuTarget read_target(const JsonField& field) {
  CpuTarget target;
  target.arch = field["arch"].string();
  for (const auto& feature : field["features"].items([](const JsonField& f) { return f.string(); })) {
    if (feature == "avx2")
      target.avx2_fma = true;
    else if (feature == "avx512")
      target.avx512 = true;
    else if (feature == "avx512_vnni")
      target.avx512_vnni = true;
    else if (feature == "avx512_bf16")
      target.avx512_bf16 = true;
    else if (feature == "amx_bf16")
      target.amx_bf16 = true;
    // An unknown feature makes a target that no machine known to this version is: the plan must not be taken.
    else
      target.arch += "+" + feature;
  }
  return target;
}

ManifestTensor read_tensor(const JsonField& field) {
  const auto dtype = parse_dtype(field["dtype"].string());
  if (!dtype) field["dtype"].refuse("a dtype");
  return {field["name"].string(), *dtype, field["shape"].items([](const JsonField& f) { return f.string(); })};
}

Argument read_argument(const JsonField& field) {
  Argument argument{field["name"].string(), field["place"].string(), {}, {}};
  if (field.has("constant"))
    argument.constant = field["constant"].number();
  else
    argument.input = field["input"].string();
  return argument;
}

WrittenInput read_written(const JsonField& field) {
  return {field["input"].string(), field["output"].string(), field.has("buffer") ? field["buffer"].string() : ""};
}

ManifestModule read_module(const JsonField& field) {
  ManifestModule module{field["name"].string(),
                        field["inputs"].items(read_tensor),
                        field["outputs"].items(read_tensor),
                        read_ranges(field["symbols"]),
                        {},
                        {}};
  if (field.has("arguments")) module.arguments = field["arguments"].items(read_argument);
  if (field.has("written")) module.written = field["written"].items(read_written);
  return module;
}

ManifestPlan read_plan_row(const JsonField& field) {
  ManifestPlan plan;
  plan.entry = field["entry"].string();
  plan.module = field["module"].string();
  plan.target = read_target(field["target"]);
  plan.precision = field["precision"].string();
  plan.symbols = read_ranges(field["symbols"]);
  plan.head_bytes = static_cast<std::uint64_t>(field["head_bytes"].integer(0));
  plan.head_sha256 = parse_sha256(field["head_sha256"].string());
  if (field.has("special_of")) plan.special_of = field["special_of"].string();
  if (field.has("constants_of")) plan.constants_of = field["constants_of"].string();
  return plan;
}

ManifestEntry read_entry(const JsonField& field) {
  return {field["name"].string(), static_cast<std::uint64_t>(field["size"].integer(0)),
          parse_sha256(field["sha256"].string())};
}

ManifestSample read_sample(const JsonField& field) {
  ManifestSample sample{field["module"].string(), field["inputs"].string(), field["outputs"].string()};
  if (field.has("unsettled"))
    sample.unsettled = field["unsettled"].items([](const JsonField& name) { return name.string(); });
  return sample;
}

/// The document, with its nesting limited. Throws Corrupt.
Json parse_document(std::string_view text) {
  if (text.size() > kMaxBytes) throw Corrupt(fmt::format("it has {} bytes, more than {}", text.size(), kMaxBytes));
  const auto limit_depth = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxManifestDepth) throw Corrupt(fmt::format("it nests deeper than {} levels", kMaxManifestDepth));
    return true;
  };
  try {
    return Json::parse(text, limit_depth);
  } catch (const Json::exception& e) {
    throw Corrupt(fmt::format("it is not JSON: {}", json_problem(e)));
  }
}

Manifest read_document(std::string_view text) {
  const Json document = parse_document(text);
  const JsonField root(document, "");
  Manifest m;
  m.major = static_cast<int>(std::min<std::int64_t>(root["format"]["major"].integer(1), INT32_MAX));
  m.minor = static_cast<int>(std::min<std::int64_t>(root["format"]["minor"].integer(0), INT32_MAX));
  if (m.major > Manifest::kMajor) {
    throw Incompatible(fmt::format("the file has format version {}.{}, and this aitune reads up to {}.x", m.major,
                                   m.minor, Manifest::kMajor),
                       {}, "Install a newer aitune, or tune the model again with this one");
  }
  m.aitune_version = root["aitune_version"].string();
  m.name = root["name"].string();
  m.portable = root["portable"].boolean();
  if (root.has("stripped")) m.stripped = root["stripped"].boolean();
  m.modules = root["modules"].items(read_module);
  m.plans = root["plans"].items(read_plan_row);
  m.entries = root["entries"].items(read_entry);
  m.samples = root["samples"].items(read_sample);
  root["bounds"].members([&](const std::string& precision, const JsonField& f) { m.bounds[precision] = f.number(); });
  if (!root["config"].value().is_object()) root["config"].refuse("an object");
  if (!root["measured"].value().is_object()) root["measured"].refuse("an object");
  m.config = root["config"].value().dump();
  m.measured = root["measured"].value().dump();
  return m;
}

}  // namespace

std::string Manifest::to_json() const {
  Json root = {{"format", {{"major", major}, {"minor", minor}}},
               {"aitune_version", aitune_version},
               {"name", name},
               {"portable", portable}};
  if (stripped) root["stripped"] = true;
  const auto write = [](const auto& item) { return aitune::to_json(item); };
  root["modules"] = list_of(modules, write);
  root["plans"] = list_of(plans, write);
  root["entries"] = list_of(entries, write);
  root["samples"] = list_of(samples, write);
  root["bounds"] = Json::object();
  for (const auto& [precision, bound] : bounds) root["bounds"][precision] = bound;
  root["config"] = object_from_text(config, "config");
  root["measured"] = object_from_text(measured, "measured");
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Manifest Manifest::from_json(std::string_view text, std::string_view where) {
  try {
    return read_document(text);
  } catch (const Error& e) {
    throw_error(e.code(), fmt::format("the manifest cannot be used: {}", e.problem()), std::string(where), e.fix());
  } catch (const Json::exception& e) {
    throw Corrupt(fmt::format("the manifest cannot be used: {}", json_problem(e)), std::string(where));
  }
}

bool Manifest::is_set(std::string_view setting) const {
  const Json json = Json::parse(config, nullptr, false);
  const auto settings = json.is_object() ? json.find("compile_config") : json.end();
  if (settings == json.end() || !settings->is_object()) return false;
  const auto found = settings->find(std::string(setting));
  return found != settings->end() && found->is_boolean() && found->get<bool>();
}

const ManifestModule* Manifest::find_module(std::string_view wanted) const {
  const auto it = std::ranges::find(modules, wanted, &ManifestModule::name);
  return it == modules.end() ? nullptr : &*it;
}

const ManifestEntry* Manifest::find_entry(std::string_view wanted) const {
  const auto it = std::ranges::find(entries, wanted, &ManifestEntry::name);
  return it == entries.end() ? nullptr : &*it;
}

ManifestPlan describe_plan(std::string entry, std::string module, std::span<const std::byte> bytes) {
  const LoadedPlan loaded = read_plan(bytes, entry, PlanChecksums::all_but_constants);
  ManifestPlan row;
  row.head_bytes = plan_head_bytes(read_plan_header(bytes, entry));
  row.head_sha256 = sha256(bytes.first(row.head_bytes));
  row.entry = std::move(entry);
  row.module = std::move(module);
  row.target = loaded.plan.target;
  row.precision = loaded.plan.precision;
  for (const PlanSymbol& s : loaded.plan.symbols) row.symbols[s.name] = s.range;
  return row;
}

}  // namespace aitune
