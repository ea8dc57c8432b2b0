# cmake -P: installs BUILD_DIR below SCRATCH_DIR, then configures, builds and
# runs OUTSIDE_SOURCE, which knows nothing but the installed package.

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${output}")
  endif()
  message(STATUS "${what}: ok")
endfunction()

set(prefix "${SCRATCH_DIR}/prefix")
set(outside_build "${SCRATCH_DIR}/outside")
set(segment "${SCRATCH_DIR}/outside.segment")
file(REMOVE_RECURSE "${SCRATCH_DIR}")
file(MAKE_DIRECTORY "${SCRATCH_DIR}")

run("install" "${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${prefix}")
run("configure" "${CMAKE_COMMAND}" -S "${OUTSIDE_SOURCE}" -B "${outside_build}"
  -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}"
  "-DCMAKE_PREFIX_PATH=${prefix}" "-DWITH_ACTORS=${WITH_ACTORS}")
run("build" "${CMAKE_COMMAND}" --build "${outside_build}")
run("set and get a key" "${outside_build}/outside" "${segment}")
run("a set and a book of trust" "${outside_build}/outside_cores")
if(WITH_ACTORS)
  file(MAKE_DIRECTORY "${SCRATCH_DIR}/node")
  run("a node" "${outside_build}/outside_node" "${SCRATCH_DIR}/node")
endif()
if(WITH_COMMAND)
  run("the installed command" "${prefix}/bin/neuroplex" --version)
endif()
