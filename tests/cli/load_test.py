#!/usr/bin/env python3
"""Loads JSON lines and CSV into a running node and reads every entry back by
`get`; then gives `load` input with one bad record and looks that the line is
named, that what stood before it is stored, and that nothing of it or after it
is.

usage: load_test.py PATH-OF-NEUROPLEX
"""

import base64
import csv
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time

RECORD_COUNT = 250
BATCH_ENTRIES = 64  # several batches, the last one not full
DEADLINE_S = 120
HOUR_MS = 3_600_000


class Node:
    """`neuroplex serve` in a directory of its own, until the block ends."""

    def __init__(self, program, home):
        data = home / "data"
        data.mkdir()
        ready_file = home / "ready"
        self.log = open(home / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [program, "serve", "--data-dir", data, "--port", "auto",
             "--resp-port", "off", "--segment-size", "8M",
             "--connection-timeout", "60s",
             "--ready-file", ready_file],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        self.wait_ready()
        port = json.loads(ready_file.read_text(encoding="utf-8"))["basp_port"]
        self.address = f"127.0.0.1:{port}"

    def wait_ready(self):
        """The ready file is written before the node says so."""
        until = time.monotonic() + DEADLINE_S
        said = b""
        while b" is ready\n" not in said:
            left = until - time.monotonic()
            pipe = self.process.stdout
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                self.give_up("was not ready in time")
            piece = os.read(pipe.fileno(), 4096)
            if not piece:
                self.give_up("ended before it was ready")
            said += piece

    def give_up(self, what):
        self.process.kill()
        self.log.seek(0)
        sys.exit(f"the node {what}: {self.log.read()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.give_up("did not stop")
        if self.process.returncode != 0:
            self.give_up(f"ended with {self.process.returncode}")
        self.log.close()


class Command:
    """Runs subcommands against the node in one namespace."""

    def __init__(self, program, node, space):
        self.program = program
        self.node = node
        self.space = space

    def run(self, *arguments):
        return subprocess.run(
            [self.program, *arguments, "--node", self.node.address,
             "--namespace", self.space, "--timeout", "60s"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S,
            check=False)

    def load(self, *arguments):
        return self.run("load", *arguments)

    def get(self, key):
        """(value, expires_at_ms), or None when the key is not there."""
        done = self.run("get", "--encoding", "base64", "--output", "json",
                        base64.b64encode(key).decode())
        if done.returncode == 5 and b"error[E-NOTFOUND]" in done.stderr:
            return None
        expect(done.returncode == 0, f"get {key!r}: {done.stderr.decode()}")
        answer = json.loads(done.stdout)
        value = (answer["value"].encode() if "value" in answer
                 else base64.b64decode(answer["value_base64"]))
        return value, answer["expires_at_ms"]

    def count(self):
        done = self.run("scan", "--keys-only", "--output", "json")
        expect(done.returncode == 0, f"scan: {done.stderr.decode()}")
        return json.loads(done.stdout)["count"]


def expect(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


def expect_same(command, records):
    """The namespace holds the records, byte for byte, and nothing else."""
    now_ms = time.time() * 1000
    for key, (value, ttl_ms) in records.items():
        found = command.get(key)
        expect(found is not None, f"{key!r} is not there")
        expect(found[0] == value, f"{key!r}: {found[0]!r}, not {value!r}")
        lasts = found[1] != 0
        expect(lasts == (ttl_ms != 0), f"{key!r}: expires at {found[1]}")
        expect(not lasts or now_ms < found[1] <= now_ms + ttl_ms + 1000,
               f"{key!r}: expires at {found[1]}, now is {now_ms:.0f}")
    expect(command.count() == len(records), "there is more than was loaded")


def text_records():
    """Keys and values that both formats must quote, and lifetimes."""
    values = ["plain", "", "comma, \"quote\"", "line\nend", "tab\t\\",
              "caf\u00e9 \u4e16\u754c \U0001f9e0", "x" * 5000]
    return {f"user:{i}" if i % 3 else f"key, \"{i}\" \u00e9":
            (f"{values[i % len(values)]}{i}" if i % len(values) != 1 else "",
             HOUR_MS if i % 5 == 0 else 0)
            for i in range(RECORD_COUNT)}


def as_bytes(records):
    return {key.encode(): (value.encode(), ttl_ms)
            for key, (value, ttl_ms) in records.items()}


def check_report(done, records):
    expect(done.returncode == 0, f"load: {done.stderr.decode()}")
    report = json.loads(done.stdout)
    expect(report["entries"] == len(records), f"reported: {report}")
    expect(report["batches"] >= len(records) // BATCH_ENTRIES,
           f"reported: {report}")
    expect(report["value_bytes"]
           == sum(len(value) for value, _ in records.values()),
           f"reported: {report}")


def whole_json_lines(command, home):
    texts = text_records()
    records = as_bytes(texts)
    with open(home / "all.jsonl", "w", encoding="utf-8") as out:
        for i, (key, (value, ttl_ms)) in enumerate(texts.items()):
            entry = {"key": key, "value": value}
            if ttl_ms:
                entry["ttl_ms"] = ttl_ms
            out.write(json.dumps(entry, ensure_ascii=i % 2 == 0))
            out.write("\r\n\n" if i % 7 == 0 else "\n")
        for raw in (bytes(range(256)), b"\xff\xfe", b"\0"):
            records[b"raw:" + raw] = (raw, 0)
            out.write(json.dumps(
                {"key_base64": base64.b64encode(b"raw:" + raw).decode(),
                 "value_base64": base64.b64encode(raw).decode()}) + "\n")
    check_report(command.load("jsonl", home / "all.jsonl", "--batch",
                              str(BATCH_ENTRIES), "--output", "json"), records)
    expect_same(command, records)


def whole_csv(command, home):
    texts = text_records()
    with open(home / "all.csv", "w", encoding="utf-8", newline="") as out:
        table = csv.writer(out, delimiter=";")
        table.writerow(["note", "id", "lasts", "text"])
        for key, (value, ttl_ms) in texts.items():
            table.writerow(["not taken", key, ttl_ms or "", value])
    records = as_bytes(texts)
    check_report(command.load("csv", home / "all.csv", "--key-column", "id",
                              "--value-column", "text", "--ttl-column", "lasts",
                              "--delimiter", ";", "--batch",
                              str(BATCH_ENTRIES), "--output", "json"), records)
    expect_same(command, records)


# Text of the bad record, its status and code, and what the message must say.
BAD_JSON_LINES = [
    ('{"key":"old","value":', 5, "E-PROTOCOL", "not valid JSON at column"),
    ('{"key":"old","value":7}', 5, "E-PROTOCOL", "the value must be a string"),
    ('{"key":"old"}', 5, "E-PROTOCOL", 'give "value" or "value_base64"'),
    ('{"value":"new"}', 5, "E-PROTOCOL", 'give "key" or "key_base64"'),
    ('{"key":"old","value":"new","valeu":""}', 5, "E-PROTOCOL",
     'unknown member "valeu": expected key, key_base64, value'),
    ('{"key":"old","value":"new","ttl_ms":0}', 5, "E-PROTOCOL",
     '"ttl_ms" must be 1 or more'),
    ('{"key":"old","value_base64":"*"}', 5, "E-PROTOCOL", "is not base64"),
    ('{"key":"","value":"new"}', 2, "E-KEY", "give at least one byte"),
    (json.dumps({"key": "k" * 65536, "value": "new"}), 2, "E-KEYSIZE",
     "at most 65535"),
]
BAD_CSV = [
    ("old", 5, "E-PROTOCOL", "the record has 1 field: expected 3"),
    ("old,new,,", 5, "E-PROTOCOL", "the record has 4 fields: expected 3"),
    ('old,"new,', 5, "E-PROTOCOL", "double the quotes inside a quoted field"),
    ('old,ne"w,', 5, "E-PROTOCOL", "quote the field and double the quote"),
    ('old,"new"er,', 5, "E-PROTOCOL", "double the quotes"),
    ("old,new,soon", 5, "E-PROTOCOL", "a whole number of milliseconds"),
    (",new,", 2, "E-KEY", "give at least one byte"),
]


def one_bad_record(command, home, form, case, render):
    """A load with good records around a bad one, over an older entry."""
    bad, status, code, text = case
    what = f"{form}: {bad[:60]!r}"
    done = command.run("set", "old", "untouched")
    expect(done.returncode == 0, f"set: {done.stderr.decode()}")
    stored = command.count()
    before = [f"{what}:{i}" for i in range(BATCH_ENTRIES + 3)]
    after = [f"{what} after:{i}" for i in range(BATCH_ENTRIES)]
    header, lines = render(before, "value")
    path = home / f"bad.{form}"
    path.write_text("\n".join([*header, *lines, bad,
                               *render(after, "value")[1]]) + "\n",
                    encoding="utf-8")
    done = command.load(form, path, "--batch", str(BATCH_ENTRIES))
    said = done.stderr.decode()
    bad_line = len(header) + len(lines) + 1
    expect(done.returncode == status, f"{what}: status {done.returncode}")
    expect(said.count("\n") == 1, f"{what}: not one line: {said}")
    expect(said.startswith(f"error[{code}]: {path}:{bad_line}: "),
           f"{what}: does not name line {bad_line}: {said}")
    expect(text in said, f"{what}: does not say {text!r}: {said}")
    expect(f"(stored before it: {len(before):,} entries)" in said,
           f"{what}: does not say what is stored: {said}")
    expect(command.get(b"old") == (b"untouched", 0), f"{what}: is applied")
    expect(command.count() == stored + len(before),
           f"{what}: other entries are stored than those before it")
    for key in (before[0], before[-1]):
        expect(command.get(key.encode()) == (b"value", 0),
               f"{what}: {key} is not stored")
    expect(command.get(after[0].encode()) is None, f"{what}: it went on")


def render_json_lines(keys, value):
    return [], [json.dumps({"key": key, "value": value}) for key in keys]


def render_csv(keys, value):
    doubled = (key.replace('"', '""') for key in keys)
    return ["key,value,ttl_ms"], [f'"{key}",{value},' for key in doubled]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = os.path.realpath(sys.argv[1])
    for name in [one for one in os.environ if one.startswith("NEUROPLEX_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="neuroplex-load-") as directory:
        home = pathlib.Path(directory)
        with Node(program, home) as node:
            whole_json_lines(Command(program, node, "jsonl"), home)
            whole_csv(Command(program, node, "csv"), home)
            bad = Command(program, node, "bad")
            for case in BAD_JSON_LINES:
                one_bad_record(bad, home, "jsonl", case, render_json_lines)
            for case in BAD_CSV:
                one_bad_record(bad, home, "csv", case, render_csv)
    print(f"{2 * RECORD_COUNT} records came back whole, "
          f"{len(BAD_JSON_LINES) + len(BAD_CSV)} bad ones left nothing")


if __name__ == "__main__":
    main()
