#include "engines/cpu/compile/code_blob.h"

#include <llvm/BinaryFormat/ELF.h>
#include <llvm/Object/ELFObjectFile.h>
#include <sys/mman.h>

#include <cstring>
#include <map>

#include "base/error.h"

namespace aitune::cpu {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw InternalError(what, "generated code"); }

template <class T>
T expect(llvm::Expected<T> value) {
  if (!value) refuse(llvm::toString(value.takeError()));
  return std::move(*value);
}

std::size_t aligned(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

bool is_loaded(const llvm::object::ELFSectionRef& section) {
  return (section.getFlags() & llvm::ELF::SHF_ALLOC) != 0 && section.getType() == llvm::ELF::SHT_PROGBITS &&
         expect(section.getName()) != ".eh_frame";
}

// Bytes of every loaded section, and where each lies in the blob.
struct Layout {
  std::vector<std::byte> bytes;
  std::map<std::uint64_t, std::size_t> offsets;  // by section index
};

Layout lay_out(const llvm::object::ObjectFile& file) {
  Layout layout;
  for (const llvm::object::SectionRef& s : file.sections()) {
    const llvm::object::ELFSectionRef section(s);
    if ((section.getFlags() & llvm::ELF::SHF_ALLOC) == 0 || section.getSize() == 0) continue;
    if (section.getFlags() & llvm::ELF::SHF_WRITE) refuse("generated code has writable data");
    if (!is_loaded(section)) continue;
    const llvm::StringRef contents = expect(section.getContents());
    const std::size_t at = aligned(layout.bytes.size(), std::max<std::size_t>(64, section.getAlignment().value()));
    layout.bytes.resize(at + contents.size());
    std::memcpy(layout.bytes.data() + at, contents.data(), contents.size());
    layout.offsets[section.getIndex()] = at;
  }
  return layout;
}

void relocate(Layout& layout, std::size_t section_at, const llvm::object::RelocationRef& r) {
  const llvm::object::ELFRelocationRef relocation(r);
  const llvm::object::symbol_iterator symbol = relocation.getSymbol();
  const std::string name = expect(symbol->getName()).str();
  const llvm::object::section_iterator target = expect(symbol->getSection());
  if (target == symbol->getObject()->section_end()) refuse("generated code refers to '" + name + "' outside itself");
  const auto found = layout.offsets.find(target->getIndex());
  if (found == layout.offsets.end()) refuse("generated code refers to '" + name + "', which is not loaded");
  const std::uint64_t type = relocation.getType();
  const std::int64_t value =
      static_cast<std::int64_t>(found->second + expect(symbol->getValue())) + expect(relocation.getAddend());
  const std::size_t place = section_at + relocation.getOffset();
  const std::size_t width = type == llvm::ELF::R_X86_64_PC64 ? 8 : 4;
  if (place + width > layout.bytes.size()) refuse("a relocation lies outside its section");
  const std::int64_t delta = value - static_cast<std::int64_t>(place);
  switch (type) {
    case llvm::ELF::R_X86_64_PC32:
    case llvm::ELF::R_X86_64_PLT32: {
      const auto narrow = static_cast<std::int32_t>(delta);
      if (narrow != delta) refuse("generated code is too large for a relocation");
      std::memcpy(layout.bytes.data() + place, &narrow, 4);
      return;
    }
    case llvm::ELF::R_X86_64_PC64:
      std::memcpy(layout.bytes.data() + place, &delta, 8);
      return;
    default:
      refuse("generated code has a relocation of type " + std::to_string(type) + " to '" + name + "'");
  }
}

}  // namespace

CodeBlob link_blob(std::span<const std::byte> object) {
  const llvm::StringRef text(reinterpret_cast<const char*>(object.data()), object.size());
  const auto file = expect(llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(text, "generated")));
  Layout layout = lay_out(*file);
  for (const llvm::object::SectionRef& relocations : file->sections()) {
    const llvm::object::section_iterator target = expect(relocations.getRelocatedSection());
    if (target == file->section_end()) continue;
    const auto found = layout.offsets.find(target->getIndex());
    if (found == layout.offsets.end()) continue;
    for (const llvm::object::RelocationRef& r : relocations.relocations()) relocate(layout, found->second, r);
  }
  CodeBlob blob;
  for (const llvm::object::SymbolRef& s : file->symbols()) {
    const llvm::object::ELFSymbolRef symbol(s);
    if (symbol.getELFType() != llvm::ELF::STT_FUNC || symbol.getBinding() != llvm::ELF::STB_GLOBAL) continue;
    const llvm::object::section_iterator section = expect(symbol.getSection());
    const auto found = layout.offsets.find(section->getIndex());
    if (found == layout.offsets.end()) refuse("a function lies in a section that is not loaded");
    blob.entries.emplace_back(expect(symbol.getName()).str(), found->second + expect(symbol.getValue()));
  }
  blob.bytes = std::move(layout.bytes);
  return blob;
}

LoadedBlob::LoadedBlob(const CodeBlob& blob) : entries_(blob.entries) {
  const std::size_t size = std::max<std::size_t>(blob.bytes.size(), 1);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw IoError("cannot map memory for generated code", "", "free some memory");
  memory_ = std::shared_ptr<void>(memory, [size](void* p) { ::munmap(p, size); });
  std::memcpy(memory, blob.bytes.data(), blob.bytes.size());
  if (::mprotect(memory, size, PROT_READ | PROT_EXEC) != 0) {
    throw IoError("the system does not allow generated code to be executed", "mprotect",
                  "check the security policy (SELinux execmem) of this process");
  }
}

aitune_cpu_kernel LoadedBlob::function(std::string_view name) const {
  for (const auto& [symbol, offset] : entries_) {
    if (symbol == name) {
      return reinterpret_cast<aitune_cpu_kernel>(static_cast<std::byte*>(memory_.get()) + offset);
    }
  }
  throw InternalError("no function of this name was generated", std::string(name));
}

}  // namespace aitune::cpu
