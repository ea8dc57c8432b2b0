#!/usr/bin/env python3
"""Backs segments up by the command, and looks at what comes back.

  cycle    once, verify, restore and run do what they say, on damage too
  kills    a backup whose writer is killed at any moment is the one before or
           the one after, and nothing between
  writers  what is restored was really there while the backup was made
  golden   a backup of format version 1, made long ago, restores byte for byte

usage: backup_test.py PATH-OF-NEUROPLEX cycle|kills|writers|golden
"""

import base64
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE_S = 240
KILLS_DEADLINE_S = 700
GOLDEN = pathlib.Path(__file__).parent / "golden_backup"


def expect(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


class Command:
    """The command in a directory of its own, without settings of ours."""

    def __init__(self, program, home):
        self.program = program
        self.home = home
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith("NEUROPLEX_")}

    def start(self, *arguments, **more):
        return subprocess.Popen(
            [self.program, *arguments], cwd=self.home, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, **more)

    def run(self, *arguments):
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out, errors.decode()

    def json(self, *arguments):
        status, out, errors = self.run(*arguments, "--output", "json")
        expect(status == 0, f"{' '.join(map(str, arguments))}: {errors}")
        return json.loads(out)

    def refused(self, status, code, *arguments):
        """The command ends with this status and one line of this code."""
        got, out, errors = self.run(*arguments)
        expect(got == status and errors.startswith(f"error[{code}]: ")
               and errors.count("\n") == 1,
               f"{' '.join(map(str, arguments))}: {got}, {errors}")
        return out, errors

    def load(self, segment, space, records):
        """Stores the records, texts by texts."""
        file = self.home / f"{threading.get_ident()}.jsonl"
        with open(file, "w", encoding="utf-8") as lines:
            for key, value in records.items():
                lines.write(json.dumps({"key": key, "value": value}) + "\n")
        status, _, errors = self.run("load", "jsonl", file, "--segment",
                                     segment, "--namespace", space)
        expect(status == 0, f"load: {errors}")

    def content(self, segment, space="default"):
        """All entries, as `scan` shows them."""
        answer = self.json("scan", "--segment", segment, "--namespace", space)
        expect(answer["done"], "scan: not whole")
        entries = {}
        for entry in answer["entries"]:
            name = entry.get("key", entry.get("key_base64"))
            entries[name] = {field: value for field, value in entry.items()
                             if field not in ("version", "key", "key_base64")}
        return entries

    def make(self, segment, size, spaces=()):
        status, _, errors = self.run("set", "first", "entry", "--segment",
                                     segment, "--create", size)
        expect(status == 0, errors)
        for space in spaces:
            self.json("namespace", "set", space, "--create", "--segment",
                      segment)

    def restore(self, backup, *more):
        """The segment that was made from the backup, and the report."""
        target = self.home / "restored"
        if target.exists():
            target.unlink()
        return target, self.json("backup", "restore", backup, target, *more)


def test_cycle(command):
    home = command.home
    command.make("segment", "4M", ["cache"])
    command.json("namespace", "set", "cache", "--policy", "lru", "--priority",
                 "inference", "--quota", "1M", "--ttl", "1h",
                 "--compression", "adaptive", "--segment", "segment")
    command.load("segment", "default", {f"k{i}": f"v{i}" for i in range(300)})
    command.load("segment", "cache", {"text": "to be or not to be; " * 400})

    first = command.json("backup", "once", "copy", "--segment", "segment")
    expect(first["base"] and first["written"] and first["entries"] == 302,
           f"the first generation holds everything: {first}")
    idle = command.json("backup", "once", "copy", "--segment", "segment")
    expect(not idle["written"] and idle["generation"] == first["generation"],
           f"nothing had changed: {idle}")
    command.load("segment", "default", {"k7": "changed"})
    second = command.json("backup", "once", "copy", "--segment", "segment")
    expect(second["written"] and not second["base"]
           and second["bytes"] < first["bytes"],
           f"the second generation holds what changed: {second}")

    found = command.json("backup", "verify", "copy")
    expect(found["intact"] and found["entries"] == 302
           and found["generation"] == second["generation"], f"{found}")
    target, report = command.restore("copy")
    expect(report["entries"] == 302 and report["corrupt"] == 0, f"{report}")
    for space in ("default", "cache"):
        expect(command.content(target, space)
               == command.content("segment", space), f"{space} differs")
    shown = command.json("namespace", "show", "cache", "--segment", target)
    expect((shown["policy"], shown["priority"], shown["quota_bytes"],
            shown["default_ttl_ms"], shown["compression"])
           == ("lru", "inference", 1 << 20, 3_600_000, "adaptive"), f"{shown}")

    # A person sees plain lines where there is no terminal.
    status, out, errors = command.run("backup", "verify", "copy")
    expect(status == 0 and b"\r" not in out and b"\x1b" not in out
           and b"damage" in out, f"{out} {errors}")

    command.refused(5, "E-EXISTS", "backup", "restore", "copy", target)
    command.refused(5, "E-NOTFOUND", "backup", "verify", home)
    command.refused(3, "E-PATH", "backup", "verify", "nowhere")
    run_until_stopped(command)
    test_damage(command)
    test_check(command)


def run_until_stopped(command):
    """`run` writes generations until it is asked to end, then ends well; it
    keeps other writers out meanwhile."""
    runs = command.start("backup", "run", "followed", "--segment", "segment",
                         "--interval", "10ms", "--output", "json")
    try:
        first = json.loads(runs.stdout.readline())
        expect(first["base"], f"{first}")
        command.refused(6, "E-LOCKED", "backup", "once", "followed",
                        "--segment", "segment")
        command.load("segment", "default", {"k8": "followed"})
        second = json.loads(runs.stdout.readline())
        expect(second["written"] and not second["base"], f"{second}")
    finally:
        runs.send_signal(signal.SIGTERM)
        _, errors = runs.communicate(timeout=DEADLINE_S)
    expect(runs.returncode == 0, f"run: {runs.returncode}: {errors.decode()}")
    target, _ = command.restore("followed")
    expect(command.content(target) == command.content("segment"),
           "what run wrote differs")


def test_damage(command):
    """Damage is found, refused, and by choice left out, whatever it hits."""
    whole = command.content("segment")
    base = next((command.home / "copy").glob("base-*"))
    original = base.read_bytes()
    at = original.index(b"v250")
    base.write_bytes(original[:at] + b"w" + original[at + 1:])
    out, _ = command.refused(4, "E-CORRUPT", "backup", "verify", "copy",
                             "--output", "json")
    found = json.loads(out)
    expect(not found["intact"] and found["corrupt"] + found["lost"] >= 1,
           f"{found}")
    target = command.home / "restored"
    target.unlink()
    command.refused(4, "E-CORRUPT", "backup", "restore", "copy", target)
    expect(not target.exists(), "a refused restore leaves a segment")
    target, report = command.restore("copy", "--repair")
    kept = command.content(target)
    expect("k250" not in kept and report["entries"] == len(kept) + 1,
           f"{report}")
    expect(all(whole[key]["value"] == entry["value"] or key == "k8"
               for key, entry in kept.items()), "a wrong byte was served")
    base.write_bytes(original)


def test_check(command):
    """A damaged entry of a segment is refused, and by choice dropped."""
    shutil.copyfile(command.home / "segment", command.home / "hurt")
    os.chmod(command.home / "hurt", 0o600)
    good = command.json("backup", "check", "hurt")
    expect(good["corrupt"] == 0 and good["entries"] >= 302, f"{good}")
    with open(command.home / "hurt", "r+b") as file:
        bytes_now = file.read()
        at = bytes_now.index(b"v250")
        file.seek(at)
        file.write(b"w")
    command.refused(4, "E-CORRUPT", "backup", "check", "hurt")
    mended = command.json("backup", "check", "hurt", "--repair")
    expect(mended["corrupt"] == 1
           and mended["entries"] == good["entries"] - 1, f"{mended}")
    expect("k250" not in command.content("hurt"), "k250 is still there")
    expect(command.json("backup", "check", "hurt")["corrupt"] == 0,
           "the damage is still there")


KILL_ENTRIES = 1_000
KILL_VALUE_BYTES = 3_900


def versioned(number):
    """Every entry as it is in this version."""
    filler = chr(ord("a") + number % 26) * (KILL_VALUE_BYTES - 10)
    return {f"key{i}": f"{number:010d}{filler}" for i in range(KILL_ENTRIES)}


def size_of(directory):
    """Bytes of all files; those that go away meanwhile do not count."""
    total = 0
    for file in directory.iterdir():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            pass
    return total


def expect_whole(command, allowed):
    """The backup is intact and holds one of the versions, all of it."""
    found = command.json("backup", "verify", "copy")
    expect(found["intact"], f"{found}")
    target, _ = command.restore("copy")
    content = command.content(target)
    content.pop("first")
    held = {int(entry["value"][:10]) for entry in content.values()}
    expect(len(held) == 1 and held <= allowed,
           f"versions {held} instead of one of {allowed}")
    version = held.pop()
    expect({key: entry["value"] for key, entry in content.items()}
           == versioned(version), f"version {version} is not what it was")
    return version


def test_kills(command):
    copy = command.home / "copy"
    command.make("segment", "32M")
    command.load("segment", "default", versioned(0))
    once = ("backup", "once", "copy", "--segment", "segment")
    command.json(*once)
    volume = KILL_ENTRIES * KILL_VALUE_BYTES
    held = 0
    version = 0

    # At an exact byte of a file: the kernel ends who would write beyond it. The
    # first of two would have appended to the log; the second, since that one
    # died, would have written a new base.
    for beyond in (0, 1 << 20):
        for attempt in ("log", "base"):
            version += 1
            command.load("segment", "default", versioned(version))
            log_bytes = max((file.stat().st_size for file
                             in copy.glob("log-*")), default=0)
            limit = beyond + (log_bytes if attempt == "log" else 0)

            def limited(limit=limit):
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

            process = command.start(*once, preexec_fn=limited)
            process.communicate(timeout=DEADLINE_S)
            expect(process.returncode != 0, f"it wrote beyond byte {limit}")
            expect_whole(command, {held})
        command.json(*once)
        held = expect_whole(command, {version})

    # By SIGKILL, as soon as so much was written. Whether it comes in time is up
    # to the machine, so it is done until enough have come.
    killed = 0
    until = time.monotonic() + KILLS_DEADLINE_S
    while killed < 5:
        expect(time.monotonic() < until, "no kill came in time")
        if killed % 2 == 0:  # then the next one appends to the log
            command.json(*once)
            held = expect_whole(command, {version})
        version += 1
        command.load("segment", "default", versioned(version))
        enough = size_of(copy) + volume * killed // 5
        process = command.start(*once)
        while process.poll() is None and size_of(copy) <= enough:
            pass
        process.kill()
        process.communicate(timeout=DEADLINE_S)
        if process.returncode == -signal.SIGKILL:
            killed += 1
        held = expect_whole(command, {held, version})
    command.json(*once)
    expect_whole(command, {version})


WRITERS = 2
WRITER_KEYS = 400


def written(writer, number):
    """What a writer stores in this round."""
    filler = f"{writer}.{number}." * 40
    return {f"w{writer}-{i}": f"{number}:{i}:{filler}"
            for i in range(WRITER_KEYS)}


def test_writers(command):
    command.make("segment", "16M")
    begun = [0] * WRITERS
    done = [0] * WRITERS
    stop = threading.Event()
    problems = []

    def write(writer):
        try:
            while not stop.is_set():
                number = begun[writer] + 1
                begun[writer] = number
                command.load("segment", "default", written(writer, number))
                done[writer] = number
        except SystemExit as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(writer,))
               for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        while min(done) == 0 and not problems:
            time.sleep(0.001)
        for _ in range(6):
            oldest = list(done)
            command.json("backup", "once", "copy", "--segment", "segment")
            newest = list(begun)
            target, report = command.restore("copy")
            expect(report["corrupt"] == 0 and report["lost"] == 0, f"{report}")
            check_written(command.content(target), oldest, newest)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    expect(not problems, f"{problems}")


def check_written(content, oldest, newest):
    """Each entry is one that its writer stored, in a round between these."""
    values = {writer: {} for writer in range(WRITERS)}
    for writer in range(WRITERS):
        for i in range(WRITER_KEYS):
            key = f"w{writer}-{i}"
            expect(key in content, f"{key} is missing")
            value = content[key]["value"]
            number = int(value.split(":")[0])
            expect(oldest[writer] <= number <= newest[writer],
                   f"{key}: round {number} is not one of {oldest[writer]} to "
                   f"{newest[writer]}")
            if number not in values[writer]:
                values[writer][number] = written(writer, number)
            expect(value == values[writer][number][key],
                   f"{key}: not what was written in round {number}")


def test_golden(command):
    """README.md beside the backup tells how it was made."""
    expected = json.loads((GOLDEN / "expected.json").read_text("utf-8"))
    (command.home / "golden").mkdir()
    with open(GOLDEN / "v1.json", encoding="utf-8") as file:
        for name, lines in json.load(file).items():
            (command.home / "golden" / name).write_bytes(
                base64.b64decode("".join(lines)))
    found = command.json("backup", "verify", "golden")
    expect(found["intact"] and found["base_generation"] == 1
           and found["generation"] == 3, f"{found}")
    target, report = command.restore("golden")
    expect(report["entries"] == found["entries"]
           == sum(map(len, expected["entries"].values())), f"{report}")
    for space, entries in expected["entries"].items():
        expect(command.content(target, space) == entries, f"{space} differs")
    for settings in expected["namespaces"]:
        shown = command.json("namespace", "show", settings["name"],
                             "--segment", target)
        expect({field: shown[field] for field in settings} == settings,
               f"{shown} instead of {settings}")
    # The version that this program writes is the one of these files: another
    # one needs a golden backup of its own beside this.
    command.json("backup", "once", "now", "--segment", target)
    magic_and_version = 12
    headers = {next((command.home / name).glob("base-*")).read_bytes()
               [:magic_and_version] for name in ("golden", "now")}
    expect(len(headers) == 1, f"another format is written: {headers}")


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    test = {"cycle": test_cycle, "kills": test_kills,
            "writers": test_writers, "golden": test_golden}[sys.argv[2]]
    with tempfile.TemporaryDirectory(prefix="neuroplex-backup-") as home:
        test(Command(program, pathlib.Path(home)))


if __name__ == "__main__":
    main()
