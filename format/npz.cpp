#include "format/npz.h"

#include <fmt/format.h>

#include <array>
#include <memory>

#include "base/error.h"
#include "format/npy.h"
#include "format/tensor_bytes.h"
#include "format/zip_writer.h"

namespace aitune {

namespace {

constexpr std::string_view kSuffix = ".npy";

Tensor read_entry(const ZipReader& zip, const ZipEntry& entry, std::uint64_t& limit) {
  const std::string place = fmt::format("{}: {}", zip.where(), entry.name);
  if (!entry.deflated) {
    zip.verify_crc(entry);
    return read_npy(zip.bytes(entry), zip.owner(), place);
  }
  if (entry.size > limit) {
    throw Unsupported(fmt::format("it gives {} bytes, and {} are the most that are decompressed", entry.size, limit),
                      place, "save it without compression: numpy.savez");
  }
  const auto content = std::make_shared<const std::vector<std::byte>>(zip.read(entry, limit));
  limit -= content->size();
  return read_npy(*content, content, place);
}

}  // namespace

NamedTensors read_npz(const ZipReader& zip, std::uint64_t limit) {
  NamedTensors tensors;
  for (const ZipEntry& entry : zip.entries()) {
    if (!std::string_view(entry.name).ends_with(kSuffix)) {
      throw Corrupt(fmt::format("entry '{}' of the .npz is not a .npy", entry.name), zip.where());
    }
    Tensor tensor = read_entry(zip, entry, limit);
    tensors.emplace_back(entry.name.substr(0, entry.name.size() - kSuffix.size()), std::move(tensor));
  }
  return tensors;
}

void write_npz(ByteSink& sink, std::span<const std::pair<std::string, Tensor>> tensors) {
  ZipWriter zip(sink);
  for (const auto& [name, tensor] : tensors) {
    const Tensor flat = tensor.contiguous();
    const std::string header = npy_header(flat.dtype(), flat.shape());
    const std::array pieces{std::as_bytes(std::span(header.data(), header.size())), contiguous_bytes(flat)};
    zip.add(name + std::string(kSuffix), pieces);
  }
  zip.finish();
}

}  // namespace aitune
