# Compiler settings and the two helpers that make the folder targets.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

option(NEUROPLEX_WERROR "Treat warnings in our code as errors" ON)
set(NEUROPLEX_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined or thread")

find_program(NEUROPLEX_CCACHE ccache)
if(NEUROPLEX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${NEUROPLEX_CCACHE}")
endif()
find_program(NEUROPLEX_MOLD mold)
if(NEUROPLEX_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Binaries run on any x86-64-v2 machine (SSE4.2, 16-byte compare-exchange).
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2)
endif()

if(NEUROPLEX_SANITIZE)
  add_compile_options(-fsanitize=${NEUROPLEX_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NEUROPLEX_SANITIZE})
endif()

function(neuroplex_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic)
  if(NEUROPLEX_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# neuroplex_library(<folder> <link arguments>...): a static library of the
# folder's sources (tests apart), as neuroplex::<folder>.
function(neuroplex_library folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    "${CMAKE_SOURCE_DIR}/${folder}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "\\.(test|fuzz)\\.cpp$")
  if(NOT sources)
    return()
  endif()
  set(target neuroplex_${folder})
  add_library(${target} STATIC ${sources})
  add_library(neuroplex::${folder} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${folder})
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>"
    "$<INSTALL_INTERFACE:include/neuroplex>")
  target_link_libraries(${target} ${ARGN})
  neuroplex_warnings(${target})
endfunction()

# neuroplex_unit_tests(<folder>): the *.test.cpp beside the folder's sources as
# one Catch2 program, registered test by test.
function(neuroplex_unit_tests folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    "${CMAKE_SOURCE_DIR}/${folder}/*.test.cpp")
  if(NOT sources)
    return()
  endif()
  set(target ${folder}_tests)
  add_executable(${target} ${sources})
  target_link_libraries(${target} PRIVATE neuroplex::${folder}
    neuroplex_test_main ${ARGN})
  neuroplex_warnings(${target})
  catch_discover_tests(${target} TEST_PREFIX "${folder}: "
    DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 300)
endfunction()
