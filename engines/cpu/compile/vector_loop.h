#pragma once
// Loops along the dimension that lanes run over, with what is left at its end.

#include <cstdint>
#include <functional>
#include <vector>

namespace llvm {
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace aitune::cpu {

class CountedLoop;

/// Covers a range of the vector dim: groups of vectors, single vectors, and the rest by a mask, by narrower vectors or
/// by scalars.
class VectorLoop {
 public:
  /// Emits `copies` vectors of `lanes` lanes (1: scalars) from `index` (i64) on; `mask` is <lanes x i1> or null. May
  /// replace the carried values.
  using Body = std::function<void(llvm::Value* index, int copies, int lanes, llvm::Value* mask,
                                  std::vector<llvm::Value*>& carried)>;

  /// `can_mask` false: masked memory operations would fall apart into branches, so scalars do the rest.
  VectorLoop(llvm::IRBuilderBase& builder, int lanes, bool can_mask)
      : builder_(&builder), lanes_(lanes), can_mask_(can_mask) {}

  /// [low, high) in groups of `copies` vectors. Carried values are shaped by the full lanes, so where there are any the
  /// rest has the full lanes or none.
  void emit(llvm::Value* low, llvm::Value* high, int copies, std::vector<llvm::Value*>& carried,
            const Body& body) const;

 private:
  void emit_known(std::int64_t low, std::int64_t high, int copies, std::vector<llvm::Value*>& carried,
                  const Body& body) const;
  void emit_rest(std::int64_t at, std::int64_t high, std::vector<llvm::Value*>& carried, const Body& body) const;

  llvm::IRBuilderBase* builder_;
  int lanes_;
  bool can_mask_;
};

/// rows[i] lane j becomes result[j] lane i; as many rows as lanes, a power of two.
std::vector<llvm::Value*> transposed(llvm::IRBuilderBase& builder, std::vector<llvm::Value*> rows);

}  // namespace aitune::cpu
