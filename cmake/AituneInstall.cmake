# What `cmake --install` installs, in two components: runtime (production) and compiler (tuning).
include(CMakePackageConfigHelpers)

install(TARGETS aitune_runtime_shared EXPORT aituneRuntime COMPONENT runtime
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_COMPONENT runtime)
install(FILES include/aitune/custom_op.h include/aitune/runtime.h include/aitune/runtime.hpp include/aitune/version.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aitune COMPONENT runtime)
install(EXPORT aituneRuntime NAMESPACE aitune:: FILE aituneRuntime.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/aitune COMPONENT runtime)

if(AITUNE_COMPILER)
  # libaitune: the compiler as one shared library behind <aitune/aitune.hpp>.
  file(WRITE ${CMAKE_BINARY_DIR}/generated/libaitune.cpp "// All of libaitune is in the static libraries that it is linked from.\n")
  add_library(aitune_compiler_shared SHARED ${CMAKE_BINARY_DIR}/generated/libaitune.cpp)
  set_target_properties(aitune_compiler_shared PROPERTIES
    OUTPUT_NAME aitune EXPORT_NAME aitune VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  target_compile_features(aitune_compiler_shared INTERFACE cxx_std_20)
  target_include_directories(aitune_compiler_shared INTERFACE
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/aitune/detail>)
  # The headers below declare what is in these; the rest comes in as they need it.
  target_link_options(aitune_compiler_shared PRIVATE LINKER:--exclude-libs,libz.a:libcrypto.a
    LINKER:--whole-archive $<TARGET_FILE:aitune_tuning> $<TARGET_FILE:aitune_compile_settings> $<TARGET_FILE:aitune_samples>
    $<TARGET_FILE:aitune_format> $<TARGET_FILE:aitune_base> LINKER:--no-whole-archive)
  target_link_libraries(aitune_compiler_shared PRIVATE aitune_tuning)
  install(TARGETS aitune_compiler_shared EXPORT aituneCompiler COMPONENT compiler
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_COMPONENT compiler)
  install(FILES include/aitune/aitune.hpp include/aitune/strategy.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aitune COMPONENT compiler)
  foreach(header base/dtype.h base/error.h base/symint.h base/tensor.h compiler/import/input.h compiler/import/ir.h compiler/passes/tensor_scale.h compiler/tuning/decisions.h compiler/tuning/progress.h compiler/tuning/report.h
                 compiler/tuning/settings.h compiler/tuning/timing_cache.h format/tensor_files.h)
    cmake_path(GET header PARENT_PATH folder)
    install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aitune/detail/${folder} COMPONENT compiler)
  endforeach()
  install(EXPORT aituneCompiler NAMESPACE aitune:: FILE aituneCompiler.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/aitune COMPONENT compiler)
endif()

configure_package_config_file(cmake/aituneConfig.cmake.in ${CMAKE_BINARY_DIR}/aituneConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/aitune)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/aituneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/aituneConfig.cmake ${CMAKE_BINARY_DIR}/aituneConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/aitune COMPONENT runtime)
