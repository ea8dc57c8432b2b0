#!/usr/bin/env bash
# Plays the deployment of README.md on one machine: makes certificates, starts
# three nodes that meet through their tunnels, and moves a value between them.
#
#   ./rehearse.sh PATH-OF-NEUROPLEX [PORT]
#
# PORT and the next one serve in place of 7400 and 7401.
set -euo pipefail
program=$1
port=${2:-17400}
here=$(cd "$(dirname "$0")" && pwd)
room=$(mktemp -d)
running=()
exec 3>&2
patience_s=60
finish() {
  for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${running[@]}"; do wait "$process" || true; done
  rm -rf "$room"
}
trap finish EXIT

# address_of NODE: a loopback address that no other run of this script has. Host
# 10.0.0.N of the deployment becomes 127.X.Y.Z, from our process id and N.
address_of() {
  local number=$(($$ * 4 + $1))
  echo "127.$((number >> 16 & 255)).$((number >> 8 & 255)).$((number & 255))"
}

# start_node ARGUMENTS...: returns when the node says that it is ready.
start_node() {
  local said line
  exec {said}< <(exec "$program" serve "$@" 2>&1)
  running+=("$!")
  while IFS= read -r -t "$patience_s" line <&"$said"; do
    [[ $line != *' is ready' ]] || return 0
    echo "$line" >&2
  done
  return 1
}

# await COMMAND...: waits until it succeeds, as it does once nodes have met.
await() {
  local end=$((SECONDS + patience_s))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { echo "timed out: $*" >&2; return 1; }
  done
}

# at NODE COMMAND...: the command through that node.
at() {
  local node=$1
  shift
  "$program" "$@" --node "$(address_of "$node"):$port"
}

# has NODE KEY: it answers the key's value; another one ends the rehearsal.
has() {
  local value
  value=$(at "$1" get "$2") || return 1
  [ "$value" = "value of $2" ] || { echo "node $1: $2: $value" >&3; exit 1; }
}

"$program" cert ca --out "$room" >/dev/null
for node in 1 2 3; do
  "$program" cert node --out "$room" --replica-id "$node" >/dev/null
  mkdir -m 700 "$room/data-$node"
  own=$(address_of "$node")
  sed -e "s#/etc/neuroplex#$room#; s#/var/lib/neuroplex#$room/data-$node#" \
    -e "s#\"basp\": {\"port\": 7400}#\"basp\": {\"port\": $port, \"host\": \"$own\"}#" \
    -e "s#\"port\": 7401,\$#\"port\": $((port + 1)), \"host\": \"$own\",#" \
    -e "s#\"10.0.0.1\", \"port\": 7401#\"$(address_of 1)\", \"port\": $((port + 1))#" \
    -e "s#\"10.0.0.2\", \"port\": 7401#\"$(address_of 2)\", \"port\": $((port + 1))#" \
    -e "s#\"10.0.0.3\", \"port\": 7401#\"$(address_of 3)\", \"port\": $((port + 1))#" \
    "$here/node-$node.json" >"$room/node-$node.json"
  start_node --config "$room/node-$node.json" --resp-port off
done

# Keys a to h live on different nodes; each is set by one and read by another.
for key in a b c d e f g h; do
  await at 1 set "$key" "value of $key"
done
for node in 2 3; do
  for key in a b c d e f g h; do
    await has "$node" "$key"
  done
done
echo "three nodes met through their tunnels and agree"
