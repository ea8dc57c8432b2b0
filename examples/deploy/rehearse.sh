#!/usr/bin/env bash
# Plays the deployment of README.md on one machine: makes certificates, starts
# three nodes that meet through their tunnels, and moves a value between them.
#
#   ./rehearse.sh PATH-OF-NEUROPLEX [FIRST-PORT]
set -euo pipefail
program=$1
first=${2:-17400}
here=$(cd "$(dirname "$0")" && pwd)
room=$(mktemp -d)
running=()
patience_s=30
finish() {
  for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${running[@]}"; do wait "$process" || true; done
  rm -rf "$room"
}
trap finish EXIT

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

"$program" cert ca --out "$room" >/dev/null
for node in 1 2 3; do
  "$program" cert node --out "$room" --replica-id "$node" >/dev/null
  mkdir -m 700 "$room/data-$node"
  # Hosts become ports: 10.0.0.N:7401 is 127.0.0.1:(first + 10 N + 1).
  sed -e "s#/etc/neuroplex#$room#; s#/var/lib/neuroplex#$room/data-$node#" \
    -e "s#\"basp\": {\"port\": 7400}#\"basp\": {\"port\": $((first + 10 * node))}#" \
    -e "s#\"port\": 7401,\$#\"port\": $((first + 10 * node + 1)), \"host\": \"127.0.0.1\",#" \
    -e "s#\"10.0.0.1\", \"port\": 7401#\"127.0.0.1\", \"port\": $((first + 11))#" \
    -e "s#\"10.0.0.2\", \"port\": 7401#\"127.0.0.1\", \"port\": $((first + 21))#" \
    -e "s#\"10.0.0.3\", \"port\": 7401#\"127.0.0.1\", \"port\": $((first + 31))#" \
    "$here/node-$node.json" >"$room/node-$node.json"
  start_node --config "$room/node-$node.json" --resp-port off
done

# Keys a to h live on different nodes; each is set by one and read by another.
for key in a b c d e f g h; do
  await "$program" set "$key" "value of $key" --node "127.0.0.1:$((first + 10))"
done
for node in 2 3; do
  for key in a b c d e f g h; do
    await "$program" get "$key" --node "127.0.0.1:$((first + 10 * node))"
    value=$("$program" get "$key" --node "127.0.0.1:$((first + 10 * node))")
    [ "$value" = "value of $key" ] || { echo "node $node: $key: $value" >&2; exit 1; }
  done
done
echo "three nodes met through their tunnels and agree"
