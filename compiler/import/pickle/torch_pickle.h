#pragma once
// Files of torch.save (data.pkl beside data/0, data/1, ...): .pt, and the entries of PT2 archives that hold pickles.

#include <concepts>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/tensor.h"
#include "compiler/import/pickle/pickle.h"
#include "format/tensor_files.h"
#include "format/zip_reader.h"

namespace aitune {

/// One opened file of torch.save: its pickle as plain data, and its tensors as views of the mapped file. Constant after
/// construction; many threads may use it.
class TorchFile {
 public:
  /// Throws NotFound, IoError, Corrupt, or Unsupported: for the format before PyTorch 1.6, for TorchScript, for pickles
  /// that want to call something.
  static TorchFile open(const std::filesystem::path& path, const PickleOptions& options = {});
  /// A file inside another one. Tensors keep `owner`; with a null one their bytes are copied.
  TorchFile(std::span<const std::byte> bytes, const std::string& where, std::shared_ptr<const void> owner,
            const PickleOptions& options = {});
  ~TorchFile();
  TorchFile(TorchFile&&) noexcept;
  TorchFile& operator=(TorchFile&&) noexcept;

  const PickleValue& root() const;
  /// The name of the file, for messages.
  const std::string& where() const;
  /// Whether `value` stands for a tensor or a parameter.
  static bool is_tensor(const PickleValue& value);
  /// The tensor that `value` stands for, with its own strides and storage offset, mapped without copying (unless the
  /// file is not aligned). Tensors of one storage share memory. The storage's checksum is checked once. Throws Corrupt
  /// when it leaves its storage, Unsupported for element types, layouts and subclasses that aitune does not have.
  Tensor tensor(const PickleValue& value, std::string_view name = {}) const;
  /// All tensors with their paths: keys and indices joined by dots ("layers.0.weight"); a lone tensor is "tensor".
  /// What is not a tensor or a container is left out.
  NamedTensors named_tensors() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Plain data with tensors, as torch.save takes it.
struct TorchValue {
  enum class Kind : std::uint8_t { none, boolean, integer, real, string, tensor, list, tuple, dict } kind = Kind::none;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string string;
  Tensor tensor;
  std::vector<TorchValue> items;  ///< list, tuple, dict
  std::vector<std::string> keys;  ///< dict: the keys of `items`

  static TorchValue of(Tensor tensor);
  static TorchValue of(std::string value);
  static TorchValue of(double value);
  /// Constrained, so that neither a pointer nor a literal becomes a bool by surprise.
  template <std::integral T>
  static TorchValue of(T value) {
    TorchValue made;
    made.kind = std::same_as<T, bool> ? Kind::boolean : Kind::integer;
    made.boolean = std::same_as<T, bool> && value != T{};
    made.integer = static_cast<std::int64_t>(value);
    return made;
  }
  static TorchValue list(std::vector<TorchValue> items);
  static TorchValue tuple(std::vector<TorchValue> items);
  static TorchValue dict(std::vector<std::pair<std::string, TorchValue>> entries);
};

/// Writes what torch.save(value, pickle_protocol=protocol) would: torch.load reads it, with weights_only=True too.
/// Tensors become contiguous; equal views share a storage. `top` is the folder inside the zip. Throws InvalidArgument
/// for a protocol other than 2 to 5.
void write_torch_file(ByteSink& sink, const TorchValue& value, int protocol = 2, std::string_view top = "archive");

/// (args, kwargs), the form of data/sample_inputs/NAME.pt in a PT2 archive.
TorchValue sample_inputs_value(std::span<const Tensor> args, std::span<const std::pair<std::string, Tensor>> kwargs);
/// dict[str, Tensor].
TorchValue named_tensors_value(std::span<const std::pair<std::string, Tensor>> tensors);

}  // namespace aitune
