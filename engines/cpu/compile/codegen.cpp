#include "engines/cpu/compile/codegen.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Triple.h>

#include <mutex>

#include "base/error.h"
#include "engines/cpu/compile/code_blob.h"
#include "engines/cpu/compile/emitters.h"

namespace aitune::cpu {
namespace {

constexpr const char* kTriple = "x86_64-unknown-linux-gnu";

// Named instruction sets, never the build host's: the same kernel gives the same bytes everywhere.
std::string cpu_name(const CpuTarget& target) { return target.avx512 ? "x86-64-v4" : "x86-64-v3"; }

std::string feature_string(const CpuTarget& target) {
  std::string features = "+avx2,+fma,+f16c,+bmi,+bmi2";
  if (target.avx512) features += ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl";
  if (target.avx512_vnni) features += ",+avx512vnni";
  if (target.avx512_bf16) features += ",+avx512bf16";
  if (target.amx_bf16) features += ",+amx-tile,+amx-bf16";
  // Wide vectors are asked for by the schedule; the generic model of v4 would split them.
  if (target.avx512) features += ",-prefer-256-bit";
  return features;
}

// LLVM's registry is global and not guarded: filled once, by whoever comes first.
void register_target() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
}

std::unique_ptr<llvm::TargetMachine> make_machine(const CpuTarget& target) {
  if (!target.avx2_fma) {
    throw Unsupported("code can only be generated for CPUs with AVX2 and FMA", target.str(),
                      "use the reference engine on this machine");
  }
  register_target();
  std::string problem;
  const llvm::Target* registered = llvm::TargetRegistry::lookupTarget(kTriple, problem);
  if (!registered) throw InternalError(problem, "LLVM");
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  options.NoTrappingFPMath = true;
  std::unique_ptr<llvm::TargetMachine> machine(
      registered->createTargetMachine(kTriple, cpu_name(target), feature_string(target), options, llvm::Reloc::PIC_,
                                      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
  if (!machine) throw InternalError("no code generator for x86-64", "LLVM");
  return machine;
}

}  // namespace

struct CodeGenerator::Impl {
  explicit Impl(const CpuTarget& t) : target(t), machine(make_machine(t)) { start(); }

  void start() {
    module = std::make_unique<llvm::Module>("aitune", context);
    module->setTargetTriple(kTriple);
    module->setDataLayout(machine->createDataLayout());
    module->setPICLevel(llvm::PICLevel::BigPIC);
  }

  /// Runs `emit`; if it throws, what it left of the function is removed, and the generator remains usable.
  template <class F>
  void guarded(const std::string& symbol, F&& emit) {
    if (module->getFunction(symbol)) throw InternalError("two kernels of one name", symbol);
    try {
      emit();
    } catch (...) {
      if (llvm::Function* half = module->getFunction(symbol)) half->eraseFromParent();
      throw;
    }
  }

  void optimise() {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager graphs;
    llvm::ModuleAnalysisManager modules;
    llvm::PipelineTuningOptions tuning;
    tuning.LoopVectorization = false;  // the emitters vectorise; LLVM would only vectorise remainders
    tuning.LoopInterleaving = false;
    tuning.SLPVectorization = false;
    llvm::PassBuilder builder(machine.get(), tuning);
    // No library function exists where this runs, so none may be recognised or introduced.
    functions.registerPass([&] {
      llvm::TargetLibraryInfoImpl library(llvm::Triple{kTriple});
      library.disableAllFunctions();
      return llvm::TargetLibraryAnalysis(std::move(library));
    });
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(graphs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, graphs, modules);
    builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(*module, modules);
  }

  CodeBlob emit() {
    llvm::SmallVector<char, 0> object;
    llvm::raw_svector_ostream stream(object);
    llvm::legacy::PassManager passes;
    if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile)) {
      throw InternalError("LLVM cannot write object files", "code generation");
    }
    passes.run(*module);
    return link_blob(std::as_bytes(std::span(object.data(), object.size())));
  }

  CpuTarget target;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> module;
};

CodeGenerator::CodeGenerator(const CpuTarget& target) : impl_(std::make_unique<Impl>(target)) {}
CodeGenerator::~CodeGenerator() = default;
CodeGenerator::CodeGenerator(CodeGenerator&&) noexcept = default;

void CodeGenerator::add(const kernels::LoopKernel& kernel, const kernels::LoopSchedule& schedule,
                        const std::string& symbol) {
  impl_->guarded(symbol, [&] { emit_loop(*impl_->module, impl_->target, kernel, schedule, symbol); });
}

void CodeGenerator::add(const kernels::GemmKernel& kernel, const kernels::GemmTile& tile, const std::string& symbol) {
  impl_->guarded(symbol, [&] { emit_gemm(*impl_->module, impl_->target, kernel, tile, symbol); });
}

CodeBlob CodeGenerator::finish() {
  std::string problem;
  llvm::raw_string_ostream stream(problem);
  if (llvm::verifyModule(*impl_->module, &stream)) throw InternalError("malformed IR: " + problem, "code generation");
  impl_->optimise();
  CodeBlob blob = impl_->emit();
  impl_->start();
  return blob;
}

std::string CodeGenerator::print_ir() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  impl_->module->print(stream, nullptr);
  return text;
}

}  // namespace aitune::cpu
