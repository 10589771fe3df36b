#pragma once
// From a block's graph to kernels: what is fused with what, where values lie in memory, and in which layout.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/kernels/kernel.h"
#include "compiler/partition/engine.h"
#include "engines/cpu/compile/lazy.h"
#include "engines/cpu/compile/view.h"

namespace aitune::cpu {

/// Memory that kernels of a block refer to.
struct LoweredBuffer {
  enum class Kind { arena, zeroed, constant, outer } kind = Kind::arena;
  DType dtype = DType::f32;
  SymInt elements = 0;
  std::string zero_key;          ///< zeroed: buffers of one key have the same halo
  Tensor constant;               ///< constant: contiguous
  const Value* value = nullptr;  ///< outer: input or output of the block
};

/// One kernel call. `buffers` are indices of LoweredBlock::buffers, by kernel slot.
struct KernelTask {
  std::optional<kernels::LoopKernel> loop;
  std::optional<kernels::GemmKernel> gemm;
  std::vector<int> buffers;
  Tensor weight;                             ///< gemm with packed B: the source of the packing, f32 or i8
  std::vector<std::int64_t> weight_strides;  ///< over (k dims..., n)
  std::vector<const Node*> sources;
  const Node* product = nullptr;                      ///< gemm with packed B: whose product it is, or a part of it
  std::vector<std::pair<const Value*, View>> values;  ///< of the graph, that it leaves in memory
};

struct LoweredBlock {
  std::vector<LoweredBuffer> buffers;
  std::vector<KernelTask> tasks;  ///< in execution order
};

/// Zeros kept around a tensor's spatial dims (those after the second), for convolutions and pooling with padding.
struct Halo {
  std::vector<std::int64_t> low, high;  ///< by spatial dim; empty: none
  bool none() const;
  bool covers(const Halo& other) const;
  void merge(const Halo& other);
};

/// The lowering of one block. Operator rules (op_rules.h) call it; it owns all decisions on fusion and layout.
class Lowering {
 public:
  /// What is known of a graph value: in memory (`view`), or still an expression, perhaps on a pending root.
  struct State {
    SymShape shape;
    DType dtype = DType::f32;
    std::optional<View> view;
    Halo halo;                   ///< of `view`
    std::optional<View> narrow;  ///< a bf16 copy of an f32 `view`, for products in bf16
    Halo narrow_halo;
    LazyPtr expr;
    RootPtr root;
    std::vector<const Node*> sources;
    int uses = 0;  ///< not yet lowered, graph outputs included
    bool non_negative = false;
  };

  Lowering(const Graph& block, const EngineOptions& options);
  /// Lowers everything. Throws Unsupported where a node proves impossible.
  LoweredBlock run();

  // What rules use.
  const EngineOptions& options() const { return options_; }
  State& state(const Value* value);
  /// The value as an expression over its own shape.
  LazyPtr expression(const Value* value);
  /// As above, broadcast to `shape`; a root stays pending only where the shapes agree and `keep_root` is its root.
  LazyPtr expression(const Value* value, const SymShape& shape, const RootPtr& keep_root);
  /// The value in memory, in whatever layout it has or is best given.
  View in_memory(const Value* value);
  /// In memory, with dims after the second surrounded by at least this halo of zeros.
  View in_memory_with_halo(const Value* value, const Halo& halo);
  /// The value in memory in bf16, with at least this halo: where it is stored in f32 for other readers, its copy, which
  /// is made now, channels last if wanted, unless the value's own kernel writes it.
  View in_narrow_memory(const Value* value, bool channels_last = false, const Halo& halo = {});
  /// A copy with another storage type or dim order (outermost first); the source is any expression without a root.
  View copy(const LazyPtr& expr, const SymShape& shape, DType dtype, const std::vector<int>& order,
            const std::vector<const Node*>& sources);
  View constant(const Tensor& data);
  View fresh(const SymShape& shape, DType dtype, const std::vector<int>& order, const Halo& halo = {});
  /// Whether a node of the block reads the value.
  bool is_read(const Value* value) const;

  /// Type of both operands of a product with constant weights: bf16 where the options say so and the reduction's
  /// length can be paired.
  DType product_type(const Node& node) const;
  /// Storage type of a value: bf16 where bf16 products read it, unless a reader is to see it exactly.
  DType storage_type(const Value* value) const;

  void define_view(const Value* value, View view, std::vector<const Node*> sources);
  void define_expression(const Value* value, LazyPtr expr, RootPtr root, std::vector<const Node*> sources);
  /// Emits a kernel that stores `expr` (over `shape`, on `root` if it has one) to `target`.
  void store(const LazyPtr& expr, const RootPtr& root, const View& target, const SymShape& shape,
             const std::vector<const Node*>& sources);
  /// Values other than `value` that wait for the same root.
  bool root_is_shared(const Value* value);
  /// The order (outermost first) in which a value is best laid out.
  std::vector<int> layout_order(const Value* value);
  Halo wanted_halo(const Value* value) const;
  void fail(const Node& node, std::string why) const;

 private:
  struct PendingStore {
    LazyPtr expr;
    View target;
  };
  void emit(const RootPtr& root, const SymShape& shape, const std::vector<PendingStore>& stores,
            const std::vector<const Node*>& sources);
  void materialise(const Value* value);
  bool read_exactly(const Value* value) const;
  bool has_narrow_reader(const Value* value) const;
  void lower_node(const Node& node);
  void write_outputs();
  std::optional<std::vector<int>> order_of_leaves(const LazyPtr& expr, const SymShape& shape) const;

  const Graph& block_;
  EngineOptions options_;
  LoweredBlock out_;
  std::unordered_map<const Value*, State> states_;
  std::unordered_map<const Value*, std::vector<Node*>> users_;
  std::unordered_map<const Value*, int> uses_;                   // by nodes, with repeats, and by the block's outputs
  std::unordered_map<const Value*, Halo> halos_, narrow_halos_;  // of the value as it is stored; of its bf16 copy
  std::map<const std::byte*, int> constants_;
  std::set<int> last_stored_;  // buffers that the last task writes
};

}  // namespace aitune::cpu
