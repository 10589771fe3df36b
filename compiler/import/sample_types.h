#pragma once
// Inputs of models whose files carry no shapes, as the samples show them and as the user gives them.

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/input_shapes.h"
#include "format/tensor_files.h"

namespace aitune {

/// The tensors of one input, one for each sample, or nothing where the samples do not have it. Tensors are found by the
/// input's name or by its position ("0"). Throws InvalidArgument when some samples have it and others do not.
std::optional<std::vector<Tensor>> find_samples(std::string_view name, std::size_t position,
                                                std::span<const NamedTensors> samples);

/// Gives every input its type, one after another. A size is what the samples agree on; one that differs between samples
/// is a symbol with the range that they show, and one symbol with all that agree with it in every sample. Where a range
/// is given for a size, it is a symbol with that range: one with sizes of other inputs that are alike in range and
/// samples, but not with others of its own input.
class SampleTypes {
 public:
  /// Symbols are added to `symbols`. Both outlive this.
  SampleTypes(std::span<const Input> given, SymRanges& symbols) : given_(given), symbols_(symbols) {}

  /// The type of the input at `position` of the call, from its tensors in the samples. Throws InvalidArgument, naming
  /// it, for samples of different dtypes or ranks, or outside of the given range.
  TensorType type_of(const std::string& name, std::size_t position, std::span<const Tensor> tensors);
  /// Throws InvalidArgument if something is given for an input that never came.
  void check_given() const;

 private:
  SymInt symbol(const Shape& sizes, std::optional<SymRange> range, std::map<Shape, int>& within);
  SymInt moving(const Shape& sizes, const std::optional<SymRange>& range, SymRange seen);

  struct Moving {
    std::string symbol;
    bool given = false;
  };
  std::span<const Input> given_;
  SymRanges& symbols_;
  std::set<std::size_t> used_;
  std::map<Shape, Moving> moving_;  // by the sizes in the samples
  // What stays in the samples and has a range: by size, range, and how often that came in this input before.
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, int>, std::string> ranged_;
};

}  // namespace aitune
