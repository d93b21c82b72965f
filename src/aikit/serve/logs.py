"""What the server logs: of an exception its kind and where it happened, never what it says.

That may be a part of a body, or of a key.
"""

from __future__ import annotations

import logging
from traceback import extract_tb
from types import TracebackType
from typing import Any

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Discreet(logging.Formatter):
    """Tells an exception in one line."""

    def formatException(self, ei: Any) -> str:
        return f"{ei[0].__name__} {places(ei[2])}"


def places(trace: TracebackType | None) -> str:
    """Where an exception came from, innermost first."""
    frames = reversed(extract_tb(trace))
    return " < ".join([f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames])


def set_up() -> None:
    """Warnings and errors go to stderr. Of uvicorn's own, which show whole tracebacks, nothing is needed."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet(FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
