#!/usr/bin/env python3
"""Plants mutants: copies sources and puts mistakes into the copies.

A mutant is a text file:

    file: memory/index.hpp
    why: one line that says why it is a bug
    caught by: a scenario
    --- old
    text that the file has exactly once, whatever its white space
    --- new
    what stands there instead

Further pairs of old and new may follow; another `file:` line between them
changes the file. What a mutant changes lies in the bodies of functions.

All mutants of a folder go into one copy, since compiling each alone takes too
long (mutant schemata: Untch, Offutt and Harrold, ISSTA 1993, section 2). A body
that a mutant changes becomes

    { if (::neuroplex::museum::planted == 3) { changed } else { original } }

and planted.hpp says which of them is in force.

usage: plant.py check <project root>
         whether every mutant can be planted
       plant.py plant <project root> <folder of mutants> <target directory>
         copies, and planted_names.cpp, the mutants by number; exit 0: a mutant
         that cannot be planted changes nothing, so that its test fails rather
         than the build
"""

import pathlib
import re
import sys


# Folders of mutants, and the sources that each may change.
SUBJECTS = {
    "tests/museum/mutants": ("memory/**/*.hpp",),
    "tests/sim/mutants": ("consensus/**/*.cpp", "storage/**/*.cpp"),
}

NO_SUBJECT = (".test.cpp", ".test.hpp", ".fuzz.cpp")


class Unplantable(Exception):
    pass


def read_mutant(path):
    """Its hunks: (file, old text, new text)."""
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
    return hunks


def pattern_of(text):
    """Matches the text with any white space between its tokens."""
    return re.compile(r"\s+".join(re.escape(word) for word in text.split()))


def apply(name, texts, hunks):
    """The files that the mutant changes, changed, or raises Unplantable."""
    changed = {}
    for file, old, new in hunks:
        if file not in texts:
            raise Unplantable(f"{name}: no mutant may change {file}, if it is "
                              "there at all: see SUBJECTS in plant.py")
        text = changed.get(file, texts[file])
        found = list(pattern_of(old).finditer(text))
        if len(found) != 1:
            raise Unplantable(
                f"{name}: {file} has its old text {len(found)} times, not once:"
                f" adapt {name}")
        begin, end = found[0].span()
        changed[file] = text[:begin] + new.strip() + text[end:]
    return changed


# What braces within do not count.
OPAQUE = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"'
                    r"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
                    r"|^\s*#(?:\\\n|[^\n])*", re.DOTALL | re.MULTILINE)

# What is declared in such a block is no statement.
SCOPE = re.compile(r"\s*(?:template\s*<.*>\s*|inline\s+)*"
                   r"(?:namespace|class|struct|union|enum|extern)\b", re.DOTALL)

# What stands before the body of a function, at its end.
BEFORE_BODY = re.compile(r"(?:[)}]|\b(?:const|noexcept|override|final|try)"
                         r"|->\s*[\w:<>,&*\s]+)\s*$")


def masked(text):
    """The text with blanks for all that braces do not count in."""
    return OPAQUE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def parts(text):
    """The text in parts, every second of which is the body of a function, from
    after its opening brace to before its closing one."""
    code = masked(text)
    cuts = []
    head = 0   # where the declaration begins that is being read
    inside = 0 # how many blocks deep, in one that is no scope
    for found in re.finditer("[{};]", code):
        at = found.start()
        if inside:
            inside += {"{": 1, "}": -1, ";": 0}[found[0]]
            if not inside and is_body:
                cuts.append(at)
                head = at + 1
        elif found[0] != "{" or SCOPE.match(code, head, at):
            head = at + 1
        else: # the body of a function, or an initial value
            inside = 1
            is_body = BEFORE_BODY.search(code, head, at)
            if is_body:
                cuts.append(at + 1)
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, None])]


def same_outside(left, right):
    """Whether all parts but bodies are alike, white space apart."""
    return len(left) == len(right) and all(
        one.split() == other.split() for one, other in zip(left[::2], right[::2]))


def switched(text, versions):
    """The text, which acts as one of `versions` (number: changed parts)."""
    result = parts(text)
    for place in range(1, len(result), 2):
        choices = ""
        for number, changed in versions.items():
            body = changed[place]
            if body != result[place]:
                choices += (f" if (::neuroplex::museum::planted == {number}) "
                            f"{{{body}}} else")
        if choices:
            result[place] = f"{choices} {{{result[place]}}}"
    return '#include "tests/museum/planted.hpp"\n' + "".join(result)


def subjects(root, folder):
    return {str(path.relative_to(root)): path.read_text()
            for pattern in SUBJECTS[folder] for path in sorted(root.glob(pattern))
            if not path.name.endswith(NO_SUBJECT)}


def planted(root, folder):
    """Answers the copies, the names of the mutants by number, and why some
    could not be planted."""
    texts = subjects(root, folder)
    names = []
    versions = {}
    complaints = []
    for number, mutant in enumerate(sorted((root / folder).glob("*.txt")), 1):
        names.append(mutant.stem)
        try:
            changed = apply(f"{folder}/{mutant.name}", texts,
                            read_mutant(mutant))
            changed = {file: parts(text) for file, text in changed.items()}
            for file, text in changed.items():
                if not same_outside(parts(texts[file]), text):
                    raise Unplantable(f"{folder}/{mutant.name}: changes {file} "
                                      "outside of the bodies of functions")
        except Unplantable as reason:
            complaints.append(str(reason))
            continue
        for file, text in changed.items():
            versions.setdefault(file, {})[number] = text
    copies = {file: switched(text, versions[file]) if file in versions else text
              for file, text in texts.items()}
    return copies, names, complaints


def table(names):
    """A source with the names, by number from 1."""
    lines = "".join(f'  "{name}",\n' for name in names)
    return ('#include "tests/museum/planted.hpp"\n\n'
            "namespace neuroplex::museum {\n\n"
            f"constexpr std::string_view names[] = {{\n{lines}}};\n\n"
            "constinit const std::span<const std::string_view> "
            "planted_names{names};\n\n"
            "} // namespace neuroplex::museum\n")


def check(root):
    mutants = 0
    complaints = []
    for folder in SUBJECTS:
        _, names, wrong = planted(root, folder)
        mutants += len(names)
        complaints += wrong
    for reason in complaints:
        print(reason)
    print(f"{mutants} mutants, {len(complaints)} cannot be planted")
    return 1 if complaints else 0


def plant(root, folder, target):
    copies, names, complaints = planted(root, folder)
    for reason in complaints:
        print(reason, file=sys.stderr)
    copies["planted_names.cpp"] = table(names)
    for file, text in copies.items():
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
        case ["plant", root, folder, target] if folder in SUBJECTS:
            return plant(pathlib.Path(root), folder, pathlib.Path(target))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
