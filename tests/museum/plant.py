#!/usr/bin/env python3
"""Plants a mutant: copies sources and puts one mistake into the copy.

A mutant is a text file:

    file: memory/index.hpp
    why: one line that says why it is a bug
    caught by: a scenario
    --- old
    text that the file has exactly once, whatever its white space
    --- new
    what stands there instead

Further pairs of old and new may follow; another `file:` line between them
changes the file.

A mutant of memory/ goes into a copy of its headers, one of any other folder
into a copy of the folder's headers and sources, tests apart.

usage: plant.py check <project root>
         whether every mutant of FOLDERS can be planted
       plant.py plant <project root> <mutant> <target directory>
         exit 0; a mutant that cannot be planted leaves the copy unchanged, so
         that its test fails rather than the build
       plant.py caught-by <mutant>
"""

import pathlib
import re
import sys


# Folders of mutants.
FOLDERS = ("tests/museum/mutants", "tests/sim/mutants")


class Unplantable(Exception):
    pass


def read_mutant(path):
    """Answers (facts, hunks): hunks are (file, old text, new text)."""
    facts = {}
    hunks = []
    part = None
    for line in path.read_text().splitlines():
        if line in ("--- old", "--- new"):
            part = line[4:]
            if part == "old":
                hunks.append([facts.get("file"), "", ""])
            continue
        fact = re.match(r"(file|why|caught by): (.+)", line)
        if fact and (part != "old" or fact[1] == "file"):
            facts[fact[1]] = fact[2].strip()
            part = None
            continue
        if part == "old":
            hunks[-1][1] += line + "\n"
        elif part == "new":
            hunks[-1][2] += line + "\n"
        elif line.strip():
            raise Unplantable(f"{path.name}: cannot read: {line}")
    missing = {"file", "why", "caught by"} - facts.keys()
    if missing or not hunks:
        raise Unplantable(f"{path.name}: lacks {', '.join(missing) or 'hunks'}")
    return facts, hunks


def pattern_of(text):
    """Matches the text with any white space between its tokens."""
    return re.compile(r"\s+".join(re.escape(word) for word in text.split()))


def apply(name, texts, hunks):
    """Changes `texts` (file: text) or raises Unplantable."""
    for file, old, new in hunks:
        if file not in texts:
            raise Unplantable(f"{name}: there is no {file}")
        found = list(pattern_of(old).finditer(texts[file]))
        if len(found) != 1:
            raise Unplantable(
                f"{name}: {file} has its old text {len(found)} times, not once:"
                f" adapt {name}")
        begin, end = found[0].span()
        texts[file] = texts[file][:begin] + new.strip() + texts[file][end:]


def sources(root, hunks):
    """What is copied: the folder of the first file that the mutant changes."""
    folder = pathlib.PurePath(hunks[0][0]).parent
    if folder.parts[0] == "memory":
        found = (root / "memory").rglob("*.hpp")
    else:
        found = [path for path in (root / folder).glob("*.?pp")
                 if not path.name.endswith((".test.cpp", ".test.hpp",
                                            ".fuzz.cpp"))]
    return {str(path.relative_to(root)): path.read_text()
            for path in sorted(found)}


def check(root):
    mutants = [mutant for folder in FOLDERS
               for mutant in sorted((root / folder).glob("*.txt"))]
    wrong = 0
    for mutant in mutants:
        try:
            hunks = read_mutant(mutant)[1]
            apply(str(mutant.relative_to(root)), sources(root, hunks), hunks)
        except Unplantable as reason:
            print(reason)
            wrong += 1
    print(f"{len(mutants)} mutants, {wrong} cannot be planted")
    return 1 if wrong else 0


def plant(root, mutant, target):
    hunks = read_mutant(mutant)[1]
    texts = sources(root, hunks)
    try:
        apply(mutant.name, texts, hunks)
    except Unplantable as reason:
        print(reason, file=sys.stderr)
    for file, text in texts.items():
        path = target / file
        if path.exists() and path.read_text() == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def main(arguments):
    match arguments:
        case ["check", root]:
            return check(pathlib.Path(root))
        case ["plant", root, mutant, target]:
            return plant(pathlib.Path(root), pathlib.Path(mutant),
                         pathlib.Path(target))
        case ["caught-by", mutant]:
            print(read_mutant(pathlib.Path(mutant))[0]["caught by"])
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
