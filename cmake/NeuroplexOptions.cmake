# Switches, compiler settings, and the helpers that make the folder targets.

option(NEUROPLEX_WERROR "Treat warnings in our code as errors" ON)
option(NEUROPLEX_WITH_ACTORS
  "Build what needs CAF: actors, the command, the examples" ON)
option(NEUROPLEX_WITH_EXAMPLES "Build the examples" ON)
option(NEUROPLEX_WITH_BENCH "Build the benchmarks" ON)
option(NEUROPLEX_JOIN_SOURCES
  "Compile several files of a folder as one: faster from nothing" OFF)
set(NEUROPLEX_SANITIZE "" CACHE STRING
  "Sanitizers, e.g. address,undefined or thread")
set(NEUROPLEX_TEST_PREFIX "" CACHE STRING
  "Put before the name of each test, to tell builds apart")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(NEUROPLEX_CCACHE ccache)
mark_as_advanced(NEUROPLEX_CCACHE)
if(NEUROPLEX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The two kinds of sloppiness let ccache serve files that use the precompiled
  # header. No file of ours prints the time it was built.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros "${NEUROPLEX_CCACHE}")
endif()

find_program(NEUROPLEX_MOLD mold)
mark_as_advanced(NEUROPLEX_MOLD)
if(NEUROPLEX_MOLD AND NOT CMAKE_CROSSCOMPILING)
  add_link_options(-fuse-ld=mold)
endif()

# Binaries run on any x86-64-v2 machine (SSE4.2, 16-byte compare-exchange). What
# needs more is picked at run time, in functions whose names end in _avx2 or
# _avx512; a test reads the machine code to see to it.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2)
endif()

if(NEUROPLEX_SANITIZE)
  add_compile_options(-fsanitize=${NEUROPLEX_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NEUROPLEX_SANITIZE})
  # Clang 14 tells the sources in another way than GCC.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    if(NEUROPLEX_SANITIZE MATCHES "address")
      add_compile_definitions(__SANITIZE_ADDRESS__)
    elseif(NEUROPLEX_SANITIZE MATCHES "thread")
      add_compile_definitions(__SANITIZE_THREAD__)
    endif()
  endif()
  # GCC cannot see through what a sanitizer inserts and warns in vain.
  add_compile_options(
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
endif()

# neuroplex_leave_out_check(<target> <PRIVATE|INTERFACE> <check>): compiles the
# target, or those who link it, without one check of UndefinedBehaviorSanitizer.
function(neuroplex_leave_out_check target scope check)
  if(TARGET ${target} AND NEUROPLEX_SANITIZE MATCHES "undefined")
    target_compile_options(${target} ${scope} -fno-sanitize=${check})
  endif()
endfunction()

function(neuroplex_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic)
  # GCC 12 sees overlapping copies in std::string's operator+ that cannot be
  # (GCC bug 105651).
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
  if(NEUROPLEX_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# neuroplex_precompile_caf(<target>): CAF's headers cost seconds a file; they
# are parsed once.
function(neuroplex_precompile_caf target)
  if(NOT TARGET ${target})
    return()
  endif()
  target_precompile_headers(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/cmake/caf_pch.hpp")
  # ccache can look into the header only with this.
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endfunction()

# neuroplex_optimise_less(<target>): for what takes longer to compile than it
# runs.
function(neuroplex_optimise_less target)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # Without -O2, GCC 12 takes a long std::string for a short one in vain.
    target_compile_options(${target} PRIVATE -O1
      $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds>
      $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)
  endif()
endfunction()

# neuroplex_test_options(<target>): a test is compiled more often than its own
# code is run, and Catch2 takes a second a file to parse.
function(neuroplex_test_options target)
  neuroplex_optimise_less(${target})
  # It pays from the third time on that it is parsed.
  get_target_property(sources ${target} SOURCES)
  list(LENGTH sources count)
  if(NEUROPLEX_JOIN_SOURCES AND count LESS_EQUAL 16)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE <catch2/catch.hpp>)
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endfunction()

# Sources of a folder that match a pattern. A folder inside it that became a
# library of its own before keeps its own.
function(neuroplex_glob result folder pattern)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/${folder}/${pattern}")
  get_property(inner_folders GLOBAL PROPERTY NEUROPLEX_LIBRARY_FOLDERS)
  foreach(inner IN LISTS inner_folders)
    if(inner MATCHES "^${folder}/")
      list(FILTER sources EXCLUDE REGEX "^${PROJECT_SOURCE_DIR}/${inner}/")
    endif()
  endforeach()
  set(${result} "${sources}" PARENT_SCOPE)
endfunction()

# neuroplex_join(<target>): most of a file's time goes into headers that its
# neighbours need as well.
function(neuroplex_join target)
  set_target_properties(${target} PROPERTIES
    UNITY_BUILD ${NEUROPLEX_JOIN_SOURCES} UNITY_BUILD_BATCH_SIZE 16)
endfunction()

# neuroplex_library(<folder> <link arguments>...): a static library of the
# folder's sources, tests and a program's main.cpp apart, as
# neuroplex::<last part of folder>.
function(neuroplex_library folder)
  neuroplex_glob(sources ${folder} "*.cpp")
  list(FILTER sources EXCLUDE REGEX "\\.(test|fuzz)\\.cpp$|/main\\.cpp$")
  if(NOT sources)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY NEUROPLEX_LIBRARY_FOLDERS ${folder})
  cmake_path(GET folder FILENAME name)
  set(target neuroplex_${name})
  add_library(${target} STATIC ${sources})
  add_library(neuroplex::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  neuroplex_join(${target})
  # What has no test of several threads is not built there at all.
  if(NEUROPLEX_SANITIZE MATCHES "thread")
    set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/neuroplex>")
  target_link_libraries(${target} ${ARGN})
  neuroplex_warnings(${target})
endfunction()

# neuroplex_unit_tests(<folder> <link arguments>...): the *.test.cpp beside the
# folder's sources as one Catch2 program, <last part of folder>_tests,
# registered test by test. Under ThreadSanitizer those with the tag [threads],
# since one thread cannot race.
function(neuroplex_unit_tests folder)
  neuroplex_glob(sources ${folder} "*.test.cpp")
  set(wanted "")
  if(NEUROPLEX_SANITIZE MATCHES "thread")
    set(wanted TEST_SPEC "[threads]")
    foreach(source IN LISTS sources)
      file(STRINGS "${source}" tags REGEX "\\[threads\\]" LIMIT_COUNT 1)
      if(NOT tags)
        list(REMOVE_ITEM sources "${source}")
      endif()
    endforeach()
  endif()
  cmake_path(GET folder FILENAME name)
  if(NOT sources OR NOT TARGET neuroplex_${name})
    return()
  endif()
  set(target ${name}_tests)
  add_executable(${target} ${sources})
  target_link_libraries(${target} PRIVATE neuroplex::${name}
    Catch2::Catch2WithMain ${ARGN})
  neuroplex_warnings(${target})
  neuroplex_test_options(${target})
  neuroplex_join(${target})
  catch_discover_tests(${target} ${wanted}
    TEST_PREFIX "${NEUROPLEX_TEST_PREFIX}${folder}/"
    PROPERTIES TIMEOUT 900 LABELS unit)
endfunction()
