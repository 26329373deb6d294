"""Programs in a terminal of tmux's: keys go in, the screen is read."""

from __future__ import annotations

import re
import subprocess
import time

SECONDS = 60.0


class Terminal:
    """A program in a terminal of tmux's.

    :param name: of the server, which is this process's own.
    """

    def __init__(self, name: str, command: str) -> None:
        self._tmux = ("tmux", "-L", name, "-f", "/dev/null")
        opened = [*self._tmux, "new-session", "-d", "-x", "200", "-y", "24", f"env -u COLUMNS -u LINES {command}"]
        subprocess.run(opened, check=True)

    def keys(self, *keys: str) -> None:
        """Press keys."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def text(self) -> str:
        """What is on the screen."""
        done = subprocess.run([*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False)
        return done.stdout

    def wait(self, pattern: str) -> str:
        """The first screen that has what is looked for. A program may draw in parts: name all that is to be there."""
        until = time.monotonic() + SECONDS
        while not re.search(pattern, text := self.text()):
            assert time.monotonic() < until, text
            time.sleep(0.1)
        return text

    def gone(self) -> bool:
        """Whether the program has ended, and its terminal with it."""
        until = time.monotonic() + SECONDS
        while subprocess.run([*self._tmux, "has-session"], capture_output=True, check=False).returncode == 0:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)
