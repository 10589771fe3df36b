# Holds the rules of docs/architecture.md: which folder may include what of the tree. Tests may include anything.
#   cmake -D SOURCE=<root> -P layout_test.cmake
cmake_minimum_required(VERSION 3.25)

# "folder -> prefixes of what it may include beside itself". The first folder that fits a file decides.
set(rules
  "base -> include/aitune/custom_op.h"
  "format -> base/"
  "runtime -> base/ format/ engines/[a-z]+/run/ include/aitune/"
  "engines/[a-z]+/run -> base/ format/"
  "engines/[a-z]+/compile -> base/ format/ engines/SAME/run/ compiler/graph/ compiler/ops/ compiler/kernels/ compiler/memory/ compiler/partition/ compiler/tuning/timing_cache.h compiler/tuning/progress.h"
  "compiler/graph -> base/ compiler/ops/"
  "compiler/ops -> base/ compiler/graph/"
  "compiler/import -> base/ format/ compiler/graph/ compiler/ops/"
  "compiler/passes -> base/ format/ compiler/graph/ compiler/ops/"
  "compiler/kernels -> base/"
  "compiler/memory -> base/ format/ compiler/graph/ compiler/ops/"
  "compiler/partition -> base/ format/ compiler/graph/ compiler/ops/"
  "compiler/tuning -> base/ format/ compiler/ runtime/ engines/[a-z]+/compile/engine.h include/aitune/"
  "compiler/report -> base/ format/ compiler/ runtime/ include/aitune/"
  "tools -> base/ format/ compiler/ runtime/ engines/[a-z]+/run/ include/aitune/"
  "python -> base/ compiler/import/import.h compiler/tuning/progress_state.h include/aitune/"
  "include -> base/ format/ compiler/tuning/ compiler/import/ir.h compiler/import/input.h")

# Files that a rule does not bind, each with the reason.
set(exempt
  "compiler/passes/evaluate.cpp"        # a library of its own, aitune_evaluate: the interpreter runs reference kernels
  "compiler/passes/passes_models.cpp"   # a tool run by hand
  "compiler/import/fx/fx_tool.cpp"      # a tool that the tests against PyTorch run
  "compiler/import/torchscript/import_tool.cpp")  # a tool run by hand

set(bad "")
set(checked 0)
foreach(root base format runtime engines compiler tools python include)
  file(GLOB_RECURSE files RELATIVE ${SOURCE} ${SOURCE}/${root}/*.cpp ${SOURCE}/${root}/*.h ${SOURCE}/${root}/*.hpp
    ${SOURCE}/${root}/*.c)
  foreach(file IN LISTS files)
    if(file IN_LIST exempt OR file MATCHES "(_test|_fuzz|_samples|testing|sample_archive|test_folder)\\.(cpp|h)$" OR file MATCHES "/test/")
      continue()
    endif()
    set(allowed "")
    foreach(rule IN LISTS rules)
      string(REGEX MATCH "^(.*) -> (.*)$" unused "${rule}")
      set(folder ${CMAKE_MATCH_1})
      separate_arguments(allowed UNIX_COMMAND "${CMAKE_MATCH_2}")
      if(file MATCHES "^(${folder})/")
        set(own ${CMAKE_MATCH_1})
        break()
      endif()
      set(own "")
    endforeach()
    if(NOT own)
      string(APPEND bad "  ${file}: its folder has no rule; add one to tests/layout/layout_test.cmake\n")
      continue()
    endif()
    math(EXPR checked "${checked} + 1")
    string(REGEX REPLACE "/[a-z]+$" "" engine "${own}")  # engines do not know each other
    list(TRANSFORM allowed REPLACE "^engines/SAME" "${engine}")
    file(STRINGS ${SOURCE}/${file} lines REGEX "^[ \t]*#[ \t]*include[ \t]*\"")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*$" "\\1" header "${line}")
      if(NOT EXISTS ${SOURCE}/${header})
        if(EXISTS ${SOURCE}/include/${header})
          set(header include/${header})
        elseif(header MATCHES "_generated\\.h$")
          set(header format/${header})
        endif()
      endif()
      set(good FALSE)
      foreach(prefix IN LISTS allowed ITEMS "${own}/")
        if(header MATCHES "^${prefix}")
          set(good TRUE)
        endif()
      endforeach()
      if(NOT good)
        string(APPEND bad "  ${file} includes ${header}; files of ${own}/ may include: ${own}/ ${allowed}\n")
      endif()
    endforeach()
  endforeach()
endforeach()

if(checked LESS 100)
  message(FATAL_ERROR "only ${checked} files were found in ${SOURCE}: the check checks nothing")
endif()
if(bad)
  message(FATAL_ERROR "these includes break the rules of docs/architecture.md:\n${bad}")
endif()
message(STATUS "${checked} files keep to the rules")
