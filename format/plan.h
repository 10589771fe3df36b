#pragma once
// The plan: the program that the runtime executes. This is its form in memory; format/plan.fbs is its form on disk.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/symint.h"
#include "base/target.h"

namespace aitune {

/// Index into Plan::exprs.
using ExprId = std::uint32_t;

/// A size formula as a flat list: operands are indices of earlier entries.
struct PlanExpr {
  enum class Op : std::uint8_t { constant, symbol, add, mul, floordiv, mod, min, max } op = Op::constant;
  std::int64_t value = 0;  ///< constant: its value; symbol: its index in Plan::symbols
  std::uint32_t lhs = 0, rhs = 0;
  auto operator<=>(const PlanExpr&) const = default;
};

/// A symbol and where its value comes from: the first input dimension that is exactly this symbol, or a result of a
/// step, whose size data decide: then it is known when that step has run.
struct PlanSymbol {
  std::string name;
  SymRange range;
  std::uint32_t input = 0, dim = 0;  ///< dim: of the input, or of the result
  bool data = false;                 ///< the size is that of result `result` of step `step`, a reference step
  std::uint32_t step = 0, result = 0;
  ExprId at_most = 0;  ///< data: what memory was planned for; depends on the shapes of inputs alone
  /// Of an input's: its dimension is factor * symbol + offset, with a positive factor.
  std::int64_t factor = 1, offset = 0;
};

/// What a size of its dimension makes of the symbol; of a size that does not fit, some number.
inline std::int64_t symbol_value(const PlanSymbol& symbol, std::int64_t size) {
  return (size - symbol.offset) / symbol.factor;
}

struct PlanTensor {  ///< an input or output of the program: contiguous, row-major
  std::string name;
  DType dtype = DType::f32;
  std::vector<ExprId> shape;
  /// Of an output with a size that data decide: the shape for which the caller brings memory. Empty otherwise.
  std::vector<ExprId> largest = {};
  const std::vector<ExprId>& memory_shape() const { return largest.empty() ? shape : largest; }
};

enum class BufferSpace : std::uint8_t { input, output, constant, arena };

/// Memory that steps refer to.
struct PlanBuffer {
  BufferSpace space = BufferSpace::arena;
  std::uint32_t index = 0;  ///< input and output: which one
  ExprId offset = 0;  ///< constant: byte offset in the constants segment (a constant expression); arena: byte offset
  ExprId bytes = 0;   ///< size that the steps may touch
  bool operator==(const PlanBuffer&) const = default;
};

/// One argument of a reference step.
struct PlanArg {
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer /* expr */,
    number,
    string,
    dtype,
    tensor,
    list
  } kind = Kind::none;
  bool boolean = false;
  ExprId integer = 0;
  double number = 0;
  std::string string;
  DType dtype = DType::f32;
  std::uint32_t tensor = 0;  ///< index into Plan::views
  std::vector<PlanArg> list;
};

/// A tensor inside a buffer, as reference steps see it (contiguous).
struct PlanView {
  std::uint32_t buffer = 0;
  DType dtype = DType::f32;
  std::vector<ExprId> shape;
};

enum class StepKind : std::uint8_t {
  cpu_kernel = 0,  ///< generated code: entry of the code segment
  reference = 1,   ///< one operator on the reference engine
  fill = 2,        ///< buffer[0] is set to a 32-bit pattern: params = {byte offset, bytes, pattern}. Halos: no other
                   ///< step changes those bytes, so it runs once for a sequence of runs with the same shapes
  onednn = 3,      ///< a primitive of oneDNN: `payload`, buffers in the payload's order
  copy = 4,        ///< buffers {from, to}, params {bytes}: the first bytes of one become those of the other
  branch = 5,      ///< buffers {condition, …}: runs the first of its ranges if the condition's byte is not 0, else the
                   ///< second
  loop = 6,        ///< buffers {condition, …}, params {limit} or none: runs its first range, and while the condition's
                   ///< byte is not 0 then, the second and the first again; more than `limit` trips are an error
};

/// A value of the lowered graph that a step leaves in memory.
struct PlanValue {
  std::string name;  ///< unique in the plan, but for values of branches and loops
  std::uint32_t buffer = 0;
  DType dtype = DType::f32;
  ExprId offset = 0;                   ///< elements from the buffer's begin to the first one
  std::vector<ExprId> shape, strides;  ///< strides in elements
};

struct PlanStep {
  StepKind kind = StepKind::cpu_kernel;
  std::string name;                    ///< the kernel's or operator's name
  std::vector<std::uint32_t> sources;  ///< indices into Plan::sources: the model's nodes in this step
  std::uint32_t block = 0;             ///< index into Plan::blocks
  std::vector<std::uint32_t> buffers;
  std::vector<ExprId> params;
  // cpu_kernel
  std::uint64_t entry = 0;  ///< offset of the function in the code segment
  ExprId tasks = 0;
  bool serial = false;  ///< too little work to hand to other threads
  // reference
  std::string op;  ///< "aten.add.Tensor"
  std::vector<PlanArg> args;
  std::vector<std::uint32_t> results;  ///< views
  // onednn
  std::vector<std::byte> payload;
  // fill
  bool every_run = false;  ///< what lies between the filled bytes moves with sizes that data decide
  // branch, loop: how many steps belong to each of the two ranges. They follow the step, one range after the other, and
  // are run by it alone. Steps of a range may have ranges in it, kMaxPlanDepth deep.
  std::vector<std::uint32_t> ranges;
  /// What it leaves in memory, for whoever compares runs; running needs none of it.
  std::vector<PlanValue> values;
};

/// How deep steps with ranges may lie in each other.
inline constexpr std::size_t kMaxPlanDepth = 32;
inline bool is_control(StepKind kind) { return kind == StepKind::branch || kind == StepKind::loop; }

/// A buffer without bytes is memory with so many zeros to kernels that read it: what gathers rows of a table reads the
/// first of an empty one, too, for results that nobody takes.
inline constexpr std::size_t kEmptyBufferBytes = 4096;

/// What a function of the code segment does with its arguments, so that every call of it can be checked without knowing
/// the code. Expressions are over the call's parameters: symbol i is params[i].
struct PlanKernel {
  struct Access {
    std::uint32_t buffer = 0;   ///< which of the call's buffers
    ExprId first = 0, end = 0;  ///< bytes of it that may be touched
    bool written = false;
    bool operator==(const Access&) const = default;
  };
  std::uint64_t entry = 0;                ///< offset of the function in the code segment
  std::uint32_t buffers = 0, params = 0;  ///< how many a call has
  std::vector<PlanExpr> exprs;
  ExprId tasks = 0;  ///< how many tasks a call has
  std::vector<Access> accesses;
};

/// A node of the lowered graph, or of the model.
struct PlanSource {
  std::string node, op, module, code;
  std::vector<std::uint32_t> origins;  ///< indices into Plan::origins: the model's nodes that it computes
};
/// A run of steps made by one engine; `verify` compares outputs of blocks, in this order.
struct PlanBlock {
  std::string engine;                  ///< "cpu", "reference"
  std::string why;                     ///< reference: why no compiled engine took it
  std::vector<std::uint32_t> outputs;  ///< views that other blocks or the caller see
};

/// What must hold of the sizes of the inputs, and nothing in the model proves: lhs == rhs, or lhs >= rhs.
struct PlanGuard {
  ExprId lhs = 0, rhs = 0;
  bool equal = true;
  std::string text;  ///< "s0 == s1", for the message
  /// 0: it must hold for every run. i + 1: whenever step i is about to run, the first one of a range that needs it.
  std::uint32_t before = 0;
};

/// The whole plan. Constants and code are segments beside the description and are mapped, never parsed.
struct Plan {
  CpuTarget target;       ///< what the code needs
  std::string precision;  ///< "fp32", "bf16" or "int8"
  std::vector<PlanSymbol> symbols;
  std::vector<PlanExpr> exprs;
  std::vector<PlanTensor> inputs, outputs;
  std::vector<PlanBuffer> buffers;
  std::vector<PlanView> views;
  std::vector<PlanStep> steps;
  std::vector<PlanBlock> blocks;
  std::vector<PlanSource> sources;
  std::vector<PlanSource> origins;  ///< the model's nodes, in its order; none in plans of older versions
  ExprId arena_bytes = 0;
  std::uint32_t num_threads = 0;    ///< 0: as many as the machine has
  std::vector<PlanKernel> kernels;  ///< one for each function that steps call, by entry
  std::vector<PlanGuard> guards;
  /// Bytes of the constants segment of the general plan that this special plan takes its constants from; its own
  /// segment is empty then. 0: its constants are its own.
  std::uint64_t shared_constants = 0;
  bool release_memory = false;  ///< instances hold the arena only while they run

  ExprId constant(std::int64_t value);  ///< adds (or finds) an expression
  ExprId add(const SymInt& value);      ///< lowers a SymInt; its symbols must be in `symbols` (InternalError)
  ExprId add(const PlanExpr& expr);     ///< adds (or finds) one operation; operands must exist already

 private:
  ExprId add_atom(const SymInt::Atom& atom);
  std::map<PlanExpr, ExprId> known_exprs_;  // of exprs[0, known_count_)
  std::size_t known_count_ = 0;
};

/// A plan with its segments, as produced by the compiler.
struct BuiltPlan {
  Plan plan;
  std::vector<std::byte> code;       ///< position-independent; entries are offsets in here
  std::vector<std::byte> constants;  ///< packed weights; buffers are 64-byte aligned in here
};

/// Moves the constants of special plans into the general plan's segment, where equal ones are stored once.
void share_constants(BuiltPlan& general, std::span<BuiltPlan> specials);

/// plan header (fixed prefix) + FlatBuffer + code segment + constants segment, segments 64-byte aligned.
/// Throws InternalError, saying what, if the plan is one that read_plan would refuse.
std::vector<std::byte> serialize_plan(const BuiltPlan& plan);

/// A plan read back from mapped bytes. The spans point into those bytes.
struct LoadedPlan {
  Plan plan;
  std::span<const std::byte> code, constants;  ///< no constants if the plan shares another's
};
/// Which checksums read_plan compares. The constants are by far the largest part: whoever hashes them on several
/// threads (the runtime does) leaves them out here.
enum class PlanChecksums : std::uint8_t { all, all_but_constants };

/// Verifies structure (header, FlatBuffer), then meaning (every index, every offset against its segment or input,
/// expression order, dtype, step kinds, range of symbols) and returns the plan. Throws Corrupt, Incompatible (newer
/// format) or Unsupported (a step kind or operator that this build lacks), with `where` in front of the message.
/// Nothing of a plan that was refused has been executed.
LoadedPlan read_plan(std::span<const std::byte> bytes, std::string_view where,
                     PlanChecksums checksums = PlanChecksums::all);

/// The checks of meaning alone (read_plan calls it; the compiler may too). `constants_size` is that of the plan's own
/// segment. Throws like read_plan.
void verify_plan(const Plan& plan, std::size_t code_size, std::size_t constants_size, std::string_view where);

}  // namespace aitune
