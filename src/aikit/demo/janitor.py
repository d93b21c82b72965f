"""Cleans up after a demo, however it ends: `python -m aikit.demo.janitor DIRECTORY`, in a session of its own.

It waits for the end of its standard input, which comes when the demo closes it or dies, and then stops the database
in that directory and removes the directory. Told `keep` before, it leaves both alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aikit.database import embedded
from aikit.errors import AIKitError, Exit

KEEP = "keep\n"
TRIES = 20
"""A process that is just ending may still write into the directory while it is being removed."""


@contextmanager
def directory(*, keep: bool) -> Iterator[Path]:
    """A directory that is gone when this ends, or this process does, with the database that runs in it.

    `keep` leaves both, if all goes well.
    """
    made = Path(tempfile.mkdtemp(prefix="aikit-demo-")).resolve()
    command = [sys.executable, "-P", "-m", __name__, str(made)]
    janitor = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    last_word = ""
    try:
        yield made
        last_word = KEEP if keep else ""
    finally:
        janitor.communicate(last_word)


def clean(directory: Path) -> None:
    """Stop the database and remove the directory. Raises EmbeddedFailed if the database does not stop."""
    embedded.stop(directory / "postgres")
    for _ in range(TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.05)


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
