#!/usr/bin/env python3
"""Runs clang-tidy over the compile database, in parallel, remembering results.

A file that passed is not read again until it, a header of the project that it
includes, its flags, .clang-tidy or clang-tidy itself changes. With --budget,
what is not reached in time is named and left for the next run
(`scripts/lint.sh --all` has no budget). So that a budget is spent well, files
changed lately go first, the latest first; the others follow in an order that is
another one at each commit, so that each has its turn even where no run finds
what the last one remembered.

usage: clang_tidy.py [--build DIR] [--budget SECONDS] [--jobs N] [FILE...]
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)

# Flags of GCC that clang 14 does not know, and flags of no use to it.
DROPPED = {"-fpch-preprocess", "-Winvalid-pch", "-Wno-tsan",
           "-Wno-maybe-uninitialized", "-Wno-restrict", "-c"}
DROPPED_WITH_VALUE = {"-o", "-include", "-MF", "-MT", "-MQ"}

# A file is changed lately when it is not as committed, or one of so many
# commits changed it or the header of its name.
LATE_COMMITS = 10


def closure(path, seen):
    """The file and all headers of the project it includes, sorted."""
    pending = [path]
    while pending:
        one = pending.pop()
        if one in seen or not one.is_file():
            continue
        seen.add(one)
        for target in QUOTED.findall(one.read_text(encoding="utf-8")):
            pending.append(ROOT / target)
    return sorted(seen)


def clang_flags(command):
    """The flags that matter, without compiler, launcher and outputs."""
    words = shlex.split(command)
    start = next(i for i, word in enumerate(words) if word.startswith("-")
                 and i > 0 and re.search(r"(\+\+|cc|clang)[-\d.]*$",
                                         words[i - 1]))
    flags = []
    skip = False
    for word in words[start:]:
        if skip:
            skip = False
        elif word in DROPPED_WITH_VALUE:
            skip = True
        elif word in DROPPED or word.startswith(("-fsanitize", "-MD")):
            pass
        elif word.endswith((".cpp", ".o")) and not word.startswith("-"):
            pass
        else:
            flags.append(word)
    return flags


def git_lines(*arguments):
    """What git says; nothing outside a checkout."""
    try:
        said = subprocess.run(["git", "-C", str(ROOT), *arguments],
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return said.stdout.splitlines() if said.returncode == 0 else []


def reading_order(units):
    """The units, those changed lately first; see the top of this file."""
    changed = (git_lines("diff", "--name-only", "HEAD")
               + git_lines("ls-files", "--others", "--exclude-standard")
               + git_lines("log", f"-{LATE_COMMITS}", "--format=",
                           "--name-only"))
    rank = {}
    for index, name in enumerate(changed):
        rank.setdefault(name.rsplit(".", 1)[0], index)
    head = "".join(git_lines("rev-parse", "HEAD"))

    def place(unit):
        turn = hashlib.sha256((head + unit.name).encode()).hexdigest()
        return rank.get(unit.name.rsplit(".", 1)[0], len(changed)), turn

    return sorted(units, key=place)


class Unit:
    """One translation unit and what its result depends on."""

    def __init__(self, entry, salt):
        self.path = pathlib.Path(entry["file"]).resolve()
        self.name = str(self.path.relative_to(ROOT))
        self.flags = clang_flags(entry["command"])
        digest = hashlib.sha256(salt)
        digest.update("\0".join(self.flags).encode())
        for source in closure(self.path, set()):
            digest.update(str(source.relative_to(ROOT)).encode() + b"\0")
            digest.update(source.read_bytes())
        self.key = digest.hexdigest()


def check(unit, cache):
    """Answers (passed, output)."""
    result = subprocess.run(
        ["clang-tidy", "--quiet", str(unit.path), "--", *unit.flags],
        cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        (cache / unit.key).touch()
        return True, ""
    noise = re.compile(r"^\d+ warnings? (generated|treated)|^Suppressed \d+|"
                       r"^Use -header-filter|^Error while processing")
    lines = (result.stdout + result.stderr).splitlines()
    return False, "\n".join(line for line in lines if not noise.match(line))


def read_units(arguments, salt):
    database = pathlib.Path(arguments.build) / "compile_commands.json"
    if not database.is_file():
        sys.exit(f"{database}: not there: run cmake --preset release first")
    wanted = {str(pathlib.Path(one).resolve().relative_to(ROOT))
              for one in arguments.files}
    units = {}
    for entry in json.loads(database.read_text(encoding="utf-8")):
        path = pathlib.Path(entry["file"]).resolve()
        ours = (path.is_relative_to(ROOT) and path.suffix == ".cpp"
                and not path.is_relative_to(ROOT / "build")
                and path.is_file())
        if not ours:
            continue
        unit = Unit(entry, salt)
        if not wanted or unit.name in wanted:
            units[unit.name] = unit
    missing = wanted - units.keys()
    if missing:
        sys.exit(f"not in the compile database: {', '.join(sorted(missing))}")
    return reading_order(units.values())


def main():
    parser = argparse.ArgumentParser(description="clang-tidy with a memory")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--cache", default="",
                        help="where passed files are remembered")
    parser.add_argument("--budget", type=float, default=float("inf"),
                        help="seconds after which no file is begun")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()

    cache = pathlib.Path(arguments.cache or ROOT / "build/lint")
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True,
                             check=True).stdout
    salt = version + (ROOT / ".clang-tidy").read_bytes()
    units = read_units(arguments, salt)
    todo = [unit for unit in units if not (cache / unit.key).exists()]
    print(f"clang-tidy: {len(units)} files, {len(units) - len(todo)} of them "
          f"unchanged since they passed", flush=True)

    began = time.monotonic()
    failed = []
    late = []

    def run(unit):
        if time.monotonic() - began > arguments.budget:
            late.append(unit.name)
            return
        passed, output = check(unit, cache)
        if not passed:
            failed.append(unit.name)
            print(f"{unit.name}: refused\n{output}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for done in [pool.submit(run, unit) for unit in todo]:
            done.result()
    print(f"clang-tidy: {len(todo) - len(failed) - len(late)} passed now, "
          f"{len(failed)} refused, {time.monotonic() - began:.0f} s")
    if late:
        print(f"not reached within {arguments.budget:.0f} s, run "
              f"scripts/lint.sh --all: {' '.join(sorted(late))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
