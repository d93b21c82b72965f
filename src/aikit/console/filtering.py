"""The filter: `model:opus tenant:acme !status:ok`. Words must all be found, `!` says must not; parts and case don't
matter, and quotes keep blanks together.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

FIELDS = (
    "tenant", "user", "feature", "environment", "provider", "model", "prompt", "status", "code", "metric", "window",
    "source", "suite", "who", "action", "subject",
)  # fmt: skip
"""What a filter can name. A tab that has no such field finds nothing by it."""


class Term(NamedTuple):
    """One word: what is looked for, in which field (None: in all of them), and whether it must not be there."""

    text: str
    field: str | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show. `text` is as it was typed."""

    terms: tuple[Term, ...] = ()
    text: str = ""

    def fits(self, fields: Mapping[str, str]) -> bool:
        """Whether something with these fields is to be shown."""
        return all(_found(term, fields) is not term.negated for term in self.terms)

    def only(self, *names: str) -> Filter:
        """The terms that name one of these fields."""
        return Filter(tuple([term for term in self.terms if term.field in names]), self.text)

    def __bool__(self) -> bool:
        return bool(self.terms)


NOTHING = Filter()


def parse(text: str) -> Filter:
    """Raises ValueError, in words for a person, for a field that there is none of or a quote that is not closed."""
    try:
        words = shlex.split(text, comments=False)
    except ValueError:
        raise ValueError("a quote is not closed") from None
    return Filter(tuple([_term(word) for word in words if word not in ("", "!")]), text.strip())


def _term(word: str) -> Term:
    negated, rest = word.startswith("!"), word.removeprefix("!")
    name, colon, value = rest.partition(":")
    if not colon:
        return Term(rest.casefold(), None, negated)
    known = [field for field in FIELDS if field.startswith(name.casefold())] if name else []
    exact = [field for field in known if field == name.casefold()] or known
    if len(exact) > 1:
        raise ValueError(f"{name!r} may be {', '.join(exact[:-1])} or {exact[-1]}")
    if not exact:
        raise ValueError(f"there is no field {name!r}; known are {', '.join(FIELDS)}")
    return Term(value.casefold(), exact[0], negated)


def _found(term: Term, fields: Mapping[str, str]) -> bool:
    if term.field is not None:
        return term.field in fields and term.text in fields[term.field].casefold()
    return any(term.text in value.casefold() for value in fields.values())
