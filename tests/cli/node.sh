# For the tests of the command, which source it: a node in the background.
# Uses `program`; sets `node`, its process id, empty when none runs.
node=
node_said=
node_deadline_s=60

# start_node ARGUMENTS...: runs `serve` and returns when it says that it is
# ready; fails when it ends before, or is silent for too long. The node bears
# the silence of clients that a busy machine holds up.
start_node() {
  local line
  node_said=
  exec {node_stream}< <(NEUROPLEX_TIMEOUTS_CONNECTION_TIMEOUT_MS=60s \
    exec "$program" serve "$@" 2>&1)
  node=$!
  while IFS= read -r -t "$node_deadline_s" line <&"$node_stream"; do
    node_said+=$line$'\n'
    [[ $line != *' is ready' ]] || return 0
  done
  return 1
}

# stop_node: asks it to end; answers its exit status. `node_said` is all that it
# said.
stop_node() {
  local status=0
  kill "$node" 2>/dev/null
  node_said+=$(cat <&"$node_stream")
  exec {node_stream}<&-
  wait "$node" || status=$?
  node=
  return "$status"
}
