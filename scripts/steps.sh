# Shell pieces that run.sh and test.sh share; sourced, never run. The caller
# stands in the root of the project and has `set -Eeuo pipefail` on.
# shellcheck shell=bash disable=SC2034

# Where the output is a terminal, headings are bold.
if [[ -t 1 ]]; then
  bold=$'\e[1m' plain=$'\e[0m'
else
  bold='' plain=''
fi

jobs=$(nproc)
step_name='' step_hint='' step_began=0

# step <name> <what to do if it fails>: begins a step.
step() {
  step_name=$1 step_hint=$2 step_began=$SECONDS
  printf '\n%s== %s%s\n' "$bold" "$step_name" "$plain"
}

step_done() {
  printf '   done in %d s\n' $((SECONDS - step_began))
  step_name=''
}

# Set as the ERR trap: names the step that failed and the way out.
step_failed() {
  local status=$?
  if [[ -n $step_name ]]; then
    {
      printf '\n%s: failed (status %d)\n' "$step_name" "$status"
      printf 'what to do: %s\n' "$step_hint"
    } >&2
  fi
  exit "$status"
}

stop() {
  printf '%s\n' "$@" >&2
  exit 1
}

# as_root <command>...: runs it as root, by sudo when need be.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    stop "this needs root, and there is no sudo. Run as root:" "  $*"
  fi
}

# missing_packages <package>...: prints those that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null) \
      != installed ]]; then
      printf '%s\n' "$package"
    fi
  done
}

# Some packages start a server when installed. While ours are, a policy file
# forbids it; one that was there before stays in force.
policy_file=/usr/sbin/policy-rc.d
policy_mark='# Written by the Neuroplex scripts while they install packages.'

forbid_services() {
  if [[ -e $policy_file ]] && ! grep -qF "$policy_mark" "$policy_file"; then
    return
  fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" \
    | as_root tee "$policy_file" > /dev/null
  as_root chmod 755 "$policy_file"
}

allow_services() {
  if [[ -e $policy_file ]] && grep -qF "$policy_mark" "$policy_file"; then
    as_root rm -f "$policy_file"
  fi
}

# install_packages <package>...: installs by apt what is missing, and nothing
# when nothing is. Takes up where an interrupted run stopped.
install_packages() {
  local missing
  allow_services
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    echo "   all $# Debian packages are here"
    return
  fi
  echo "   missing: ${missing[*]}"
  command -v apt-get > /dev/null \
    || stop "no apt-get here: this script knows Debian 12 only." \
      "Install the equivalents of the packages above, then use --no-install."
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
    -o DPkg::Lock::Timeout=300)
  forbid_services
  trap allow_services EXIT
  if [[ -n $(dpkg --audit) ]]; then
    as_root dpkg --configure -a
  fi
  as_root "${apt[@]}" update
  as_root "${apt[@]}" install --no-install-recommends "${missing[@]}"
  allow_services
  trap - EXIT
}

# What is needed to build and to run. Tests need more: test.sh.
build_packages=(
  build-essential ccache cmake mold ninja-build
  libcaf-dev libcli11-dev liblz4-dev libsodium-dev libssl-dev libxxhash-dev
  libzstd-dev nlohmann-json3-dev
)
run_packages=(wordnet-base)

install_hint='see the lines of apt or npm above. Without a network, or on another system,
  install the packages by other means and run again with --no-install'
configure_hint='read the first error above. If this directory was moved or copied, or its
  cache is damaged, remove build/ and run again'
build_hint='read the first error above. Killed compilers mean too little memory: run again
  with --jobs 1'
