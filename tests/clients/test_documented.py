"""Runs every example of docs/answers.md as it stands there, and compares what it prints with what stands there.

The kinds of blocks: `sh` is run first and sets the server up; `console` has commands after `$` and what they print;
`bash`, `python` and `js` are programs that wait for the end of maintenance, and the `text` after one is what it prints.
"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

from server import PATIENCE, Server

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/answers.md"
# Where `make run` serves users.
DOCUMENTED = "localhost:8888"
PROGRAMS = {"bash": ["bash", "-euc"], "python": [sys.executable, "-c"], "js": ["node", "--input-type=module", "--eval"]}
# What is another each time.
VARIES = re.compile(r"^(date|content-length): .*$", re.MULTILINE)


def blocks():
    """Pairs of kind and text, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


def commands(text):
    """Pairs of a command and what it prints."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    # A command goes on where its line ends in a backslash.
    found = [re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL) for part in parts]
    return [it.groups() for it in found]


class Documented(unittest.TestCase):
    maxDiff = None

    def run_program(self, server, kind, program):
        command = [*PROGRAMS[kind], program.replace(DOCUMENTED, server.address)]
        return subprocess.Popen(command, cwd=server.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def prints(self, process, expected, what):
        try:
            printed, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
            self.fail(f"after {PATIENCE} s this had not ended:\n{what}\nit printed:\n{printed}")
        same = lambda text: VARIES.sub(r"\1: varies", text.replace("\r", "").strip())
        self.assertEqual(same(printed), same(expected), what)

    def test_each_example_prints_what_stands_there(self):
        every = blocks()
        setups = [text for kind, text in every if kind == "sh"]
        self.assertEqual(len(setups), 1, "one block of sh sets the server up")
        tried = 0
        with Server(script=setups[0]) as server:
            for at, (kind, text) in enumerate(every):
                if kind == "console":
                    for command, expected in commands(text):
                        tried += 1
                        with self.subTest(command):
                            reloads = server.figure("config_reloads_total")
                            self.prints(self.run_program(server, "bash", command), expected, command)
                            if ".run/config" in command:
                                server.wait("config_reloads_total", lambda count: count > reloads)
                elif kind in PROGRAMS:
                    tried += 1
                    after = every[at + 1] if at + 1 < len(every) else ("", "")
                    self.assertEqual(after[0], "text", f"what this prints should follow it:\n{text}")
                    with self.subTest(text):
                        answers = server.figure("http_requests_total")
                        process = self.run_program(server, kind, text)
                        server.wait("http_requests_total", lambda count: count > answers)
                        server.switch(on=False)
                        self.prints(process, after[1], text)
                        server.switch(on=True)
        self.assertGreater(tried, 8, "the examples are not found any more")
