# Finds Zstandard; target zstd::zstd.
include("${CMAKE_CURRENT_LIST_DIR}/NeuroplexFindLibrary.cmake")
neuroplex_find_library(Zstd TARGET zstd::zstd HEADER zstd.h LIBRARY zstd
  DEBIAN libzstd-dev)
