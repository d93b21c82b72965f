"""What all steps share: a look never raises, and what it found is said in the same words."""

from __future__ import annotations

import sys
from typing import Any

from aikit.errors import AIKitError, Exit
from aikit.setup.model import Check, Place, Progress, Row, State


class Looking:
    """A step whose `look` may raise; `check` does not."""

    name: str
    title: str
    needs: tuple[str, ...] = ()

    def check(self, place: Place) -> Check:
        try:
            return self.look(place)
        except AIKitError as error:
            return broken(error.message, error.remedy, error.exit)
        except Exception as error:
            return broken(_in_words(error), "Run `aikit db status`." if _of_database(error) else UNEXPECTED)

    def look(self, place: Place) -> Check:
        """How it stands. May raise."""
        raise NotImplementedError

    def describe(self, place: Place) -> list[Row]:
        raise NotImplementedError

    def apply(self, place: Place, progress: Progress) -> None:
        """By default there is nothing to be done but to look again."""

    def verify(self, place: Place) -> Check:
        return self.check(place)


UNEXPECTED = "Run it again with AIKIT_TRACEBACK=1 in front, and report what it shows."


def ok(why: str, **facts: Any) -> Check:
    return Check(State.OK, why, facts=facts)


def missing(why: str, remedy: str, exit: Exit = Exit.NO, **facts: Any) -> Check:
    return Check(State.MISSING, why, remedy, facts, exit)


def broken(why: str, remedy: str, exit: Exit = Exit.NO, **facts: Any) -> Check:
    return Check(State.BROKEN, why, remedy, facts, exit)


def warning(why: str, remedy: str, exit: Exit = Exit.NO, **facts: Any) -> Check:
    return Check(State.WARNING, why, remedy, facts, exit)


def _of_database(error: Exception) -> bool:
    psycopg: Any = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(getattr(error, "orig", error), psycopg.Error)


def _in_words(error: Exception) -> str:
    """What went wrong, without a text that could hold a secret."""
    if _of_database(error):
        cause: Any = getattr(error, "orig", error)
        said = cause.diag.message_primary
        return f"The database refused: {said}." if said else "The connection to the database was lost."
    return f"It could not be looked at ({type(error).__name__})."
