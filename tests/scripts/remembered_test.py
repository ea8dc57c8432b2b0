#!/usr/bin/env python3
"""remembered.py runs a test again if anything it follows from has changed."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

REMEMBERED = pathlib.Path(__file__).resolve().parent.parent / "remembered.py"
PROGRAM = """#!/bin/sh
echo run >> "$(dirname "$0")/runs"
exit %d
"""


class Remembered(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.write_program(0)

    def write_program(self, status):
        program = self.folder / "program"
        program.write_text(PROGRAM % status)
        program.chmod(0o755)

    def run_test(self, *arguments, **variables):
        """Answers (status, whether the program ran)."""
        runs = self.folder / "runs"
        runs.write_text("")
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("NEUROPLEX_REPEAT", "NEUROPLEX_PLANTED")}
        status = subprocess.run(
            [sys.executable, REMEMBERED, self.folder / "passed",
             self.folder / "program", *arguments], check=False,
            capture_output=True, env=environment | variables).returncode
        return status, runs.read_text() != ""

    def test_the_same_again_is_not_run(self):
        self.assertEqual(self.run_test("a"), (0, True))
        self.assertEqual(self.run_test("a"), (0, False))

    def test_other_arguments_are_another_test(self):
        self.run_test("a", "b")
        self.assertEqual(self.run_test("ab"), (0, True))
        self.assertEqual(self.run_test("a"), (0, True))

    def test_another_program_is_run(self):
        self.run_test()
        self.write_program(3)
        self.assertEqual(self.run_test(), (3, True))

    def test_what_failed_or_was_skipped_is_run_again(self):
        for status in (1, 77):
            self.write_program(status)
            self.assertEqual(self.run_test(), (status, True))
            self.assertEqual(self.run_test(), (status, True))

    def test_data_in_files_and_folders_counts(self):
        data = self.folder / "data"
        data.mkdir()
        trace = data / "trace"
        for argument in (data, trace):
            trace.write_text("one")
            self.run_test(argument)
            self.assertEqual(self.run_test(argument), (0, False))
            trace.write_text("two")
            self.assertEqual(self.run_test(argument), (0, True))
        (data / "another").touch()
        self.assertEqual(self.run_test(data), (0, True))

    def test_another_planted_mistake_is_run(self):
        self.run_test(NEUROPLEX_PLANTED="this")
        self.assertEqual(self.run_test(NEUROPLEX_PLANTED="this"), (0, False))
        self.assertEqual(self.run_test(NEUROPLEX_PLANTED="that"), (0, True))

    def test_all_are_run_when_asked(self):
        self.run_test()
        self.assertEqual(self.run_test(NEUROPLEX_REPEAT="1"), (0, True))

    def test_a_program_that_a_signal_ends_fails(self):
        (self.folder / "program").write_text("#!/bin/sh\nkill -KILL $$\n")
        self.assertEqual(self.run_test()[0], 128 + 9)


if __name__ == "__main__":
    unittest.main()
