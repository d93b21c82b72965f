"""Cleans up after a demo, however it ends: `python -m aikit.demo.janitor DIRECTORY`, in a session of its own.

It waits for the end of its standard input, which comes when the demo closes it or dies, and then stops the database
in that directory and removes the directory. Told `keep` before, it leaves both alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from aikit.database import embedded
from aikit.errors import AIKitError, Exit

KEEP = "keep\n"
TRIES = 10
"""A caller that is just ending may still write into the directory while it is being removed."""


def hire(directory: Path) -> subprocess.Popen[str]:
    """Start the janitor of this directory."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def clean(directory: Path) -> None:
    """Stop the database and remove the directory. Raises EmbeddedFailed if the database does not stop."""
    embedded.stop(directory / "postgres")
    for _ in range(TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)


def main(directory: Path) -> int:
    if sys.stdin.readline() == KEEP:
        return Exit.OK
    try:
        clean(directory)
    except AIKitError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
