# What every target of aitune shares: language level, warnings, sanitizers; and short forms for libraries and tests.

add_library(aitune_settings INTERFACE)
target_compile_features(aitune_settings INTERFACE cxx_std_20)
target_include_directories(aitune_settings INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)
target_compile_options(aitune_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers -Wno-maybe-uninitialized>)
if(AITUNE_SANITIZE)
  target_compile_options(aitune_settings INTERFACE -fsanitize=${AITUNE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  # Sanitized data is full of addresses: fixed ones take a quarter less space than relocations do.
  target_link_options(aitune_settings INTERFACE -fsanitize=${AITUNE_SANITIZE}
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
endif()
if(AITUNE_FUZZ)  # the libraries, too, tell the fuzzer which branches they took
  target_compile_options(aitune_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_EXTENSIONS OFF)

# aitune_apart(TARGET…): their sources use one name for several things, and are not joined in unity builds.
function(aitune_apart)
  set_target_properties(${ARGN} PROPERTIES UNITY_BUILD OFF)
endfunction()

# aitune_library(NAME SOURCES a.cpp … [LINK lib …]): a static library inside the tree.
function(aitune_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC aitune_settings ${arg_LINK})
endfunction()

# aitune_test(NAME SOURCES a_test.cpp … [LINK lib …] [LABELS …]): a GoogleTest program; every case is a CTest test.
function(aitune_test name)
  if(NOT AITUNE_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE aitune_settings ${arg_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE AITUNE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}")
endfunction()

# aitune_fuzzer(NAME SOURCES a_fuzz.cpp [LINK lib …]): a libFuzzer target under AITUNE_FUZZ (clang); otherwise a test that
# tries every file of its corpus, tests/fuzz/NAME/, once. The source defines LLVMFuzzerTestOneInput.
function(aitune_fuzzer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  if(AITUNE_FUZZ)
    add_executable(${name} ${arg_SOURCES})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)  # all of them, and nothing that they do not need
    endif()
    add_dependencies(fuzzers ${name})
  elseif(AITUNE_TESTS)
    add_executable(${name} ${arg_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.cpp)
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/${name})
  else()
    return()
  endif()
  target_link_libraries(${name} PRIVATE aitune_settings ${arg_LINK})
endfunction()
