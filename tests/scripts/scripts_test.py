#!/usr/bin/env python3
"""run.sh and test.sh as a newcomer meets them: on a machine where packages are
missing, installing fails, or an earlier run was interrupted.

The scripts are the real ones, in a folder of their own. What they call (apt,
npm, cmake, ...) writes its arguments down and does as the test says.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEADLINE_S = 120

# $STAGE is the folder of the test. `absent` has a line for each package that is
# not installed; `hang` and `fail` name the program that shall do so.
PRELUDE = """#!/bin/bash
name=$(basename "$0")
printf '%s %s\\n' "$name" "$*" >> "$STAGE/calls"
if grep -qsx "$name" "$STAGE/fail"; then exit 9; fi
# What it writes shows that the shell is gone, which might let a signal pass.
if grep -qsx "$name" "$STAGE/hang"; then
  exec tail -f "$STAGE/hang" > "$STAGE/hanging"
fi
"""
PROGRAMS = {
    "dpkg-query": """
package=${!#}
grep -qsx "$package" "$STAGE/absent" && exit 1
printf installed
""",
    "apt-get": """
if [[ " $* " == *" install "* ]]; then
  [[ -x $STAGE/policy-rc.d ]] && echo "services forbidden" >> "$STAGE/calls"
  : > "$STAGE/absent"
fi
""",
    "dpkg": 'if [[ $1 == --audit ]]; then cat "$STAGE/audit" || true; fi',
    "sudo": 'exec "$@"',
    "npm": "",
    "node": "",
    "cmake": "",
    "ctest": "",
    "redis-server": "",
    "neuroplex": "",
}


class Scripts(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.stage = pathlib.Path(scratch.name)
        self.policy = self.stage / "policy-rc.d"
        for name in ("run.sh", "test.sh", "scripts/steps.sh",
                     "tests/clients/package-lock.json"):
            copy = self.stage / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy)
        steps = self.stage / "scripts/steps.sh"
        text = steps.read_text()
        # The machine's own file stays as it is.
        self.assertIn("/usr/sbin/policy-rc.d", text)
        steps.write_text(text.replace("/usr/sbin/policy-rc.d",
                                      str(self.policy)))
        (self.stage / "tests/clients/node_modules").mkdir()
        for name, body in PROGRAMS.items():
            self.write_program(self.stage / "bin" / name, PRELUDE + body)
        self.write_program(self.stage / "build/release/cli/neuroplex", PRELUDE)

    @staticmethod
    def write_program(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def start(self, script, *options):
        environment = os.environ | {
            "STAGE": str(self.stage),
            "PATH": f"{self.stage / 'bin'}:{os.environ['PATH']}"}
        return subprocess.Popen(
            [self.stage / script, *options], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
            # Who runs in the background passes on that SIGINT is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def run_script(self, script, *options):
        """Answers (status, what it printed, what it called)."""
        (self.stage / "calls").write_text("")
        with self.start(script, *options) as process:
            out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out + err, self.calls()

    def calls(self):
        """What was called, without the questions what is installed."""
        lines = (self.stage / "calls").read_text().splitlines()
        return [line for line in lines if not line.startswith("dpkg-query")]

    def interrupt(self, script, program, number):
        """Runs it until it calls the program, and sends the signal to all that
        a terminal would send it to."""
        hang, hanging = self.stage / "hang", self.stage / "hanging"
        hang.write_text(program + "\n")
        hanging.write_text("")
        with self.start(script) as process:
            deadline = time.monotonic() + DEADLINE_S
            while not hanging.read_text():
                self.assertIsNone(process.poll(), f"{program} is not called")
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            os.killpg(process.pid, number)
            process.communicate(timeout=DEADLINE_S)
        hang.unlink()
        self.assertNotEqual(process.returncode, 0)

    def test_help_tells_and_does_nothing(self):
        for script in ("run.sh", "test.sh"):
            for option in ("--help", "-h"):
                status, text, calls = self.run_script(script, option)
                self.assertEqual((status, calls), (0, []))
                self.assertIn(f"usage: ./{script}", text)
                self.assertIn("--no-install", text)

    def test_options_that_make_no_sense_are_refused_before_anything(self):
        for script, options in (("test.sh", ["--quik"]),
                                ("test.sh", ["--jobs", "0"]),
                                ("run.sh", ["--jobs", "many"]),
                                ("run.sh", ["--jobs"])):
            status, text, calls = self.run_script(script, *options)
            self.assertEqual((status, calls), (1, []))
            self.assertIn(options[0], text)

    def test_only_what_is_missing_is_installed(self):
        (self.stage / "absent").write_text("libcaf-dev\nwordnet-base\n")
        status, text, calls = self.run_script("run.sh")
        self.assertEqual(status, 0, text)
        installed = [call for call in calls if " install " in call]
        self.assertEqual(len(installed), 1)
        self.assertTrue(installed[0].endswith(
            " --no-install-recommends libcaf-dev wordnet-base"), installed)
        self.assertIn("services forbidden", calls)
        self.assertFalse(self.policy.exists())

        status, text, calls = self.run_script("run.sh")
        self.assertEqual(status, 0, text)
        self.assertEqual([call for call in calls if "apt" in call], [])

    def test_npm_packages_are_installed_once(self):
        for expected in (1, 0):
            status, text, calls = self.run_script("test.sh")
            self.assertEqual(status, 0, text)
            self.assertEqual(len([call for call in calls
                                  if call.startswith("npm ci")]), expected)

    def test_nothing_is_installed_when_nothing_may_be(self):
        (self.stage / "absent").write_text("libcaf-dev\n")
        for script in ("run.sh", "test.sh"):
            status, text, calls = self.run_script(script, "--no-install")
            self.assertEqual(status, 0, text)
            self.assertEqual([call for call in calls
                              if call.startswith(("apt", "npm", "dpkg"))], [])

    def test_a_step_that_fails_is_named_and_says_what_to_do(self):
        (self.stage / "absent").write_text("libcaf-dev\n")
        for program, step in (("apt-get", "packages"), ("cmake", "configure")):
            (self.stage / "fail").write_text(program + "\n")
            for script in ("run.sh", "test.sh"):
                status, text, calls = self.run_script(script)
                self.assertEqual(status, 9)
                self.assertRegex(text, rf"\n{step}[ a-z]*: failed \(status 9\)")
                self.assertRegex(text, r"\nwhat to do: \w+")
                self.assertFalse(self.policy.exists())
                # Nothing goes on after it.
                self.assertTrue(calls[-1].startswith(program), calls)
            (self.stage / "absent").write_text("")

    def test_works_again_after_an_interruption(self):
        cases = [(script, program, number)
                 for script, last in (("run.sh", "neuroplex"),
                                      ("test.sh", "ctest"))
                 for program in ("apt-get", "cmake", last)
                 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)]
        for script, program, number in cases:
            with self.subTest(script=script, program=program, signal=number):
                (self.stage / "absent").write_text("libcaf-dev\n")
                self.interrupt(script, program, number)
                status, text, calls = self.run_script(script)
                self.assertEqual(status, 0, text)
                last = "neuroplex tour" if script == "run.sh" else "ctest "
                self.assertTrue(calls[-1].startswith(last), calls)
                self.assertFalse(self.policy.exists())

    def test_an_interrupted_installation_is_finished_first(self):
        (self.stage / "absent").write_text("libcaf-dev\n")
        (self.stage / "audit").write_text("half installed: libfoo\n")
        status, text, calls = self.run_script("run.sh")
        self.assertEqual(status, 0, text)
        apt = [call for call in calls if call.startswith(("dpkg", "apt-get"))]
        self.assertEqual(apt[:2], ["dpkg --audit", "dpkg --configure -a"])

    def test_a_policy_of_the_machine_stays_in_force(self):
        self.write_program(self.policy, "#!/bin/sh\nexit 101 # of the owner\n")
        (self.stage / "absent").write_text("libcaf-dev\n")
        status, text, _ = self.run_script("run.sh")
        self.assertEqual(status, 0, text)
        self.assertIn("of the owner", self.policy.read_text())

    def test_the_tour_gets_its_options(self):
        _, _, calls = self.run_script("run.sh", "--jobs", "1", "--seed", "7")
        self.assertEqual(calls[-1], "neuroplex tour --seed 7")

    def test_all_builds_are_tested_and_their_status_counts(self):
        (self.stage / "fail").write_text("ctest\n")
        status, _, calls = self.run_script("test.sh")
        self.assertEqual(status, 9)
        self.assertTrue(calls[-1].startswith("ctest --test-dir build/all"))
        tests = self.stage / "build/all/CTestTestfile.cmake"
        self.assertEqual(tests.read_text().splitlines(),
                         ['subdirs("../release")', 'subdirs("../tsan")',
                          'subdirs("../asan")'])


if __name__ == "__main__":
    unittest.main()
