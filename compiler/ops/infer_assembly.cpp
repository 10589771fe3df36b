// Operators that put tensors together, take them apart, or repeat them.

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/ops/constant_behind.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

DType common_dtype(const std::vector<TensorType>& tensors) {
  Promotion type;
  for (const TensorType& t : tensors) type.add(t);
  return type.result();
}

Types joined(const Call& call, const std::vector<TensorType>& tensors, std::int64_t dim) {
  // PyTorch skips empty 1-dim tensors whatever the others are.
  const auto is_skipped = [](const TensorType& t) { return t.shape.size() == 1 && t.shape[0].is(0); };
  const auto first = std::ranges::find_if_not(tensors, is_skipped);
  if (first == tensors.end()) return {{common_dtype(tensors), {0}}};
  SymShape shape = first->shape;
  call.require(!shape.empty(), "0-dim tensors cannot be joined");
  const std::size_t d = call.dim(dim, shape.size());
  for (auto it = first + 1; it != tensors.end(); ++it) {
    if (is_skipped(*it)) continue;
    call.require(it->shape.size() == shape.size(), "the tensors have different ranks");
    for (std::size_t i = 0; i < shape.size(); ++i)
      shape[i] = i == d ? shape[i] + it->shape[i] : unify(call, shape[i], it->shape[i]);
  }
  return {{common_dtype(tensors), shape}};
}

std::vector<TensorType> list_of(const Call& call) {
  auto tensors = call.tensors("tensors");
  call.require(!tensors.empty(), "the list of tensors is empty");
  return tensors;
}

Types cat(const Call& call) { return joined(call, list_of(call), call.integer("dim")); }

Types stack(const Call& call) {
  const auto tensors = list_of(call);
  SymShape shape = tensors[0].shape;
  for (const TensorType& t : tensors) {
    call.require(t.shape.size() == shape.size(), "the tensors have different ranks");
    for (std::size_t i = 0; i < shape.size(); ++i) shape[i] = unify(call, shape[i], t.shape[i]);
  }
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(call.dim("dim", shape.size() + 1)),
               static_cast<std::int64_t>(tensors.size()));
  return {{common_dtype(tensors), shape}};
}

/// Sequences of different lengths, filled up to the longest.
Types pad_sequence(const Call& call) {
  const auto sequences = call.tensors("sequences");
  call.require(!sequences.empty() && !sequences[0].shape.empty(), "there is no sequence");
  SymShape rest(sequences[0].shape.begin() + 1, sequences[0].shape.end());
  SymInt longest = sequences[0].shape[0];
  for (const TensorType& s : sequences) {
    call.require(s.shape.size() == rest.size() + 1, "the sequences have different ranks");
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = unify(call, rest[i], s.shape[i + 1]);
    if (!(s.shape[0] == longest)) longest = max(longest, s.shape[0]);
  }
  SymShape shape = {longest, SymInt(static_cast<std::int64_t>(sequences.size()))};
  if (call.boolean("batch_first")) std::swap(shape[0], shape[1]);
  shape.insert(shape.end(), rest.begin(), rest.end());
  return {{sequences[0].dtype, shape}};
}

Types hstack(const Call& call) {
  auto tensors = list_of(call);
  for (TensorType& t : tensors)
    if (t.shape.empty()) t.shape = {1};
  return joined(call, tensors, tensors[0].shape.size() == 1 ? 0 : 1);
}

Types vstack(const Call& call) {
  auto tensors = list_of(call);
  for (TensorType& t : tensors)
    while (t.shape.size() < 2) t.shape.insert(t.shape.begin(), 1);
  return joined(call, tensors, 0);
}

/// Results of one split: self with these sizes along `dim`.
Types parts(const Call& call, const SymShape& sizes) {
  const TensorType& self = call.tensor("self");
  const std::size_t d = call.dim("dim", self.shape.size());
  Types types;
  for (const SymInt& size : sizes) {
    TensorType t = self;
    t.shape[d] = size;
    types.push_back(std::move(t));
  }
  return types;
}

SymInt split_extent(const Call& call) {
  const SymShape& shape = call.shape("self");
  call.require(!shape.empty(), "a 0-dim tensor has nothing to split");
  return shape[call.dim("dim", shape.size())];
}

/// Pieces of `piece` elements, the last one shorter. The number of pieces must be known.
SymShape even_sizes(const Call& call, const SymInt& extent, const SymInt& piece) {
  call.require(!piece.is(0) || extent.is(0), "pieces of 0 elements");
  if (extent.is(0)) return {0};
  const auto exact = piece.is(0) ? std::nullopt : divide_exact(extent, piece);  // 5 pieces of s0, however many s0 are
  const auto n = (exact ? *exact : ceil_div(extent, piece)).as_constant();
  if (!n)
    call.fail(fmt::format("cannot tell into how many pieces of {} the size {} splits", piece.str(), extent.str()));
  call.require(*n >= 0 && *n <= 1 << 20, "too many pieces");
  SymShape sizes(static_cast<std::size_t>(*n), piece);
  sizes.back() = extent - piece * (*n - 1);
  return sizes;
}

Types split(const Call& call) { return parts(call, even_sizes(call, split_extent(call), call.sym("split_size"))); }

Types split_sizes(const Call& call) {
  const SymShape sizes = call.sym_list(call.has("split_sizes") ? "split_sizes" : "split_size");
  SymInt total = 0;
  for (const SymInt& s : sizes) total += s;
  unify(call, total, split_extent(call));
  return parts(call, sizes);
}

Types chunk(const Call& call) {
  const SymInt extent = split_extent(call);
  const std::int64_t n = call.integer("chunks");
  call.require(n > 0 && n <= 1 << 20, "chunks must be positive");
  if (extent.is(0)) return parts(call, SymShape(static_cast<std::size_t>(n), SymInt(0)));
  if (const auto exact = divide_exact(extent, n)) return parts(call, SymShape(static_cast<std::size_t>(n), *exact));
  return parts(call, even_sizes(call, extent, ceil_div(extent, n)));
}

/// The first ones are longer by one where it does not divide.
SymShape even_parts(const Call& call, const SymInt& extent, std::int64_t n) {
  call.require(n > 0 && n <= 1 << 20, "sections must be positive");
  const SymInt base = floordiv(extent, n), rest = mod(extent, n);
  SymShape sizes;
  for (std::int64_t i = 0; i < n; ++i)
    sizes.push_back(rest.is_constant() ? base + (i < rest.constant() ? 1 : 0) : floordiv(extent + (n - 1 - i), n));
  return sizes;
}

Types tensor_split(const Call& call) {
  return parts(call, even_parts(call, split_extent(call), call.integer("sections")));
}

/// hsplit, vsplit and dsplit stand for a dimension.
std::size_t named_dim(const Call& call) {
  const std::size_t rank = call.shape("self").size();
  switch (call.op().id) {
    case OpId::aten_hsplit_int:
    case OpId::aten_hsplit_array:
      call.require(rank >= 1, "a 0-dim tensor has nothing to split");
      return rank == 1 ? 0 : 1;
    case OpId::aten_vsplit_int:
    case OpId::aten_vsplit_array:
      call.require(rank >= 2, "vsplit needs two dimensions");
      return 0;
    case OpId::aten_dsplit_int:
    case OpId::aten_dsplit_array:
      call.require(rank >= 3, "dsplit needs three dimensions");
      return 2;
    default:
      call.require(rank >= 1, "a 0-dim tensor has nothing to split");
      return call.dim("dim", rank);
  }
}

Types with_sizes(const Call& call, std::size_t d, const SymShape& sizes) {
  Types types;
  for (const SymInt& size : sizes) {
    types.push_back(call.tensor("self"));
    types.back().shape[d] = size;
  }
  return types;
}

/// The pieces between positions, which count from the end where they are negative.
Types split_at(const Call& call) {
  const std::size_t d = named_dim(call);
  const SymInt extent = call.shape("self")[d];
  const Arg one = SymInt(1);
  SymShape sizes;
  Arg begin = SymInt(0);
  for (const SymInt& index : call.sym_list("indices")) {
    const Arg end = index;
    sizes.push_back(slice_length(call, extent, begin, end, 1));
    begin = end;
  }
  sizes.push_back(slice_length(call, extent, begin, None{}, 1));
  return with_sizes(call, d, sizes);
}

Types split_evenly(const Call& call) {
  const std::size_t d = named_dim(call);
  const std::int64_t n = call.integer("sections");
  call.require(n > 0 && n <= 1 << 20, "sections must be positive");
  const auto piece = divide_exact(call.shape("self")[d], n);
  call.require(piece.has_value(), "the dimension does not divide into sections");
  return with_sizes(call, d, SymShape(static_cast<std::size_t>(n), *piece));
}

SymShape three_dims(SymShape shape) {
  if (shape.empty()) shape = {1};
  if (shape.size() == 1) shape.insert(shape.begin(), 1);
  if (shape.size() == 2) shape.push_back(1);
  return shape;
}

Types dstack(const Call& call) {
  auto tensors = list_of(call);
  for (TensorType& t : tensors) t.shape = three_dims(t.shape);
  return joined(call, tensors, 2);
}

Types column_stack(const Call& call) {
  auto tensors = list_of(call);
  for (TensorType& t : tensors)
    while (t.shape.size() < 2) t.shape.push_back(1);
  return joined(call, tensors, 1);
}

Types block_diag(const Call& call) {
  const auto tensors = list_of(call);
  SymShape shape = {0, 0};
  for (const TensorType& t : tensors) {
    call.require(t.shape.size() <= 2, "the blocks have at most two dimensions");
    shape[0] += t.shape.size() == 2 ? t.shape[0] : SymInt(1);
    shape[1] += t.shape.empty() ? SymInt(1) : t.shape.back();
  }
  return {{common_dtype(tensors), shape}};
}

Types unbind(const Call& call) {
  const auto n = split_extent(call).as_constant();
  call.require(n.has_value(), "the number of results depends on a symbolic size");
  call.require(*n <= 1 << 20, "too many results");
  TensorType t = call.tensor("self");
  t.shape.erase(t.shape.begin() + static_cast<std::ptrdiff_t>(call.dim("dim", t.shape.size())));
  return Types(static_cast<std::size_t>(*n), t);
}

Types broadcast_tensors(const Call& call) {
  Types types = call.tensors("tensors");
  SymShape shape;
  for (const TensorType& t : types) shape = broadcast(call, shape, t.shape);
  for (TensorType& t : types) t.shape = shape;
  return types;
}

Types meshgrid(const Call& call) {
  Types types = call.tensors("tensors");
  SymShape shape;
  for (const TensorType& t : types) {
    call.require(t.shape.size() <= 1, "meshgrid takes vectors");
    shape.push_back(t.shape.empty() ? SymInt(1) : t.shape[0]);
  }
  if (call.has("indexing") && call["indexing"].string() == "xy" && shape.size() >= 2) std::swap(shape[0], shape[1]);
  for (TensorType& t : types) t.shape = shape;
  return types;
}

Types repeat(const Call& call) {
  TensorType t = call.tensor("self");
  const bool tile = call.has("dims");
  SymShape repeats = call.sym_list(tile ? "dims" : "repeats");
  while (tile && repeats.size() < t.shape.size()) repeats.insert(repeats.begin(), 1);
  call.require(repeats.size() >= t.shape.size(), "fewer repeats than dimensions");
  while (t.shape.size() < repeats.size()) t.shape.insert(t.shape.begin(), 1);
  for (std::size_t i = 0; i < repeats.size(); ++i) t.shape[i] *= repeats[i];
  return {t};
}

Types repeat_interleave(const Call& call) {
  TensorType t = call.tensor("self");
  const SymInt n = call.sym("repeats");
  if (!call.given("dim")) return {{t.dtype, {product(t.shape) * n}}};
  const std::size_t d = call.dim("dim", t.shape.size());
  if (t.shape.empty()) t.shape = {1};
  t.shape[d] *= n;
  return {t};
}

/// Every way to take an element of each vector.
Types cartesian_prod(const Call& call) {
  const auto tensors = list_of(call);
  SymInt rows = 1;
  for (const TensorType& t : tensors) {
    call.require(t.shape.size() == 1, "cartesian_prod takes vectors");
    call.require(t.dtype == tensors[0].dtype, "the vectors have different dtypes");
    rows *= t.shape[0];
  }
  if (tensors.size() == 1) return {tensors[0]};
  return {{tensors[0].dtype, {rows, static_cast<std::int64_t>(tensors.size())}}};
}

/// n over r: the rows of combinations.
SymInt ways_to_choose(const Call& call, const SymInt& n, std::int64_t r, bool again) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  SymInt ways = 1;
  for (std::int64_t i = 0; i < r; ++i) {
    const SymInt left = again ? n + i : n - i;
    if (const auto known = left.as_constant(); known && *known <= 0) return 0;
    ways = floordiv(ways * left, i + 1);
    if (const auto known = ways.as_constant()) call.require(*known <= kMost, "there are too many combinations");
  }
  return ways;
}

Types combinations(const Call& call) {
  const TensorType& self = call.tensor("self");
  const std::int64_t r = call.integer("r");
  call.require(self.shape.size() == 1, "combinations takes a vector");
  call.require(r >= 0 && r <= 1 << 10, "r is out of range");
  if (const auto n = self.shape[0].as_constant()) call.require(*n <= 1 << 22, "there are too many elements");
  if (r == 0) return {{self.dtype, {0}}};
  return {{self.dtype, {ways_to_choose(call, self.shape[0], r, call.boolean("with_replacement")), r}}};
}

/// Each tensor filled up and cut into as many chunks, and the chunks joined.
Types chunk_cat(const Call& call) {
  const auto tensors = list_of(call);
  const std::int64_t n = call.integer("num_chunks");
  call.require(!tensors.empty() && n > 0 && n <= 1 << 20, "num_chunks must be positive");
  call.require(!tensors[0].shape.empty(), "a 0-dim tensor has no chunks");
  const std::size_t d = call.dim("dim", tensors[0].shape.size());
  SymShape shape(tensors[0].shape.begin(), tensors[0].shape.begin() + static_cast<std::ptrdiff_t>(d));
  SymInt width = 0;
  for (const TensorType& t : tensors) {
    call.require(t.shape.size() > d && t.dtype == tensors[0].dtype, "the tensors have different dtypes or ranks");
    for (std::size_t i = 0; i < d; ++i) shape[i] = unify(call, shape[i], t.shape[i]);
    for (const SymInt& size : t.shape) call.require_at_least(size, 1, "a tensor has no elements");
    SymInt inner = ceil_div(t.shape[d], n);
    for (std::size_t i = d + 1; i < t.shape.size(); ++i) inner *= t.shape[i];
    width += inner;
  }
  shape.emplace_back(n);
  shape.push_back(width);
  return {{tensors[0].dtype, shape}};
}

/// tensor_split where the positions, or the number of parts, are a constant tensor.
Types split_by_tensor(const Call& call) {
  const Value& where = *call["tensor_indices_or_sections"].value();
  call.require(where.type.dtype == DType::i64 && where.type.shape.size() <= 1,
               "the positions are no i64 of at most one dimension");
  const Tensor* constant = constant_behind(&where);
  if (constant == nullptr)
    throw Unsupported("tensor_split at positions that only data tell", call.op().name,
                      "Split at a list of numbers, or at a tensor that is a constant of the model");
  const SymInt extent = split_extent(call);
  const Tensor values = constant->contiguous();
  const std::span<const std::int64_t> numbers(values.as<std::int64_t>(), static_cast<std::size_t>(values.numel()));
  call.require(numbers.size() <= 1 << 20, "there are too many positions");
  if (where.type.shape.empty()) return parts(call, even_parts(call, extent, numbers[0]));
  SymShape sizes;
  Arg begin = SymInt(0);
  for (const std::int64_t at : numbers) {
    const Arg end = SymInt(at);
    sizes.push_back(slice_length(call, extent, begin, end, 1));
    begin = end;
  }
  sizes.push_back(slice_length(call, extent, begin, None{}, 1));
  return parts(call, sizes);
}

}  // namespace

void add_assembly_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_cat_default, aten_concat_default}, cat);
  table.add({aten_stack_default}, stack);
  table.add({aten_pad_sequence_default}, pad_sequence);
  table.add({aten_hstack_default}, hstack);
  table.add({aten_vstack_default}, vstack);
  table.add({aten_split_Tensor, aten_unsafe_split_Tensor}, split);
  table.add({aten_split_sizes, aten_split_with_sizes_default, aten_unsafe_split_with_sizes_default}, split_sizes);
  table.add({aten_chunk_default, aten_unsafe_chunk_default}, chunk);
  table.add({aten_tensor_split_sections}, tensor_split);
  table.add({aten_tensor_split_indices, aten_hsplit_array, aten_vsplit_array, aten_dsplit_array}, split_at);
  table.add({aten_hsplit_int, aten_vsplit_int, aten_dsplit_int}, split_evenly);
  table.add({aten_dstack_default}, dstack);
  table.add({aten_column_stack_default}, column_stack);
  table.add({aten_block_diag_default}, block_diag);
  table.add({aten_unbind_int}, unbind);
  table.add({aten_tensor_split_tensor_indices_or_sections}, split_by_tensor);
  table.add({aten_cartesian_prod_default}, cartesian_prod);
  table.add({aten_combinations_default}, combinations);
  table.add({aten__chunk_cat_default}, chunk_cat);
  table.add({aten_broadcast_tensors_default}, broadcast_tensors);
  table.add({aten_meshgrid_default, aten_meshgrid_indexing}, meshgrid);
  table.add({aten_repeat_default, aten_tile_default}, repeat);
  table.add({aten_repeat_interleave_self_int}, repeat_interleave);
}

}  // namespace aitune::infer
