# cmake -DPROJECT=<root of the project> -DSCRATCH_DIR=<folder> -P: a newer CAF
# brings a CMake package of its own, which FindCAF.cmake takes before Debian's
# headers.

set(package "${SCRATCH_DIR}/lib/cmake/CAF")
file(REMOVE_RECURSE "${SCRATCH_DIR}")
file(WRITE "${package}/CAFConfig.cmake" [[
set(found_components ${CAF_FIND_COMPONENTS})
foreach(component IN LISTS CAF_FIND_COMPONENTS)
  set(CAF_${component}_FOUND TRUE)
endforeach()
]])
file(WRITE "${package}/CAFConfigVersion.cmake" [[
set(PACKAGE_VERSION 1.0.2)
set(PACKAGE_VERSION_COMPATIBLE TRUE)
]])

list(PREPEND CMAKE_MODULE_PATH "${PROJECT}/cmake")
list(PREPEND CMAKE_PREFIX_PATH "${SCRATCH_DIR}")
find_package(CAF REQUIRED)
if(NOT CAF_VERSION STREQUAL "1.0.2" OR NOT found_components STREQUAL "core;io")
  message(FATAL_ERROR "found CAF ${CAF_VERSION} (${found_components}) "
    "instead of 1.0.2 (core;io) in ${package}")
endif()
