# Finds libsodium; target sodium::sodium.
include("${CMAKE_CURRENT_LIST_DIR}/NeuroplexFindLibrary.cmake")
neuroplex_find_library(Sodium TARGET sodium::sodium HEADER sodium.h LIBRARY sodium
  DEBIAN libsodium-dev)
