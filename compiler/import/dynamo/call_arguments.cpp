#include "compiler/import/dynamo/call_arguments.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

namespace aitune::dynamo {
namespace {

using Json = nlohmann::json;
constexpr int kMaxDepth = 20;
constexpr std::size_t kMaxLeaves = 10'000;

/// A leaf of the call's tree: "3.key" is ("3", {"key"}); a keyword argument has no position.
struct Leaf {
  std::string root;
  std::vector<std::string> keys;
  bool keyword = false;
};

const Json* member(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? nullptr : &*found;
}

/// The keys of a node's children: those of a dict, or their positions.
std::vector<std::string> keys_of(const Json& node, std::size_t count) {
  std::vector<std::string> keys;
  const Json *type = member(node, "type"), *context = member(node, "context");
  if (type != nullptr && context != nullptr && context->is_string() &&
      (*type == "builtins.dict" || *type == "collections.OrderedDict")) {
    const Json names = Json::parse(context->get_ref<const std::string&>(), nullptr, false);
    if (names.is_array() && names.size() == count)
      for (const Json& name : names) keys.push_back(name.is_string() ? name.get<std::string>() : name.dump());
  }
  for (std::size_t i = keys.size(); i < count; ++i) keys.push_back(std::to_string(i));
  return keys;
}

/// False where the tree is none, or too large.
bool add_leaves(const Json& node, Leaf& path, std::vector<Leaf>& leaves, int depth) {
  const Json *type = member(node, "type"), *children = member(node, "children_spec");
  if (children == nullptr || !children->is_array() || depth > kMaxDepth) return false;
  if (type == nullptr || type->is_null()) {
    leaves.push_back(path);
    return leaves.size() <= kMaxLeaves;
  }
  const auto keys = keys_of(node, children->size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    path.keys.push_back(printable(keys[i], 100));
    if (!add_leaves((*children)[i], path, leaves, depth + 1)) return false;
    path.keys.pop_back();
  }
  return true;
}

std::optional<std::vector<Leaf>> leaves_of(std::string_view in_spec) {
  const Json document = Json::parse(in_spec, nullptr, false);
  const Json* root = document.is_array() && document.size() == 2 ? &document[1] : nullptr;
  const Json* both = root == nullptr ? nullptr : member(*root, "children_spec");  // arguments, and keyword arguments
  if (both == nullptr || !both->is_array() || both->size() != 2) return std::nullopt;
  std::vector<Leaf> leaves;
  for (const bool keyword : {false, true}) {
    const Json& node = (*both)[keyword ? 1 : 0];
    const Json* children = member(node, "children_spec");
    if (children == nullptr || !children->is_array()) return std::nullopt;
    const auto keys = keys_of(node, children->size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      Leaf path{printable(keys[i], 100), {}, keyword};
      if (!add_leaves((*children)[i], path, leaves, 0)) return std::nullopt;
    }
  }
  return leaves;
}

/// An input as the signature has it.
struct SignatureInput {
  std::string name;
  bool tensor = false;
  std::optional<double> constant;
};

std::optional<double> constant_number(const JsonView& argument) {
  const auto [kind, value] = argument.tagged();
  // PyTorch 2.5 writes {"as_int": true}.
  if (value.is_boolean()) return value.boolean() ? 1 : 0;
  if (kind == "as_int") return static_cast<double>(value.integer());
  if (kind == "as_float") return value.number();
  return std::nullopt;
}

std::vector<SignatureInput> rows_of(const JsonView& signature) {
  std::vector<SignatureInput> rows;
  for (const JsonView& item : signature.at("input_specs").items()) {
    const auto [kind, spec] = item.tagged();
    if (kind == "user_input") {
      const JsonView argument = spec.at("arg");
      const auto [type, value] = argument.tagged();
      std::string name;  // of an input of the program
      if (type == "as_tensor") name = value.at("name").string();
      if (type.starts_with("as_sym_"))  // a number that calls differ in
        if (const auto [inner, text] = value.tagged(); inner == "as_name") name = text.string();
      const bool tensor = !name.empty();
      rows.push_back({std::move(name), tensor, tensor ? std::nullopt : constant_number(argument)});
    } else if (kind == "constant_input") {
      rows.push_back({spec.at("name").string(), false, constant_number(spec.at("value"))});
    }
  }
  return rows;
}

/// torch.export joins the name of the parameter and the keys to it by underscores: "d_key" is "d.key".
std::string dotted(const std::string& name, const std::vector<std::string>& keys) {
  std::string flat, parts;
  for (const std::string& key : keys) {
    flat += "_" + key;
    parts += "." + key;
  }
  return name.ends_with(flat) && name.size() > flat.size() ? name.substr(0, name.size() - flat.size()) + parts : name;
}

std::string joined(std::string text, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) text += "." + key;
  return text;
}

}  // namespace

std::vector<Argument> call_arguments(const JsonView& signature, std::string_view in_spec) {
  const std::vector<SignatureInput> rows = rows_of(signature);
  auto leaves = leaves_of(in_spec);
  if (leaves && leaves->size() != rows.size()) leaves.reset();
  std::vector<Argument> arguments;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SignatureInput& row = rows[i];
    if (!row.tensor && !row.constant) continue;
    Argument made{row.name, std::to_string(i), row.tensor ? row.name : "", row.constant};
    if (leaves) {
      const Leaf& leaf = (*leaves)[i];
      made.place = leaf.keyword ? "" : joined(leaf.root, leaf.keys);
      made.name = leaf.keyword ? joined(leaf.root, leaf.keys) : dotted(row.name, leaf.keys);
    }
    arguments.push_back(std::move(made));
  }
  return arguments;
}

}  // namespace aitune::dynamo
