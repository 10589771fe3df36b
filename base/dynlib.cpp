#include "base/dynlib.h"

#include <dlfcn.h>
#include <link.h>

namespace aitune {
namespace {

std::string path_of(void* handle, const std::string& name) {
  const link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&map)) != 0 || !map || !map->l_name || !*map->l_name)
    return name;
  return map->l_name;
}

}  // namespace

std::optional<DynLib> DynLib::open(std::initializer_list<std::string> names, std::string* why) {
  for (const std::string& name : names) {
    if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))
      return DynLib(handle, path_of(handle, name));
    const char* message = dlerror();
    if (why) *why = message ? message : "cannot open " + name;
  }
  return std::nullopt;
}

void* DynLib::find(const char* name) const { return dlsym(handle_, name); }

}  // namespace aitune
