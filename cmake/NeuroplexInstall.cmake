# `cmake --install`: the command, the libraries, their headers, and a CMake
# package. A component of the package is a folder of the source; each has an
# export file of its own, so that a user of `memory` needs no CAF.

include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/neuroplex")

set(installed_components "")
foreach(folder IN ITEMS memory config storage crdt consensus actors)
  if(NOT TARGET neuroplex_${folder})
    continue()
  endif()
  list(APPEND installed_components ${folder})
  set(targets neuroplex_${folder})
  if(folder STREQUAL "actors")
    list(APPEND targets neuroplex_agreement neuroplex_byzantine
      neuroplex_concept_replica neuroplex_concept_service
      neuroplex_replica neuroplex_resp
      neuroplex_tunnel neuroplex_upkeep)
  elseif(folder STREQUAL "storage")
    list(APPEND targets neuroplex_concept)
  elseif(folder STREQUAL "consensus")
    list(APPEND targets neuroplex_hybrid neuroplex_pbft)
  endif()
  install(TARGETS ${targets} EXPORT neuroplex_${folder}
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT neuroplex_${folder} NAMESPACE neuroplex::
    FILE "neuroplex-${folder}.cmake" DESTINATION "${package_dir}")
  # Of memory/ only the interface: the layout of a segment is nobody's business.
  if(folder STREQUAL "memory")
    install(FILES memory/backup.hpp memory/bus_guard.hpp
        memory/checked_open.hpp memory/compact_report.hpp
        memory/compression.hpp
        memory/disk_directory.hpp
        memory/inline_namespace.hpp
        memory/latency_recorder.hpp memory/limits.hpp memory/lower_tier.hpp
        memory/numa.hpp memory/raw_blocks.hpp memory/status.hpp memory/store.hpp
        memory/tiered_cache.hpp
      DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/neuroplex/memory")
    install(FILES memory/policy/kind.hpp
      DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/neuroplex/memory/policy")
  else()
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}"
      DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/neuroplex"
      FILES_MATCHING PATTERN "*.hpp" PATTERN "*.test.hpp" EXCLUDE)
  endif()
endforeach()

if(TARGET neuroplex)
  install(TARGETS neuroplex RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/neuroplexConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/neuroplexConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/neuroplexConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/neuroplexConfig.cmake"
  "${PROJECT_BINARY_DIR}/neuroplexConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindCAF.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindLZ4.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindSodium.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/NeuroplexFindLibrary.cmake"
  DESTINATION "${package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}" OPTIONAL)
