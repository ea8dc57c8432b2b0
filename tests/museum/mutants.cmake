# neuroplex_mutants(<name> SUBJECTS <pattern>... [ARGUMENTS <argument>...]): the
# mutants of the calling folder, all in one program, <name>_mutants, to which
# the caller adds what runs them. SUBJECTS are the sources that they may change,
# as plant.py has them. Each becomes a test that passes when the program finds
# the mistake in the scenario that its file names.

set(NEUROPLEX_MUSEUM "${CMAKE_CURRENT_LIST_DIR}")

function(neuroplex_mutants name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SUBJECTS;ARGUMENTS")
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(plant "${NEUROPLEX_MUSEUM}/plant.py")
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR
    BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE folder)
  file(GLOB mutants CONFIGURE_DEPENDS
    "${CMAKE_CURRENT_SOURCE_DIR}/mutants/*.txt")

  list(TRANSFORM arg_SUBJECTS PREPEND "${PROJECT_SOURCE_DIR}/")
  file(GLOB_RECURSE subjects CONFIGURE_DEPENDS
    RELATIVE "${PROJECT_SOURCE_DIR}" ${arg_SUBJECTS})
  list(FILTER subjects EXCLUDE REGEX "\\.(test|fuzz)\\.[ch]pp$")
  list(TRANSFORM subjects PREPEND "${PROJECT_SOURCE_DIR}/"
    OUTPUT_VARIABLE originals)
  set(target_folder "${CMAKE_CURRENT_BINARY_DIR}/planted")
  list(TRANSFORM subjects PREPEND "${target_folder}/" OUTPUT_VARIABLE copies)
  add_custom_command(OUTPUT "${target_folder}/done"
    BYPRODUCTS ${copies} "${target_folder}/planted_names.cpp"
    COMMAND Python3::Interpreter "${plant}" plant "${PROJECT_SOURCE_DIR}"
      "${folder}/mutants" "${target_folder}"
    COMMAND ${CMAKE_COMMAND} -E touch "${target_folder}/done"
    DEPENDS "${plant}" ${mutants} ${originals}
    COMMENT "Planting the mutants of ${folder}" VERBATIM)

  set(target ${name}_mutants)
  add_executable(${target} ${copies} "${target_folder}/done"
    "${NEUROPLEX_MUSEUM}/planted.cpp" "${target_folder}/planted_names.cpp")
  set_source_files_properties("${target_folder}/done"
    PROPERTIES HEADER_FILE_ONLY ON)
  # clang-tidy reads what stands in the compile database by its name.
  set_source_files_properties("${NEUROPLEX_MUSEUM}/planted.cpp"
    PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_include_directories(${target} BEFORE PRIVATE "${target_folder}")
  set_target_properties(${target} PROPERTIES
    UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
  # A mistake may leave something unused; what counts is how fast it compiles.
  target_compile_options(${target} PRIVATE -w)

  foreach(mutant IN LISTS mutants)
    cmake_path(GET mutant STEM stem)
    file(STRINGS "${mutant}" caught_by REGEX "^caught by: ")
    string(REPLACE "caught by: " "" caught_by "${caught_by}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${mutant}")
    add_test(NAME "${name}/caught: ${stem}"
      COMMAND ${remembered} "$<TARGET_FILE:${target}>"
        --must-fail --scenario ${caught_by} ${arg_ARGUMENTS})
    set_tests_properties("${name}/caught: ${stem}" PROPERTIES TIMEOUT 900
      ENVIRONMENT "NEUROPLEX_PLANTED=${stem}")
  endforeach()
endfunction()
