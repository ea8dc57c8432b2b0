#!/usr/bin/env python3
"""Reads the source and refuses what the house rules forbid.

Rules: arrows between folders point one way; a third-party header is included
only where the folder may use it; a header says `#pragma once` and opens with a
paragraph; a file above MAX_LINES says why in its first lines; an example fits
in EXAMPLE_LINES.

usage: check_source.py <project root>
"""

import pathlib
import re
import sys

# What a folder may include, besides itself and the standard library.
FOLDERS = {
    "memory": set(),
    "storage": {"memory"},
    "crdt": {"storage", "memory"},
    "consensus": {"storage", "memory"},
    "config": {"memory"},
    "actors": {"config", "consensus", "crdt", "storage", "memory"},
    "cli": {"actors", "config", "consensus", "crdt", "storage", "memory"},
    "examples": {"actors", "config", "crdt", "storage", "memory"},
    "bench": {"actors", "config", "consensus", "crdt", "storage", "memory",
              "cli", "bench", "tests"},
    "tests": {"actors", "config", "consensus", "crdt", "storage", "memory",
              "cli", "tests"},
    "cmake": set(),
}

# The command offers the simulator.
EXCEPTIONS = {("cli/commands/sim.cpp", "tests/sim/campaign.hpp"),
              ("cli/commands/sim.cpp", "tests/sim/scenarios.hpp")}

# What memory/ shows to the other folders. The rest is the layout of the segment
# and how it is worked on; only tests and benchmarks may look at that.
MEMORY_PUBLIC = {"memory/backup.hpp", "memory/bus_guard.hpp",
                 "memory/checked_open.hpp", "memory/compression.hpp",
                 "memory/disk_directory.hpp",
                 "memory/inline_namespace.hpp",
                 "memory/latency_recorder.hpp", "memory/limits.hpp",
                 "memory/lower_tier.hpp", "memory/numa.hpp",
                 "memory/policy/cache.hpp",
                 "memory/policy/kind.hpp", "memory/raw_blocks.hpp",
                 "memory/store_policies.hpp",
                 "memory/status.hpp", "memory/store.hpp",
                 "memory/tiered_cache.hpp"}
MEMORY_INSIDERS = {"memory", "bench", "tests"}

# Third-party headers by their first path component, and who may use them.
EVERYONE_ABOVE = {"cli", "examples", "bench", "tests"}
THIRD_PARTY = {
    "caf": {"actors", "cmake"} | EVERYONE_ABOVE,
    "xxhash.h": {"memory", "crdt", "consensus", "storage", "actors", "bench",
                 "tests"},
    "lz4.h": {"memory", "storage", "bench", "tests"},
    "sodium.h": {"consensus", "tests"},
    "rocksdb": {"storage", "bench", "tests"},
    "curl": {"storage", "tests"},
    "nlohmann": {"config", "actors", "cli", "bench", "tests"},
    "openssl": {"actors", "cli", "tests"},
    "CLI": {"cli", "bench"},
    "lmdb.h": {"bench"},
    "oneapi": {"bench"},
    "tbb": {"bench"},
    "benchmark": {"bench"},
    "hnswlib": {"bench"},
    "sqlite3.h": {"bench"},
    "zstd.h": {"bench", "cli", "tests"},
    "sanitizer": {"tests"},
}
# Parts of actors/ that are protocol cores: they know neither CAF nor the actors
# around them.
CORES = ("actors/concept_service/", "actors/resp/", "actors/tunnel/",
         "actors/upkeep/")
# Parts that have sockets and threads of their own, and no CAF either.
WITHOUT_CAF = CORES + ("actors/agreement/", "actors/byzantine/",
                       "actors/concept_replica/", "actors/replica/")
TEST_ONLY = {"catch2", "rapidcheck", "rapidcheck.h"}

# Headers of the C library and the kernel that are neither C++ nor ours.
SYSTEM = re.compile(r"^(sys|linux|net|netinet|arpa|asm)/|^[a-z0-9_]+\.h$")
STANDARD = re.compile(r"^[a-z_]+$")

MAX_LINES = 800
EXAMPLE_LINES = 100
TOO_LONG_EXCUSE = re.compile(r"lines because ", re.IGNORECASE)
EXCUSE_WITHIN_LINES = 40

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_test(path):
    return path.parts[0] == "tests" or path.name.endswith(
        (".test.cpp", ".test.hpp", ".fuzz.cpp"))


def check_quoted(path, target, root):
    folder = path.parts[0]
    to = target.split("/")[0]
    if not (root / target).is_file():
        return f'"{target}" is not a path from the root of the project'
    for core in CORES:
        if (path.as_posix().startswith(core) and to == "actors"
                and not target.startswith(core)):
            return f"{core} is a protocol core: it may not include {target}"
    if to == folder or (path.as_posix(), target) in EXCEPTIONS:
        return None
    if to not in FOLDERS[folder]:
        return f"{folder}/ may not include {to}/"
    if (to == "memory" and folder not in MEMORY_INSIDERS
            and target not in MEMORY_PUBLIC and not is_test(path)):
        return f'"{target}" is internal to memory/'
    if folder == "examples" and ("/internal/" in target
                                 or "/detail/" in target):
        return "examples use public headers only"
    return None


def check_angled(path, target):
    folder = path.parts[0]
    first = target.split("/")[0]
    if first in TEST_ONLY:
        return None if is_test(path) else f"<{target}> outside a test"
    if first == "caf" and path.as_posix().startswith(WITHOUT_CAF):
        return "this part of actors/ may not include CAF"
    if first in THIRD_PARTY:
        if folder in THIRD_PARTY[first]:
            return None
        return f"{folder}/ may not include <{target}>"
    if STANDARD.match(target) or SYSTEM.match(target):
        return None
    return (f"<{target}> is unknown here: name it in THIRD_PARTY with the "
            "folders that may use it")


STARTS_THREAD = re.compile(r"\bstd::(jthread|thread|async)\b")


def check_tags(path, text):
    """ThreadSanitizer is given the tests with the tag only."""
    if (path.name.endswith(".test.cpp") and STARTS_THREAD.search(text)
            and "[threads]" not in text):
        return f"{path}:1: a test that starts threads has the tag [threads]"
    return None


def check_file(path, root):
    text = (root / path).read_text(encoding="utf-8")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        wrong = (check_quoted(path, target, root) if quote == '"' else
                 check_angled(path, target))
        if wrong:
            yield f"{path}:{number}: {wrong}"
    if path.suffix == ".hpp":
        if "#pragma once" not in lines:
            yield f"{path}:1: no #pragma once"
        if not lines or not lines[0].startswith("// "):
            yield f"{path}:1: a header opens with a paragraph: what it is for"
    opening = "\n".join(lines[:EXCUSE_WITHIN_LINES])
    if len(lines) > MAX_LINES and not TOO_LONG_EXCUSE.search(opening):
        yield (f"{path}:1: {len(lines)} lines; split it at {MAX_LINES}, or say "
               "at the top '<n> lines because ...'")
    if wrong := check_tags(path, text):
        yield wrong
    if path.parts[0] == "examples" and len(lines) > EXAMPLE_LINES:
        yield f"{path}:1: {len(lines)} lines; an example has {EXAMPLE_LINES}"


def sources(root):
    for folder in sorted(FOLDERS):
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix in (".cpp", ".hpp") and (
                    "node_modules" not in relative.parts):
                yield relative


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    complaints = []
    count = 0
    for path in sources(root):
        count += 1
        complaints += check_file(path, root)
    for complaint in complaints:
        print(complaint)
    print(f"{count} files read, {len(complaints)} complaints")
    if count == 0:
        print("no source found: is the root right?")
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
