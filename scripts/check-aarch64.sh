#!/usr/bin/env bash
# Compiles what lies below the actors for aarch64: the paths without SSE. Exits
# with 77 when there is no cross compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: scripts/check-aarch64.sh [BUILD_DIR]

Compiles memory/, config/, storage/ and consensus/ with aarch64-linux-gnu-g++ into
BUILD_DIR (build/aarch64). Nothing is run. The compiler comes with
  apt-get install g++-aarch64-linux-gnu
TEXT
}

case ${1-} in
  -h | --help) usage; exit 0 ;;
  -*) echo "check-aarch64.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
esac

if ! command -v aarch64-linux-gnu-g++ > /dev/null; then
  echo "skipped: no aarch64-linux-gnu-g++ here" \
    "(apt-get install g++-aarch64-linux-gnu)"
  exit 77
fi

build=$(realpath -m "${1:-build/aarch64}")

# Headers of the libraries are the same on every processor, but the rest of
# /usr/include is not and must stay out of sight.
mkdir -p "$build/include"
ln -sfn /usr/include/xxhash.h "$build/include/xxhash.h"
ln -sfn /usr/include/lz4.h "$build/include/lz4.h"
ln -sfn /usr/include/sodium.h "$build/include/sodium.h"
ln -sfn /usr/include/sodium "$build/include/sodium"
ln -sfn /usr/include/nlohmann "$build/include/nlohmann"

cmake -S scripts/aarch64 -B "$build" -G Ninja \
  -DCMAKE_TOOLCHAIN_FILE="$PWD/scripts/aarch64/toolchain.cmake" \
  -DNEUROPLEX_ROOT="$PWD" -DFOREIGN_INCLUDE="$build/include" > "$build/log" \
  || { cat "$build/log"; exit 1; }
cmake --build "$build"
