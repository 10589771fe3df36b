#include "compiler/import/dynamo/payloads.h"

#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "compiler/import/dynamo/pickled.h"

namespace aitune::dynamo {
namespace {

/// Elements from the first to one past the last that a view touches; Corrupt on overflow.
std::int64_t extent_of(const PayloadMeta& meta, const std::string& place) {
  std::int64_t last = meta.offset;
  for (std::size_t d = 0; d < meta.sizes.size(); ++d) {
    std::int64_t step = 0;
    if (meta.sizes[d] == 0) return 0;
    if (__builtin_mul_overflow(meta.sizes[d] - 1, meta.strides[d], &step) || __builtin_add_overflow(last, step, &last))
      throw Corrupt("the strides of a tensor reach beyond any file", place);
  }
  if (last == INT64_MAX) throw Corrupt("the strides of a tensor reach beyond any file", place);
  return last + 1;
}

/// Strides of 0 let a few bytes stand for any number of elements; whoever copies the tensor would run out of memory.
void check_expansion(const PayloadMeta& meta, std::size_t bytes, const std::string& place) {
  constexpr std::int64_t kFreeElements = 1 << 24;
  std::int64_t count = 1;
  for (const std::int64_t size : meta.sizes)
    if (__builtin_mul_overflow(count, size, &count)) count = INT64_MAX;
  const auto stored = static_cast<std::int64_t>(bytes / dtype_size(meta.dtype));
  if (count > kFreeElements && count / 16 > stored)
    throw Unsupported(fmt::format("a tensor of {} elements that repeats the {} stored ones", count, stored), place,
                      "make the tensor contiguous before exporting");
}

Tensor aligned_copy(const PayloadMeta& meta, std::span<const std::byte> elements) {
  const auto copy = std::make_shared<std::vector<std::byte>>(elements.begin(), elements.end());  // new aligns
  return Tensor(meta.dtype, meta.sizes, meta.strides, copy, copy->data());
}

/// Contents by entry, so that the checksum of one that many tensors share is computed once.
using Contents = std::map<std::string, std::span<const std::byte>>;

Tensor read_entry(const Pt2Archive& archive, const std::string& folder, const JsonView& payload, Contents& contents) {
  const std::string& path = payload.at("path_name").string();
  if (payload.at("use_pickle").boolean()) {
    if (!payload.find("tensor_meta"))
      payload.unsupported("an object that is no tensor (a TorchBind or opaque object) belongs to the program",
                          "export a model without custom objects");
    return read_pickled_tensor(archive, folder + path);
  }
  const JsonView meta = payload.at("tensor_meta");
  auto it = contents.find(path);
  if (it == contents.end()) it = contents.emplace(path, archive.bytes(folder + path)).first;
  return view_payload(read_payload_meta(meta), it->second, archive.zip->owner(), meta.place());
}

void read_config(const Pt2Archive& archive, const std::string& folder, const std::string& config, TensorMap& tensors) {
  const auto document = parse_json(archive.text(config), archive.place(config));
  Contents contents;
  for (const auto& [name, payload] : JsonView(*document, archive.place(config)).at("config").members())
    tensors.insert_or_assign(name, read_entry(archive, folder, payload, contents));
}

}  // namespace

Tensor view_payload(const PayloadMeta& meta, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                    const std::string& place) {
  const std::int64_t extent = extent_of(meta, place);
  if (extent == 0) return Tensor(meta.dtype, meta.sizes);
  if (bytes.empty())
    throw Unsupported("the file was saved without its weights (they are fake tensors)", place,
                      "export the model with real weights");
  const std::size_t item = dtype_size(meta.dtype);
  if (static_cast<std::uint64_t>(extent) > bytes.size() / item)
    throw Corrupt(fmt::format("a tensor that needs {} elements of {} bytes has {} bytes", extent, item, bytes.size()),
                  place);
  check_expansion(meta, bytes.size(), place);
  const auto first = static_cast<std::size_t>(meta.offset) * item;
  const auto elements = bytes.subspan(first, static_cast<std::size_t>(extent) * item - first);
  if (owner == nullptr || reinterpret_cast<std::uintptr_t>(elements.data()) % std::min<std::size_t>(item, 8) != 0)
    return aligned_copy(meta, elements);
  // Weights are never written (graph.h); the mapping is read-only anyway.
  return Tensor(meta.dtype, meta.sizes, meta.strides, owner, const_cast<std::byte*>(elements.data()));
}

TensorMap read_payloads(const Pt2Archive& archive) {
  TensorMap tensors;
  const auto read = [&](const std::string& folder, const std::string& pickle, const std::string& config) {
    if (archive.has(pickle))
      read_pickled_dict(archive, pickle, tensors);
    else if (archive.layout == Layout::archive)
      read_config(archive, folder, config, tensors);
    else
      throw Corrupt(fmt::format("the entry {} is missing", pickle), archive.zip->where());
  };
  read("data/weights/", archive.weights_pickle(), archive.weights_config());
  read("data/constants/", archive.constants_pickle(), archive.constants_config());
  return tensors;
}

}  // namespace aitune::dynamo
