#!/usr/bin/env bash
# The real command doing what it is for: help with examples for every
# subcommand, settings from their layers, one segment and one node read and
# written by all the commands that can, and JSON that parses.
#
# usage: good_inputs.sh PATH-OF-NEUROPLEX ROOT-OF-THE-SOURCE
set -u
program=$(readlink -f "$1") || exit 2
source=$(readlink -f "$2") || exit 2
home=$(mktemp -d /tmp/neuroplex-good-inputs-XXXXXX) || exit 2
failures=0
. "$(dirname "$0")/node.sh"

cleanup() {
  [ -z "$node" ] || stop_node
  rm -rf "$home"
}
trap cleanup EXIT
cd "$home" || exit 2
for name in $(compgen -e | grep '^NEUROPLEX_'); do unset "$name"; done

fail() {
  failures=$((failures + 1))
  echo "FAILED: $1"
}

# is EXPECTED ARGUMENTS...: the command prints exactly EXPECTED.
is() {
  local got
  got=$("$program" "${@:2}" 2>&1)
  [ "$got" = "$1" ] || fail "${*:2}: '$got' instead of '$1'"
}

# json EXPRESSION ARGUMENTS...: what the command prints is JSON, of which the
# expression over `x` is true.
json() {
  "$program" "${@:2}" --output json >answer.json 2>errors \
    || fail "${*:2}: $(cat errors)"
  python3 -c 'import json, sys
x = json.load(open("answer.json"))
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" 2>errors \
    || fail "${*:2}: not $1: $(head -c 300 answer.json; tail -n 1 errors)"
}

# -- help ----------------------------------------------------------------------

help_of() {
  local command
  "$program" "$@" --help >help.txt || fail "$*: no help"
  [ $# = 0 ] || grep -q '^Examples:' help.txt || fail "$*: help without examples"
  [ "$(awk '{ if (length > 100) print }' help.txt | wc -l)" = 0 ] \
    || [ $# != 0 ] || fail "help is too wide"
  for command in $(awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 }
                        on && /^  [a-z]/ { print $1 }' help.txt); do
    help_of "$@" "$command"
  done
}
help_of
for command in tour cluster serve get set del incr scan watch load attach stats \
  bench sim raft doctor config cert namespace backup; do
  "$program" --help | grep -q "^  $command " || fail "--help has no $command"
done

# -- the simulator -------------------------------------------------------------

json 'x["runs"] == 3 and x["runs_failed"] == 0 and x["decided"] > 0' \
  sim --seed 7 --runs 3 --commit-check
json 'x["runs_repeated"] == 1 and x["scenario"] == "pbft"' \
  sim --scenario pbft --seed 7 --commit-check
trace=$("$program" sim --seed 9 --output json \
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["trace"])')
json "x[\"trace\"] == $trace" sim --seed 9

# -- settings ------------------------------------------------------------------

"$program" config sample | cmp - "$source/config/neuroplex.sample.json" \
  || fail "config/neuroplex.sample.json is not what config sample prints"
for sample in "$source"/config/*.sample.json; do
  "$program" config show --config "$sample" >/dev/null \
    || fail "$sample is not valid"
done
echo '{"placement": {"shards": 8}, "timeouts": {"request_ms": "2s"}}' >node.json
export NEUROPLEX_CONFIG=node.json NEUROPLEX_TIMEOUTS_REQUEST_MS=3s
json 'x["settings"][0]["value"] == 8 and x["settings"][0]["origin"] == "file"' \
  config explain placement.shards
json 'x["settings"][0]["place"] == "NEUROPLEX_TIMEOUTS_REQUEST_MS"' \
  config explain timeouts.request_ms
json 'x["settings"][0]["origin"] == "flag" and x["settings"][0]["value"] == 9' \
  config explain placement.shards --shards 9
json 'len(x["settings"]) > 40' config explain
"$program" config show >all.json
unset NEUROPLEX_CONFIG NEUROPLEX_TIMEOUTS_REQUEST_MS
json 'x["valid"]' config validate --config all.json

# -- one segment ---------------------------------------------------------------

is stored set greeting hello --segment segment --create 4M
is hello get greeting --segment segment
is stored set lock me --if-absent --ttl 1h --segment segment
is 5 incr count 5 --segment segment
is 3 incr count -2 --segment segment
is stored set --segment segment -- --dashes x
is x get --segment segment -- --dashes
printf 'a\0b\n' | "$program" set raw --value-file - --segment segment >/dev/null
"$program" get raw --exact --segment segment | cmp - <(printf 'a\0b\n') \
  || fail "a value is not kept byte for byte"
is hello attach segment get greeting
json 'x["value"] == "hello" and x["version"] > 0' get greeting --segment segment
json '"value_base64" not in x and x["expires_at_ms"] > 0' \
  get lock --segment segment
json 'x["done"] and x["count"] == 5 and len(x["entries"]) == 5' \
  scan --segment segment
json '[e["key"] for e in x["entries"]] == ["greeting"]' \
  scan --prefix gree --keys-only --segment segment
json 'x["segment"]["entries"] == 5' stats --segment segment
json 'x["segment"]["entries"] == 5' attach segment
json 'x["namespaces"][0]["name"] == "default"' attach segment namespaces
json 'x["damaged"] == 0' attach segment verify

# What a namespace does when memory is short.
json 'x["namespaces"][0]["policy"] == "noeviction"' \
  namespace list --segment segment
json 'x["policy"] == "lru" and x["quota_bytes"] == 65536' \
  namespace set default --policy lru --quota 64K --segment segment
json 'x["priority"] == "critical" and x["policy"] == "lru"' \
  namespace set default --priority critical --segment segment
json 'x["default_ttl_ms"] == 120000 and x["entries"] == 0' \
  namespace set young --create --ttl 2m --segment segment
json 'x["compression"] == "adaptive" and x["default_ttl_ms"] == 120000' \
  namespace set young --compression adaptive --segment segment
json 'x["priority"] == "critical" and x["quota_bytes"] == 65536' \
  namespace show default --segment segment
json 'x["share_from"] == 200 and x["shared_entries"] == 0' \
  namespace set young --share-from 200 --segment segment
page=$(printf '%0300d' 7)
is stored set one "$page" --namespace young --segment segment
is stored set two "$page" --namespace young --segment segment
is "$page" get two --namespace young --segment segment
json 'x["shared_entries"] == 2 and x["shared_bytes"] == 600 and \
  x["contents"] == 1 and 0 < x["content_block_bytes"] < 600' \
  namespace show young --segment segment
json 'x["share_from"] == 0 and x["contents"] == 1' \
  namespace set young --share-from 0 --segment segment
json 'x["policy"] == "adaptive" and x["order"] == "s3fifo"' \
  namespace set young --policy adaptive --segment segment
"$program" namespace show young --segment segment \
  | grep -q 'policy.*adaptive, now s3fifo' || fail "show: no order of adaptive"
json 'x["policy"] == "lru" and x["order"] == "lru"' \
  namespace show default --segment segment
json 'x["policy"] == "noeviction" and x["quota_bytes"] == 0' namespace set \
  default --policy noeviction --quota 0 --priority general --segment segment
json 'x["checks"][0]["state"] == "ok"' doctor --segment segment
is erased del lock --segment segment
json 'x["operations"] and x["entries"] == 1000' \
  bench --entries 1000 --operations 1000 --directory "$home"
[ -z "$(ls "$home"/neuroplex-bench-* 2>/dev/null)" ] || fail "bench leaves a file"

# A trace of keys 1 2 3 1 2 3, of 5 bytes each, as records and packed.
python3 -c 'import struct, sys
for key in (1, 1):
    sys.stdout.buffer.write(struct.pack("<QIBBH", key, 5, 0, 0, 3))' >loop.atr
zstd -q loop.atr -o loop.atr.zst
for file in loop.atr loop.atr.zst; do
  json 'x["requests"] == 6 and x["hits"] == 3 and x["misses"] == 3' \
    bench trace $file --policy lru --size 3
  json 'x["hit_ratio"] == x["byte_hit_ratio"] == 0.5' \
    bench trace $file --policy clock --size 3
  json 'x["ns_per_request"] > 0' bench trace $file --size 3
  json 'x["hits"] == 0' bench trace $file --policy fifo --size 10 --bytes
  json 'x["hits"] == 3' bench trace $file --size 15 --bytes --aim bytes
done
"$program" bench trace loop.atr --size 3 | grep -q '50.00 %' \
  || fail "bench trace prints no hit ratio"

# -- certificates --------------------------------------------------------------

mkdir -m 700 certs
json '"ca.pem" in x["certificate_file"]' cert ca --out certs
json '"replica-7.pem" in x["certificate_file"]' \
  cert node --out certs --replica-id 7
json 'x["replica_id"] == 7' cert show certs/replica-7.pem
json 'x["authority"]' cert show certs/ca.pem
[ "$(stat -c %a certs/replica-7.key)" = 600 ] || fail "the key is not private"

# -- one node ------------------------------------------------------------------

mkdir data
start_node --data-dir data --port auto --resp-port off --segment-size 4M \
  --ready-file ready || fail "no node can be started: $node_said"
at=127.0.0.1:$(python3 -c 'import json; print(json.load(open("ready"))["basp_port"])')
is stored set greeting hello --node "$at" --timeout 60s
is hello get greeting --node "$at" --timeout 60s
is hello get greeting --segment data
is 7 incr count 7 --node "$at" --timeout 60s
json 'x["done"] and x["count"] == 2' scan --node "$at" --timeout 60s
json 'x["replica_id"] == 1 and x["segment"]["entries"] == 2' \
  stats --node "$at" --timeout 60s
printf '%s\n' '{"key":"k1","value":"v1"}' '{"key":"k2","value":"v2"}' >two.jsonl
"$program" load jsonl two.jsonl --node "$at" --timeout 60s >/dev/null 2>errors \
  || fail "load: $(cat errors)"
is v2 get k2 --segment data
stop_node || fail "the node did not end well: $node_said"
[ ! -e ready ] || fail "the ready file stays"
is v1 attach data get k1

# -- a node that comes back says what it found ---------------------------------

# ready EXPRESSION: what the node says of itself once ready.
ready() {
  python3 -c 'import json, sys
x = json.load(open("ready"))["found"]
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" || fail "not $1: $(cat ready)"
}

start_node --data-dir data --port auto --resp-port off --ready-file ready \
  || fail "no node can be started: $node_said"
ready 'x["clean"] and not x["made"] and x["entries"] == 4'
kill -9 "$node"
stop_node && fail "a killed node ends well"
start_node --data-dir data --port auto --resp-port off --ready-file ready \
  --numa interleave || fail "a killed node does not come back: $node_said"
ready 'not x["clean"] and not x["power_lost"] and x["entries"] == 4'
ready 'x["recovered_threads"] >= 1'
at=127.0.0.1:$(python3 -c 'import json; print(json.load(open("ready"))["basp_port"])')
is v2 get k2 --node "$at" --timeout 60s
json '"killed" in x["start"]["text"] and x["start"]["entries"] == 4' \
  stats --node "$at" --timeout 60s
json 'x["segment"]["placement"].startswith("interleave ")' \
  stats --node "$at" --timeout 60s
stop_node || fail "the node did not end well: $node_said"
case $node_said in
  *"kept 4 entries of "*": whoever used it last was killed, "*) ;;
  *) fail "the node does not say what it kept: $node_said" ;;
esac
case $node_said in
  *"  memory   interleave "*) ;;
  *) fail "the node does not say where its memory lies: $node_said" ;;
esac

[ "$failures" = 0 ] && echo "all commands did what they are for"
