#!/usr/bin/env bash
# Gives the real command everything that a command line, a configuration file
# and the file system can get wrong. Each case must end with the right exit
# status, exactly one line `error[E-CODE]: ...` on standard error, nothing on
# standard output, nothing written, within a second of processor time, and with
# the next good request working.
#
# usage: bad_inputs.sh PATH-OF-NEUROPLEX
set -u
program=$(readlink -f "$1") || exit 2
home=$(mktemp -d /tmp/neuroplex-bad-inputs-XXXXXX) || exit 2
canary=canary-3f9a7c
failures=0
cases=0
. "$(dirname "$0")/node.sh"

cleanup() {
  [ -z "$node" ] || stop_node
  chmod -R u+rwx "$home" && rm -rf "$home"
}
trap cleanup EXIT
mkdir "$home/work" "$home/out"
cd "$home/work" || exit 2

# Settings come from the arguments alone.
for name in $(compgen -e | grep '^NEUROPLEX_'); do unset "$name"; done

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n  stdout: %s\n  stderr: %s\n' "$1" \
    "$(head -c 300 "$home/out/stdout")" "$(head -c 600 "$home/out/stderr")"
}

listing() {
  find . -printf '%p %s %T@ %m\n' | grep -v '^\./segment ' | sort
}

good() {
  [ "$("$program" get greeting --segment segment 2>&1)" = hello ]
}

# run STATUS CODE TEXT ARGUMENTS...: the case `ARGUMENTS` must end with STATUS
# and a line of CODE that holds TEXT. Redirections are the caller's.
run() {
  local status=$1 code=$2 text=$3 what="neuroplex ${*:4}" before after used
  what=${what:0:120}
  cases=$((cases + 1))
  before=$(listing)
  TIMEFORMAT='%U %S'
  { time timeout 60 "$program" "${@:4}" >"${stdout:-$home/out/stdout}" \
    2>"$home/out/stderr"; echo $? >"$home/out/status"; } 2>"$home/out/time"
  [ -z "${stdout:-}" ] || : >"$home/out/stdout"
  after=$(listing)
  read -r ended <"$home/out/status"
  used=$(tail -n 1 "$home/out/time" | awk '{print ($1 + $2 > 1.0)}')
  if [ "$ended" != "$status" ]; then
    fail "$what: exit status $ended, expected $status"
  elif [ "$(wc -l <"$home/out/stderr")" != 1 ] \
    && [ "${usage_follows:-}" != yes ]; then
    fail "$what: not one line on standard error"
  elif ! head -n 1 "$home/out/stderr" | grep -qF "error[$code]: "; then
    fail "$what: not $code"
  elif ! head -n 1 "$home/out/stderr" | grep -qF -- "$text"; then
    fail "$what: does not say '$text'"
  elif [ -s "$home/out/stdout" ]; then
    fail "$what: claims something on standard output"
  elif [ "$used" = 1 ]; then
    fail "$what: took $(tail -n 1 "$home/out/time") s of processor time"
  elif [ "$before" != "$after" ]; then
    fail "$what: wrote something: $(diff <(echo "$before") <(echo "$after"))"
  elif grep -qF "$canary" "$home/out/stderr"; then
    fail "$what: tells the secret"
  elif [ -e segment ] && ! good; then
    fail "$what: the next good request fails"
  fi
}

config() {
  printf '%s' "$1" >node.json
  run 3 "${3:-E-CONFIG}" "$2" config validate --config node.json
}

"$program" set greeting hello --segment segment --create 1M >/dev/null \
  || { echo "no segment can be made here"; exit 1; }

# -- the command line ----------------------------------------------------------

usage_follows=yes run 2 E-USE "expected one of"
grep -q '^Usage: neuroplex' "$home/out/stderr" || fail "usage is not shown"
usage_follows=yes run 2 E-USE "expected one of" config
run 2 E-USE 'did you mean "serve"?' srve
run 2 E-USE 'did you mean "validate"?' config vaildate
run 2 E-USE "one argument too many" get a b
run 2 E-USE "KEY: missing" get
run 2 E-USE "VALUE: missing" set a --segment segment
run 2 E-FLAG "did you mean --port?" serve --prot 1
run 2 E-FLAG "did you mean --namespace?" get a --namspace b

for port in 70000 -1 80x '' 0 65536 1.5 0x50 ' 80' 99999999999999999999; do
  run 2 E-RANGE "expected 1 to 65535" serve --port "$port"
done
for id in 0x100000000 4294967296 -1 18446744073709551616 0 ''; do
  run 2 E-RANGE "expected 1 to 4294967295" serve --replica-id "$id"
done
for size in 1 1e3 17E 18446744073709551615 65G -64M '64 M' '' 99999999999999T; do
  run 2 E-SIZE "1 MiB to 64 GiB" serve --segment-size "$size"
  grep -q "powers of two" "$home/out/stderr" || fail "no rule for sizes"
done
run 2 E-DUPFLAG '"7000" and "7001"' serve --port 7000 --port 7001
run 2 E-DUPFLAG '"text" and "json"' get a --output text --output json

run 2 E-KEY "empty" get '' --segment segment
run 2 E-KEY "empty" set '' value --segment segment
run 2 E-KEY "empty" del '' --segment segment
long=$(head -c 65536 /dev/zero | tr '\0' k)
run 2 E-KEYSIZE "65536 bytes" get "$long" --segment segment
run 2 E-KEYSIZE "1 to 65535" set "$long" value --segment segment
head -c 600000 /dev/zero >big
run 2 E-VALSIZE "600000 bytes: expected at most" \
  set big --value-file big --segment segment
run 2 E-KEYBYTES "hexadecimal" get --encoding hex 0g --segment segment
run 2 E-KEYBYTES "hexadecimal" get --encoding hex 123 --segment segment
run 2 E-KEYBYTES "base64" get --encoding base64 '*' --segment segment
run 2 E-RANGE "1 to 9223372036854 ms" \
  set a b --ttl 9223372036855 --segment segment
head -c 16 /dev/zero >cut.atr
run 2 E-RANGE "the nearest is lirs" bench trace cut.atr --size 9 --policy lirz
run 2 E-RANGE "noeviction" bench trace cut.atr --size 9 --policy noeviction
run 2 E-SIZE "--size" bench trace cut.atr --size 0
run 2 E-USE "--size is missing" bench trace cut.atr
run 2 E-USE "" bench trace --size 9
run 4 E-CORRUPT "run 0" bench trace cut.atr --size 9
printf 'aaaaaaaa\1\0\0\0\0\0\1\0bbb' >cut.atr
run 4 E-CORRUPT "byte 16" bench trace cut.atr --size 9
mv cut.atr cut.atr.zst
run 4 E-CORRUPT "Zstandard" bench trace cut.atr.zst --size 9
: >empty.atr
run 4 E-CORRUPT "no record" bench trace empty.atr --size 9
rm cut.atr.zst empty.atr
run 2 E-RANGE "--ttl" set a b --ttl 0 --segment segment
run 5 E-NOTFOUND '"absent"' get absent --segment segment
run 5 E-NOTFOUND '"absent"' del absent --segment segment
run 5 E-NOTFOUND '"nowhere"' get a --namespace nowhere --segment segment
run 5 E-NOTFOUND 'did you mean "default"?' \
  namespace show defualt --segment segment
run 5 E-NOTFOUND '"nowhere"' \
  namespace set nowhere --policy lru --segment segment
run 2 E-RANGE "noeviction|clock|fifo|lru|lfu" \
  namespace set default --policy lruu --segment segment
run 2 E-RANGE "general|training|inference|critical" \
  namespace set default --priority urgent --segment segment
run 2 E-RANGE "off|adaptive" \
  namespace set default --compression zip --segment segment
run 2 E-SIZE "0 B to 64 GiB" namespace set default --quota 65G --segment segment
run 3 E-CONFIG "0 (none) or 128" \
  namespace set default --share-from 127 --segment segment
run 2 E-SIZE "--share-from" \
  namespace set default --share-from 9G --segment segment
run 2 E-USE "NAME: missing" namespace show --segment segment
run 2 E-USE "DIRECTORY: missing" backup once --segment segment
run 3 E-PATH "nosuch" backup once copy --segment nosuch
run 2 E-RANGE "--interval" backup run copy --interval 1ms --segment segment
run 2 E-RANGE "--fold-percent" backup once copy --fold-percent 0
run 3 E-PATH "nosuch" backup verify nosuch
run 3 E-PATH "nosuch" backup restore nosuch restored
run 5 E-NOTFOUND "no base file" backup restore . restored --repair
run 2 E-USE "FILE: missing" backup restore copy
run 3 E-PATH "nosuch" backup check nosuch
run 5 E-NOTINT '"greeting"' incr greeting --segment segment
run 2 E-RANGE "9223372036854775807" incr n 9223372036854775808 --segment segment

# Keys of any bytes are taken as they are.
odd=$'line\nbreak\xff\xfe'
"$program" set "$odd" kept --segment segment >/dev/null
[ "$("$program" get "$odd" --segment segment)" = kept ] \
  || fail "a key with a line end and invalid UTF-8 is not kept"
"$program" set --encoding hex 610062 6b --segment segment >/dev/null
[ "$("$program" get --encoding hex 610062 --segment segment)" = 6b ] \
  || fail "a key with NUL is not kept"
[ "$("$program" get --encoding base64 YQBi --segment segment)" = aw== ] \
  || fail "a key with NUL is not the same in base64"

# -- paths ---------------------------------------------------------------------

(umask 077; : >file)
ln -s nowhere dangling
mkfifo fifo
mkdir locked
for path in file missing/dir dangling fifo; do
  run 3 E-PATH "node.data_dir" serve --data-dir "$path"
done
if [ "$(id -u)" != 0 ]; then
  chmod 500 locked
  run 3 E-PATH "Permission denied" serve --data-dir locked
fi
run 3 E-PATH "No such file" get a --segment missing
run 3 E-PATH "" get a --segment dangling
run 3 E-PATH "" get a --segment fifo
run 4 E-SEGSIZE "" get a --segment file
run 3 E-PATH "No such file" set a --value-file missing --segment segment

# -- streams -------------------------------------------------------------------

stdout=/dev/full run 6 E-IO "No space left" get greeting --segment segment
stdout=/dev/full run 6 E-IO "standard output" config explain
stdout=/dev/full run 6 E-IO "standard output" --help
"$program" get greeting --segment segment 2>"$home/out/stderr" >&-
[ $? = 6 ] && grep -q '^error\[E-IO\]: standard output' "$home/out/stderr" \
  || fail "a closed standard output is not noticed"
[ "$("$program" get greeting --segment segment <&-)" = hello ] \
  || fail "a closed standard input disturbs get"
"$program" set closed --value-file - --segment segment <&- >/dev/null
[ -z "$("$program" get closed --segment segment)" ] \
  || fail "a closed standard input is not an empty value"

# -- the configuration file ----------------------------------------------------

run 3 E-CONFIG "No such file" config validate --config missing.json
run 3 E-CONFIG "directory" config validate --config locked
run 3 E-CONFIG "not a regular file" config validate --config fifo
config '' "node.json:1:1: empty"
config $'{\n  "node" {}\n}' "node.json:2:10: syntax"
config '{"node": {"cluster": "x"' "node.json:1:25: syntax"
config '{"nod": {}}' 'unknown section: did you mean "node"?'
config '{"resp": {"prot": 1}}' 'unknown key: did you mean "port"?'
config '{"placement": {"shards": "yes"}}' 'placement.shards: "yes"'
config '{"segment": {"huge_pages": "yes"}}' "true or false"
config '{"placement": {"shards": 65537}}' "1 to 65536"
config '{"basp": {"port": 70000}}' "1 to 65535"
config $'{"resp": {"port": 1,\n"port": 2}}' "node.json:2:1: \"port\": given twice"
config '{"timeouts": {"heartbeat_ms": 900}}' "two heartbeats" E-TIMING
config '{"peers": [{"replica_id": 1, "host": "::1", "port": 1}]}' "other nodes" \
  E-TOPOLOGY
config "$(head -c 10000 /dev/zero | tr '\0' '[')" "nesting"
config "{\"a\": $(head -c 10000 /dev/zero | tr '\0' '[')" "nesting"
truncate -s 100M node.json
run 3 E-CONFIG "1048576 bytes" config validate --config node.json
rm node.json
for name in NEUROPLEX_BASP_PORT=70000 NEUROPLEX_RESP_PROT=1; do
  export "${name?}"
  run 3 E-CONFIG "${name%%=*}" config validate
  unset "${name%%=*}"
done

# -- secrets -------------------------------------------------------------------

printf '%s\n' "$canary" >password
chmod 644 password
run 3 E-SECRETMODE "0600" config validate --resp-password-file password
run 3 E-SECRETMODE "0600" serve --resp-password-file password
run 3 E-SECRETMODE "--resp-password-file" serve --resp-password "$canary"
run 3 E-SECRETMODE "--resp-password-file" serve "--resp-password=$canary"
config "{\"resp\": {\"password\": \"$canary\"}}" "resp.password_file" \
  E-SECRETMODE
export NEUROPLEX_RESP_PASSWORD=$canary
run 3 E-SECRETMODE "NEUROPLEX_RESP_PASSWORD_FILE" config validate
unset NEUROPLEX_RESP_PASSWORD
chmod 600 password
for command in show explain validate; do
  "$program" config "$command" --resp-password-file password \
    >"$home/out/stdout" 2>"$home/out/stderr" \
    || fail "config $command refuses a private password file"
  ! grep -qF "$canary" "$home/out/stdout" "$home/out/stderr" \
    || fail "config $command tells the password"
done

# -- one node a data directory -------------------------------------------------

mkdir data
if start_node --data-dir data --port auto --resp-port off --segment-size 1M; then
  run 6 E-LOCKED "$node" serve --data-dir data --port auto --resp-port off
  kill -0 "$node" || fail "the first node is gone"
  stop_node || fail "the first node did not end well: $node_said"
else
  fail "no node can be started: $node_said"
fi

# -- the segment's file is cut short under a node ------------------------------

if start_node --data-dir data --port auto --resp-port off; then
  : >data/segment
  # Its upkeep looks at the segment several times a second; so does it end.
  status=0
  wait "$node" || status=$?
  node_said=$(cat <&"$node_stream")
  exec {node_stream}<&-
  node=
  cases=$((cases + 1))
  [ "$status" = 4 ] || fail "a cut segment: exit status $status, expected 4"
  grep -q '^error\[E-SEGBUS\]: segment data/segment: ' <<<"$node_said" \
    || fail "a cut segment: '$node_said'"
  rm data/segment
else
  fail "no node can be started: $node_said"
fi

echo "$cases bad inputs, $failures wrong answers"
[ "$failures" = 0 ]
