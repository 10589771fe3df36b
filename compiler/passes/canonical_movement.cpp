#include "compiler/passes/canonical_movement.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// A factor of a dimension of the base. Dimensions of size 1 have none.
struct Atom {
  SymInt size;
  std::optional<SymInt> selected;  // fixed at this index
};

/// How a value is made of a base by movement alone. Indices are into `atoms`.
struct Chain {
  Value* base = nullptr;
  std::vector<Atom> atoms;
  std::vector<std::vector<std::size_t>> base_dims;  // factors of each dimension of the base, outermost first
  std::vector<std::vector<std::size_t>> dims;       // factors of each dimension of the value
  int length = 0;                                   // nodes from the base to the value
};

Chain start(Value* base) {
  Chain chain;
  chain.base = base;
  for (const SymInt& size : base->type.shape) {
    auto& dim = chain.base_dims.emplace_back();
    if (!size.is(1)) {
      dim.push_back(chain.atoms.size());
      chain.atoms.push_back({size, {}});
    }
  }
  chain.dims = chain.base_dims;
  return chain;
}

/// Splits an atom into an outer part of `outer` and an inner one, everywhere it occurs.
std::size_t split_atom(Chain& chain, std::size_t atom, const SymInt& outer, const SymInt& inner) {
  const std::size_t added = chain.atoms.size();
  chain.atoms[atom].size = outer;
  chain.atoms.push_back({inner, {}});
  for (auto* lists : {&chain.base_dims, &chain.dims}) {
    for (auto& list : *lists) {
      const auto it = std::find(list.begin(), list.end(), atom);
      if (it != list.end()) list.insert(it + 1, added);
    }
  }
  return added;
}

bool apply_view(Chain& chain, const SymShape& shape) {
  std::vector<std::size_t> sequence;
  for (const auto& dim : chain.dims) sequence.insert(sequence.end(), dim.begin(), dim.end());
  std::vector<std::vector<std::size_t>> dims;
  std::size_t next = 0;
  for (const SymInt& size : shape) {
    auto& dim = dims.emplace_back();
    SymInt need = size;
    while (!need.is(1)) {
      if (next == sequence.size()) return false;
      const std::size_t atom = sequence[next];
      if (const auto rest = divide_exact(need, chain.atoms[atom].size)) {
        need = *rest;
      } else if (const auto inner = divide_exact(chain.atoms[atom].size, need)) {
        sequence.insert(sequence.begin() + static_cast<std::ptrdiff_t>(next) + 1,
                        split_atom(chain, atom, need, *inner));
        need = 1;
      } else {
        return false;
      }
      dim.push_back(atom);
      ++next;
    }
  }
  chain.dims = std::move(dims);
  return next == sequence.size();
}

void apply_permute(Chain& chain, const std::vector<std::int64_t>& order) {
  std::vector<std::vector<std::size_t>> dims;
  for (const std::int64_t dim : order) dims.push_back(chain.dims.at(static_cast<std::size_t>(dim)));
  chain.dims = std::move(dims);
}

bool apply_select(Chain& chain, std::int64_t dim, const SymInt& index) {
  const auto position = chain.dims.begin() + dim;
  if (position->size() > 1) return false;
  if (!position->empty()) {
    if (!index.is_constant() || index.constant() < 0) return false;
    chain.atoms[position->front()].selected = index;
  }
  chain.dims.erase(position);
  return true;
}

/// The chain of the node's result, or a new one that begins there.
Chain extend(const Node& node, const std::unordered_map<const Value*, Chain>& chains) {
  Value* operand = node.args.at(0).value();
  const auto it = chains.find(operand);
  Chain chain = it != chains.end() ? it->second : start(operand);
  ++chain.length;
  bool known = true;
  if (is_op(node, "aten.view.default")) {
    known = apply_view(chain, node.output()->type.shape);
  } else if (is_op(node, "aten.permute.default")) {
    apply_permute(chain, node.args.at(1).int_list());
  } else {
    known = apply_select(chain, node.args.at(1).integer(), node.args.at(2).sym());
  }
  return known ? chain : start(node.output());
}

/// A slice for each dimension of the base whose leading factors are selected.
struct Slice {
  std::int64_t dim;
  SymInt start, end;
};

std::optional<std::vector<Slice>> slices_of(const Chain& chain) {
  std::vector<Slice> slices;
  for (std::size_t d = 0; d < chain.base_dims.size(); ++d) {
    SymInt rest = 1, index = 0;
    bool any = false, inside = false;
    for (const std::size_t atom : chain.base_dims[d]) {
      if (chain.atoms[atom].selected) {
        if (inside) return std::nullopt;  // strided in the base
        index = index * chain.atoms[atom].size + *chain.atoms[atom].selected;
        any = true;
      } else {
        rest *= chain.atoms[atom].size;
        inside = true;
      }
    }
    if (any) slices.push_back({static_cast<std::int64_t>(d), index * rest, index * rest + rest});
  }
  return slices;
}

/// What to emit: slices, a view, a permute, and a view to the final shape.
struct Recipe {
  std::vector<Slice> slices;
  SymShape split;                   // atoms in base order, neighbours that stay together merged
  std::vector<std::int64_t> order;  // of `split` in the result
};

std::optional<Recipe> recipe_of(const Chain& chain) {
  const auto slices = slices_of(chain);
  if (!slices) return std::nullopt;
  Recipe recipe{*slices, {}, {}};
  std::vector<std::size_t> target, group_of(chain.atoms.size());
  for (const auto& dim : chain.dims) target.insert(target.end(), dim.begin(), dim.end());
  std::optional<std::size_t> previous;
  for (const auto& dim : chain.base_dims) {
    for (const std::size_t atom : dim) {
      if (chain.atoms[atom].selected) continue;
      const auto position = std::find(target.begin(), target.end(), atom);
      const bool follows = previous && position != target.begin() && *(position - 1) == *previous;
      if (follows) {
        recipe.split.back() *= chain.atoms[atom].size;
      } else {
        recipe.split.push_back(chain.atoms[atom].size);
      }
      group_of[atom] = recipe.split.size() - 1;
      previous = atom;
    }
  }
  for (const std::size_t atom : target) {
    const auto group = static_cast<std::int64_t>(group_of[atom]);
    if (recipe.order.empty() || recipe.order.back() != group) recipe.order.push_back(group);
  }
  return recipe;
}

/// Dimensions of size 1 of the result at their place keep the last view away where the rest agrees.
Value* emit(Inserter& insert, const Chain& chain, const Recipe& recipe, const SymShape& shape) {
  Value* value = chain.base;
  for (const Slice& slice : recipe.slices) value = insert.slice(value, slice.dim, slice.start, slice.end);
  if (!std::is_sorted(recipe.order.begin(), recipe.order.end())) {
    value = insert.permute(insert.view(value, recipe.split), recipe.order);
  }
  return insert.view(value, shape);
}

int cost(const Chain& chain, const Recipe& recipe, const SymShape& shape) {
  int count = static_cast<int>(recipe.slices.size());
  SymShape now = chain.base->type.shape;
  for (const Slice& slice : recipe.slices) now[static_cast<std::size_t>(slice.dim)] = slice.end - slice.start;
  if (!std::is_sorted(recipe.order.begin(), recipe.order.end())) {
    count += now == recipe.split ? 1 : 2;
    now.clear();
    for (const std::int64_t group : recipe.order) now.push_back(recipe.split[static_cast<std::size_t>(group)]);
  }
  return count + (now == shape ? 0 : 1);
}

bool is_movement(const Node& node) {
  return is_op(node, "aten.view.default") || is_op(node, "aten.permute.default") || is_op(node, "aten.select.int");
}

}  // namespace

void canonicalise_movement(Graph& graph, const PassContext&) {
  std::unordered_map<const Value*, Chain> chains;
  std::unordered_set<const Value*> ends(graph.outputs.begin(), graph.outputs.end());  // read by more than movement
  for (const auto& node : graph.nodes()) {
    if (is_movement(*node)) {
      chains[node->output()] = extend(*node, chains);
    } else {
      for (const Value* operand : node->operands()) ends.insert(operand);
    }
  }
  rewrite(graph, [&](Inserter& insert, Node& node) -> Replacement {
    if (!is_movement(node) || !ends.contains(node.output())) return std::nullopt;
    const Chain& chain = chains.at(node.output());
    if (chain.length < 2) return std::nullopt;
    const auto recipe = recipe_of(chain);
    const SymShape& shape = node.output()->type.shape;
    if (!recipe || cost(chain, *recipe, shape) >= chain.length) return std::nullopt;
    return {{emit(insert, chain, *recipe, shape)}};
  });
}

}  // namespace aitune
