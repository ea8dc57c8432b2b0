#!/bin/sh
# Plays the deployment of README.md on one machine: makes certificates, starts
# three nodes that meet through their tunnels, and moves a value between them.
#
#   ./rehearse.sh PATH-OF-NEUROPLEX [FIRST-PORT]
set -eu
program=$1
first=${2:-17400}
here=$(cd "$(dirname "$0")" && pwd)
room=$(mktemp -d)
running=""
finish() {
  for process in $running; do kill "$process" 2>/dev/null || true; done
  wait
  rm -rf "$room"
}
trap finish EXIT

# Waits until a command succeeds: await SECONDS COMMAND...
await() {
  tries=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "timed out: $*" >&2; return 1; }
    sleep 0.1
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
  "$program" serve --config "$room/node-$node.json" --resp-port off \
    >"$room/node-$node.log" 2>&1 &
  running="$running $!"
done

# Keys a to h live on different nodes; each is set by one and read by another.
for key in a b c d e f g h; do
  await 30 "$program" set "$key" "value of $key" --node "127.0.0.1:$((first + 10))"
done
for node in 2 3; do
  for key in a b c d e f g h; do
    await 30 "$program" get "$key" --node "127.0.0.1:$((first + 10 * node))"
    value=$("$program" get "$key" --node "127.0.0.1:$((first + 10 * node))")
    [ "$value" = "value of $key" ] || { echo "node $node: $key: $value" >&2; exit 1; }
  done
done
echo "three nodes met through their tunnels and agree"
