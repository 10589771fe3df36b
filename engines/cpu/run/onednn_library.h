#pragma once
// oneDNN where it is installed: opened at run time, by tuning and by plans that chose it.

#include <memory>
#include <string>

#include "base/dynlib.h"
#include "engines/cpu/run/onednn_api.h"

namespace aitune::cpu {

/// An object of oneDNN's, destroyed by oneDNN.
template <typename T>
using OneDnnPtr = std::unique_ptr<T, dnnl::Status (*)(T*)>;

/// The library, version 3, and an engine for this CPU. Constant after it is made; any thread may use it.
class OneDnn {
 public:
  /// Opens what $AITUNE_ONEDNN names, or libdnnl.so.3 as the dynamic loader finds it. Throws Unavailable, saying what
  /// was tried, why it did not do, and where to get it.
  static std::shared_ptr<const OneDnn> open();

  const std::string& path() const { return library_.path(); }
  const std::string& version() const { return version_; }  ///< "3.2.0"
  const dnnl::Api& api() const { return api_; }
  dnnl::EngineObject* engine() const { return engine_.get(); }
  /// Throws InternalError unless `status` is success.
  void check(dnnl::Status status, const char* what) const;

  OneDnnPtr<dnnl::MemoryDescObject> strided(std::initializer_list<std::int64_t> dims, dnnl::DataType type,
                                            std::initializer_list<std::int64_t> strides) const;
  /// In whatever layout the primitive likes best.
  OneDnnPtr<dnnl::MemoryDescObject> any_layout(std::initializer_list<std::int64_t> dims, dnnl::DataType type) const;
  OneDnnPtr<dnnl::MemoryObject> memory(const dnnl::MemoryDescObject* desc, void* data) const;
  OneDnnPtr<dnnl::StreamObject> stream() const;

 private:
  explicit OneDnn(DynLib library);
  void bind_all();

  DynLib library_;
  dnnl::Api api_;
  std::string version_;
  OneDnnPtr<dnnl::EngineObject> engine_{nullptr, nullptr};
};

/// While it lives, oneDNN uses the calling thread alone: aitune's own threads share the work. Primitives must be made
/// and executed under it.
class OneDnnOnThisThread {
 public:
  explicit OneDnnOnThisThread(const dnnl::Api& api);
  ~OneDnnOnThisThread();
  OneDnnOnThisThread(const OneDnnOnThisThread&) = delete;
  OneDnnOnThisThread& operator=(const OneDnnOnThisThread&) = delete;

 private:
  const dnnl::Api& api_;
  int threads_ = 1;  // what the thread had set, for its own use of OpenMP
};

}  // namespace aitune::cpu
