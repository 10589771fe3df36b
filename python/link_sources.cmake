# Links the package's sources into the build folder, beside the extension modules. -D FROM=… -D TO=…
file(GLOB_RECURSE sources RELATIVE ${FROM} ${FROM}/*.py ${FROM}/*.pyi ${FROM}/py.typed)
foreach(source ${sources})
  cmake_path(GET source PARENT_PATH folder)
  file(MAKE_DIRECTORY ${TO}/${folder})
  file(CREATE_LINK ${FROM}/${source} ${TO}/${source} SYMBOLIC)
endforeach()
