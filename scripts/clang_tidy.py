#!/usr/bin/env python3
"""Runs clang-tidy over the compile database, in parallel, remembering results.

A file that passed is not read again until it, a header of the project that it
includes, its flags, .clang-tidy or clang-tidy itself changes.

Most of the time of a file goes into the headers of libraries, so files that
need the same ones are read as one translation unit, which includes them one
after the other. Tests and programs are read as copies that have a namespace to
themselves, since most begin with `using namespace`. Files that use a name of an
earlier one for another thing, and so do not compile with it, are read together
apart.

usage: clang_tidy.py [--jobs N] [FILE...]
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
CACHE = ROOT / "build/lint" # what passed is remembered here
COPIES = CACHE / "copies"
QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)

# Flags of GCC that clang 14 does not know, and flags of no use to it.
DROPPED = {"-fpch-preprocess", "-Winvalid-pch", "-Wno-tsan",
           "-Wno-maybe-uninitialized", "-Wno-restrict",
           "-Wno-stringop-overflow", "-c", "-w",
           "-fPIC", "-fPIE", "-O0", "-O1", "-O3"}
DROPPED_WITH_VALUE = {"-o", "-include", "-MF", "-MT", "-MQ"}

# What clang itself finds in place of a check; see .clang-tidy.
WARNINGS = ["-Wreserved-identifier", "-Wreserved-macro-identifier"]

# Other files are parts of a library, whose names are what others use.
NAMED_NAMESPACE = re.compile(r"^(inline )?namespace \w", re.MULTILINE)

# Its headers are the largest by far.
CAF = re.compile(r"^\s*#\s*include\s*<caf/", re.MULTILINE)

# Files read together: more save more, fewer share the cores out more evenly.
GROUP_FILES = 60

COMPILE_ERROR = re.compile(r"^(\S+?):\d+:\d+: error: (.*) "
                           r"\[clang-diagnostic-error\]$", re.MULTILINE)

NOISE = re.compile(r"^\d+ warnings? (generated|treated)|^Suppressed \d+|"
                   r"^Use -header-filter|^Error while processing")


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


class Unit:
    """One translation unit and what its result depends on."""

    def __init__(self, entry, salt):
        self.path = pathlib.Path(entry["file"]).resolve()
        self.name = str(self.path.relative_to(ROOT))
        self.flags = clang_flags(entry["command"])
        digest = hashlib.sha256(salt)
        digest.update("\0".join(self.flags).encode())
        self.uses_caf = False
        self.text = self.path.read_text(encoding="utf-8")
        for source in closure(self.path, set()):
            digest.update(str(source.relative_to(ROOT)).encode() + b"\0")
            text = source.read_text(encoding="utf-8")
            digest.update(text.encode())
            self.uses_caf |= bool(CAF.search(text))
        self.key = digest.hexdigest()

    def macros(self):
        """What the flags define, by name."""
        return dict(flag[2:].partition("=")[::2] for flag in self.flags
                    if flag.startswith("-D"))


def clang_tidy(path, flags, *options):
    """Answers (passed, output)."""
    # .clang-tidy is found beside each file, and so not for those of libraries,
    # whose names would cost a third of the time.
    result = subprocess.run(
        ["clang-tidy", "--quiet", *options, str(path), "--", *flags, *WARNINGS,
         "-ferror-limit=0"],
        cwd=ROOT, capture_output=True, text=True, check=False)
    lines = (result.stdout + result.stderr).splitlines()
    return (result.returncode == 0,
            "\n".join(line.replace(f"{COPIES}/", f"{ROOT}/") for line in lines
                      if not NOISE.match(line)))


def joined(group):
    """A file that stands for the group."""
    if len(group) == 1:
        return group[0].path
    names = "".join(unit.name for unit in group)
    path = CACHE / (hashlib.sha256(names.encode()).hexdigest() + ".cpp")
    path.write_text("".join(
        f'#include "{in_own_namespace(unit, number)}"'
        " // NOLINT(bugprone-suspicious-include)\n"
        for number, unit in enumerate(group)), encoding="utf-8")
    return path


def in_own_namespace(unit, number):
    """The file, or a copy whose own text lies in a namespace of its own."""
    lines = unit.text.splitlines()
    code = [at for at, line in enumerate(lines)
            if line and not line.startswith(("#", "//"))]
    if (NAMED_NAMESPACE.search(unit.text) or not code
            or any(line.startswith("#include") for line in lines[code[0]:])):
        return unit.path
    lines[code[0]] = f"namespace file_{number} {{ {lines[code[0]]}"
    copy = COPIES / unit.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    # Namespaces do not keep names of C apart.
    text = "\n".join([*lines, "}", ""]).replace('extern "C" ', " " * 11)
    copy.write_text(text, encoding="utf-8")
    return copy


def flags_of(group):
    """All flags of all members, each once."""
    # A main function need not return a value; in a namespace it need.
    flags = [flag for unit in group for flag in unit.flags]
    return list(dict.fromkeys([*flags, "-Wno-return-type"]))


def check(group):
    """Answers how many files passed, what the others got, and groups to be read
    instead if not all compile together."""
    passed, output = clang_tidy(joined(group), flags_of(group))
    if passed:
        for unit in group:
            (CACHE / unit.key).touch()
        return len(group), "", []
    errors = dict(COMPILE_ERROR.findall(output))
    odd = [unit for unit in group[1:] if str(unit.path) in errors]
    if odd:
        # It costs a second reading of all of them, so it is worth a better name.
        told = "".join(f"{unit.name}: read once more, apart: "
                       f"{errors[str(unit.path)]}\n" for unit in odd)
        return 0, told, [[unit for unit in group if unit not in odd], odd]
    return 0, f"{' '.join(unit.name for unit in group)}: refused\n{output}", []


def groups_of(units):
    """The units in groups that need the same headers."""
    alike = {}
    for unit in units:
        kind = (unit.uses_caf, unit.name.endswith(".test.cpp"))
        alike.setdefault(kind, []).append(unit)
    groups = []
    for members in alike.values():
        members.sort(key=lambda unit: unit.name)
        parts = -(-len(members) // GROUP_FILES)
        size = -(-len(members) // parts)
        for begin in range(0, len(members), size):
            groups += of_one_meaning(members[begin:begin + size])
    return groups


def of_one_meaning(units):
    """The units in groups, each without a macro that is defined in two ways."""
    groups = []
    for unit in units:
        for group, macros in groups:
            mine = unit.macros()
            if all(macros.get(name, value) == value
                   for name, value in mine.items()):
                group.append(unit)
                macros.update(mine)
                break
        else:
            groups.append(([unit], unit.macros()))
    return [group for group, _ in groups]


def compile_database():
    """A compile database with an entry for each file, made for the purpose: a
    build may join files or leave out tests."""
    build = CACHE / "database"
    result = subprocess.run(
        ["cmake", "--preset", "release", "-B", str(build)], cwd=ROOT,
        capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{build}: cmake --preset release failed:\n"
                 f"{result.stdout}{result.stderr}")
    return build / "compile_commands.json"


def read_units(database, arguments, salt):
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
        # Planted mistakes are made of a file that stands here before them.
        name = str(path.relative_to(ROOT))
        if name not in units and (not wanted or name in wanted):
            units[name] = Unit(entry, salt)
    missing = wanted - units.keys()
    if missing:
        sys.exit(f"not in the compile database: {', '.join(sorted(missing))}")
    return list(units.values())


def main():
    parser = argparse.ArgumentParser(description="clang-tidy with a memory")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()

    CACHE.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True,
                             check=True).stdout
    salt = (version + (ROOT / ".clang-tidy").read_bytes()
            + pathlib.Path(__file__).read_bytes())
    units = read_units(compile_database(), arguments, salt)
    todo = [unit for unit in units if not (CACHE / unit.key).exists()]
    print(f"clang-tidy: {len(units)} files, {len(units) - len(todo)} of them "
          f"unchanged since they passed", flush=True)

    began = time.monotonic()
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        pending = {pool.submit(check, group)
                   for group in sorted(groups_of(todo), key=len, reverse=True)}
        while pending:
            done, pending = concurrent.futures.wait(
                pending, return_when=concurrent.futures.FIRST_COMPLETED)
            for one in done:
                count, output, instead = one.result()
                passed += count
                if output:
                    print(output, flush=True)
                pending |= {pool.submit(check, group) for group in instead}
    print(f"clang-tidy: {passed} passed now, {len(todo) - passed} refused, "
          f"{time.monotonic() - began:.0f} s")
    return 0 if passed == len(todo) else 1


if __name__ == "__main__":
    sys.exit(main())
