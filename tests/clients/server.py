"""The built server on free ports of loopback, in a folder that is as `make run` leaves the project's."""

import os
import re
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

# Longer than anything may take on a machine that is busy.
PATIENCE = 60


class Server:
    """In maintenance, with these live settings, or as a script of bash sets it up; ends with its `with`."""

    def __init__(self, script="", **settings):
        self.script = script
        self.settings = settings

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name)
        self.config = self.folder / ".run/config"
        self.config.mkdir(parents=True)
        for name, value in {"MAINTENANCE_MODE": "true", **self.settings}.items():
            self.set(name, value)
        subprocess.run(["bash", "-euc", self.script], cwd=self.folder, check=True)
        command = [os.environ["SERVER"], "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0"]
        command += ["--config-dir", str(self.config), "--log-format", "off", "--shutdown-delay", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={})
        said = ""
        for line in self.process.stderr:
            said += line
            if found := re.search(r"\bLISTEN is ([\d.:]+).*MANAGEMENT_LISTEN is ([\d.:]+)", line):
                self.address, self.management = found.groups()
                return self
        self.home.cleanup()
        raise RuntimeError(f"the server did not start:\n{said}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        self.home.cleanup()

    def set(self, name, value):
        """Sets a live setting, whole."""
        new = self.folder / "new"
        new.write_text(value)
        new.rename(self.config / name)

    def switch(self, on):
        """Switches, and waits until it is in force."""
        self.set("MAINTENANCE_MODE", "true" if on else "false")
        self.wait("maintenance_mode", lambda value: value == on)

    def figure(self, name):
        """The sum of a metric's series."""
        with urllib.request.urlopen(f"http://{self.management}/metrics", timeout=PATIENCE) as reply:
            lines = reply.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(rf"{re.escape(name)}[ {{]", line))

    def wait(self, name, holds):
        """Waits until a metric is as it should be."""
        deadline = time.monotonic() + PATIENCE
        while not holds(value := self.figure(name)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {PATIENCE} s in vain for {name}, which is {value}")
            time.sleep(0.1)
