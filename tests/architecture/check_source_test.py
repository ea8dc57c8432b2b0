#!/usr/bin/env python3
"""Plants one offence after the other and sees that check_source.py finds it."""

import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).with_name("check_source.py")
HEADER = "// A purpose.\n#pragma once\n"

# File, its content, and a part of the complaint (None: it is in order).
CASES = [
    ("memory/a.hpp", HEADER + "#include <vector>\n", None),
    ("memory/a.hpp", HEADER + "#include <caf/actor.hpp>\n", "may not include"),
    ("memory/a.cpp", '#include "config/there.hpp"\n', "may not include config"),
    ("consensus/a.cpp", '#include "actors/there.hpp"\n', "may not include"),
    ("config/a.cpp", '#include "memory/status.hpp"\n', None),
    ("config/a.cpp", '#include "memory/there.hpp"\n', "internal to memory"),
    ("actors/a.cpp", '#include "consensus/there.hpp"\n', None),
    ("actors/a.cpp", '#include "cli/there.hpp"\n', "may not include cli"),
    ("actors/a.cpp", "#include <caf/actor.hpp>\n", None),
    ("actors/resp/a.cpp", "#include <caf/actor.hpp>\n",
     "may not include CAF"),
    ("actors/agreement/a.cpp", "#include <caf/actor.hpp>\n",
     "may not include CAF"),
    ("actors/resp/a.cpp", '#include "actors/there.hpp"\n', "protocol core"),
    ("actors/a.cpp", "#include <catch2/catch.hpp>\n", "outside a test"),
    ("actors/a.test.cpp", "#include <catch2/catch.hpp>\n", None),
    ("actors/a.cpp", "#include <boost/any.hpp>\n", "is unknown here"),
    ("actors/a.cpp", '#include "gone.hpp"\n', "not a path from the root"),
    ("memory/a.hpp", "#pragma once\n", "opens with a paragraph"),
    ("memory/a.hpp", "// A purpose.\n", "no #pragma once"),
    ("memory/a.cpp", "\n" * 801, "801 lines"),
    ("memory/a.cpp", "// 801 lines because it is a table.\n" + "\n" * 800,
     None),
    ("examples/a.cpp", "\n" * 101, "an example has 100"),
    ("memory/a.test.cpp", "std::thread t;\n", "has the tag [threads]"),
    ("memory/a.test.cpp", 'TEST_CASE("a", "[threads]") { std::thread t; }\n',
     None),
]


def complaints(file, content):
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for there in ["memory/there.hpp", "memory/status.hpp",
                      "config/there.hpp", "consensus/there.hpp",
                      "actors/there.hpp", "cli/there.hpp", file]:
            path = root / there
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if there == file else HEADER)
        result = subprocess.run([sys.executable, str(CHECK), str(root)],
                                capture_output=True, text=True, check=False)
        return result.returncode, result.stdout


def main():
    failures = 0
    for file, content, expected in CASES:
        code, output = complaints(file, content)
        as_expected = (code == 0 if expected is None else
                       code == 1 and expected in output)
        if not as_expected:
            failures += 1
            print(f"{file}, {content[:60]!r}: expected {expected}, got {code}:"
                  f"\n{output}")
    print(f"{len(CASES)} cases, {failures} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
