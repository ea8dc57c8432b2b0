#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/steps.sh
source scripts/steps.sh

usage() {
  cat <<'TEXT'
usage: ./test.sh [--quick] [--repeat] [--no-install] [--jobs N]

Builds and passes the tests. In order:
  1. installs what is missing: Debian packages by apt (by sudo if need be), the
     two Redis clients by npm into tests/clients
  2. builds three times: release; tsan (ThreadSanitizer, all that does not use
     CAF); asan (AddressSanitizer and UndefinedBehaviorSanitizer, likewise)
  3. runs the tests of all three builds in one go, and ends with their count

May be interrupted and run again; what is built stays built, and a long search
from fixed seeds that passed is not repeated while its program and data are the
same. Tests that need data or rights this machine does not have say so and are
skipped.

  --quick        the release build and its tests only
  --repeat       repeat those searches, too
  --no-install   install nothing; fail if something is missing
  --jobs N       compile N at a time (default: one a processor) and test half
                 as many more, since many tests wait
  -h, --help     this text

Single tests: ctest --preset release -R <part of the name>
TEXT
}

install=yes
presets=(release tsan asan)
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --quick) presets=(release) ;;
    --repeat) export NEUROPLEX_REPEAT=1 ;; # tests/remembered.py reads it
    --no-install) install=no ;;
    --jobs)
      [[ ${2-} =~ ^[1-9][0-9]*$ ]] || stop "--jobs needs a number from 1"
      jobs=$2
      shift
      ;;
    *) stop "test.sh: unknown option $1; see ./test.sh --help" ;;
  esac
  shift
done

test_packages=(
  catch2 librapidcheck-dev liblmdb-dev libtbb-dev
  clang clang-format clang-tidy g++-aarch64-linux-gnu git libclang-rt-dev
  python3
  iproute2 iptables openssl redis-tools strace zstd
)

# install_clients: node-redis and ioredis, as tests/clients/package-lock.json
# names them, unless they are there already.
install_clients() {
  local folder=tests/clients
  local stamp=$folder/node_modules/.installed
  if [[ ! -f $folder/package-lock.json ]]; then
    return
  fi
  if cmp -s "$folder/package-lock.json" "$stamp"; then
    echo "   the npm packages of $folder are here"
    return
  fi
  npm ci --prefix "$folder" --no-audit --no-fund
  cp "$folder/package-lock.json" "$stamp"
}

# provide_redis: Debian's package redis-server would run a daemon from the next
# start of the machine on. The same program comes with redis-tools, under
# another name; which of its parts it is depends on the name it is called by.
provide_redis() {
  local program
  if ! command -v redis-server > /dev/null \
    && program=$(command -v redis-check-rdb); then
    mkdir -p build/tools
    ln -sfn "$program" build/tools/redis-server
    PATH=$PWD/build/tools:$PATH
  fi
}

trap step_failed ERR

step "packages" "$install_hint"
if [[ $install == yes ]]; then
  # Any node that is there will do; Debian's is taken only without one.
  command -v node > /dev/null || test_packages+=(nodejs)
  command -v npm > /dev/null || test_packages+=(npm)
  install_packages "${build_packages[@]}" "${run_packages[@]}" \
    "${test_packages[@]}"
  install_clients
else
  echo "   left alone (--no-install)"
fi
provide_redis
step_done

# ThreadSanitizer of GCC 12 cannot place its tables when addresses are
# randomised more widely than this; the build runs its programs to list tests.
tsan_random_bits=28
random_bits=$(cat /proc/sys/vm/mmap_rnd_bits 2> /dev/null || echo 0)
steady=(env)
if ((random_bits > tsan_random_bits)) && setarch -R true 2> /dev/null; then
  steady=(setarch -R)
fi

for preset in "${presets[@]}"; do
  step "configure $preset" "$configure_hint"
  cmake --preset "$preset" -DNEUROPLEX_JOIN_SOURCES=ON
  step_done

  step "build $preset" "$build_hint"
  "${steady[@]}" cmake --build --preset "$preset" --parallel "$jobs"
  step_done
done

# One run over all builds, so that one line at the end counts them all.
printf '\n%s== test %s%s\n' "$bold" "${presets[*]}" "$plain"
echo "   one of them again: ctest --preset release --output-on-failure -R <name>"
mkdir -p build/all
printf 'subdirs("../%s")\n' "${presets[@]}" > build/all/CTestTestfile.cmake
# Tests of processes and networks wait most of their time.
run_tests=(ctest --test-dir build/all --output-on-failure
  --parallel $((jobs + (jobs + 1) / 2)) --no-tests=error)
exec "${steady[@]}" "${run_tests[@]}"
