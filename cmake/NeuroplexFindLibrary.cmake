# neuroplex_find_library(<package> TARGET <name> HEADER <file> LIBRARY <name>
#   DEBIAN <package>): the body of a find module for a C library of one header
# and one file.
macro(neuroplex_find_library package)
  cmake_parse_arguments(find "" "TARGET;HEADER;LIBRARY;DEBIAN" "" ${ARGN})
  find_path(${package}_INCLUDE_DIR ${find_HEADER})
  find_library(${package}_LIBRARY ${find_LIBRARY})
  mark_as_advanced(${package}_INCLUDE_DIR ${package}_LIBRARY)
  include(FindPackageHandleStandardArgs)
  find_package_handle_standard_args(${package}
    REQUIRED_VARS ${package}_LIBRARY ${package}_INCLUDE_DIR
    REASON_FAILURE_MESSAGE
      "install it with: apt-get install ${find_DEBIAN}")
  if(${package}_FOUND AND NOT TARGET ${find_TARGET})
    add_library(${find_TARGET} UNKNOWN IMPORTED)
    set_target_properties(${find_TARGET} PROPERTIES
      IMPORTED_LOCATION "${${package}_LIBRARY}")
    # The compiler's own directories must not be named again with -isystem (it
    # would break #include_next).
    if(NOT ${package}_INCLUDE_DIR IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
      set_target_properties(${find_TARGET} PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${${package}_INCLUDE_DIR}")
    endif()
  endif()
endmacro()
