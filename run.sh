#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tour.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/steps.sh
source scripts/steps.sh

usage() {
  cat <<'TEXT'
usage: ./run.sh [--no-install] [--jobs N] [TOUR OPTION...]

Shows Neuroplex at work. In order:
  1. installs the Debian packages that are missing (apt, by sudo if need be)
  2. builds the release preset into build/release
  3. runs `neuroplex tour`: three nodes as three processes on loopback hold
     WordNet 3.0; all of it is read back through shared memory and through
     messages and compared, a node is killed and comes back, a table sums up

It needs no input, ends by itself, and may be interrupted and run again.

  --no-install   install nothing; fail if something is missing
  --jobs N       compile N files at a time (default: one a processor)
  -h, --help     this text

All other options go to the tour: build/release/cli/neuroplex tour --help
TEXT
}

install=yes
tour_options=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --no-install) install=no ;;
    --jobs)
      [[ ${2-} =~ ^[1-9][0-9]*$ ]] || stop "--jobs needs a number from 1"
      jobs=$2
      shift
      ;;
    *) tour_options+=("$1") ;;
  esac
  shift
done

trap step_failed ERR

step "packages" "$install_hint"
if [[ $install == yes ]]; then
  install_packages "${build_packages[@]}" "${run_packages[@]}"
else
  echo "   left alone (--no-install)"
fi
step_done

step "configure" "$configure_hint"
cmake --preset release -DBUILD_TESTING=OFF -DNEUROPLEX_WITH_BENCH=OFF \
  -DNEUROPLEX_WITH_EXAMPLES=OFF -DNEUROPLEX_JOIN_SOURCES=ON
step_done

step "build" "$build_hint"
cmake --build --preset release --parallel "$jobs" --target neuroplex
step_done

printf '\n%s== tour%s\n' "$bold" "$plain"
exec build/release/cli/neuroplex tour "${tour_options[@]}"
