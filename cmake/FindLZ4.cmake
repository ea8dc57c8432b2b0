# Finds LZ4; target LZ4::LZ4.
include("${CMAKE_CURRENT_LIST_DIR}/NeuroplexFindLibrary.cmake")
neuroplex_find_library(LZ4 TARGET LZ4::LZ4 HEADER lz4.h LIBRARY lz4
  DEBIAN liblz4-dev)
