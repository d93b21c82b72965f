"""The guard `canary`: a token of the system prompt in what comes out, plain or disguised."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from functools import lru_cache

from aikit.guards.matches import Eyes, Match
from aikit.guards.seeking import Undecided, partial

SHORTEST = 8
"Letters and digits that a token must have: a shorter one would come out by chance."
_GAP = r"[\W_]{0,3}"


def eyes(token: str | None) -> Eyes:
    """Looks for a token; for none without one. Raises ValueError for a token that is too short."""
    if token is None:
        return Eyes((), lambda text, start: len(text))
    return _eyes(token)


@lru_cache(maxsize=64)
def _eyes(token: str) -> Eyes:
    plain = [character for character in token if character.isalnum()]
    if len(plain) < SHORTEST:
        raise ValueError("a canary needs at least 8 letters and digits")
    encoded = _encodings(token, "".join(plain))
    seekers = [_Disguised(letters, re.IGNORECASE, _GAP) for letters in (plain, plain[::-1])]
    seekers += [_Disguised(form, 0, "") for form in encoded]
    longest = max(4 * len(plain), *map(len, encoded)) + 1
    return Eyes(seekers, _undecided(seekers, longest))


def _encodings(token: str, plain: str) -> list[str]:
    """Hexadecimal in both cases, and Base64 at each of the three offsets, without what depends on its neighbours."""
    forms: set[str] = set()
    for text in {token, plain}:
        raw = text.encode()
        forms |= {raw.hex(), raw.hex().upper()}
        for offset in range(3):
            coded = base64.b64encode(b"\0" * offset + raw).decode()
            inner = coded[(0, 2, 3)[offset] : len(coded) - (0, 3, 2)[(len(raw) + offset) % 3]]
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return sorted(forms)


class _Disguised:
    """One form of the token, as it is or with a few characters between its own."""

    def __init__(self, characters: Sequence[str], flags: int, gap: str) -> None:
        atoms = [re.escape(character) for character in characters]
        self._whole = re.compile(gap.join(atoms), flags)
        self._begun = partial(atoms, flags, gap)

    def seek(self, text: str, start: int) -> Match | None:
        found = self._whole.search(text, start)
        return Match(found.start(), found.end(), "canary") if found else None

    def begun(self, text: str, start: int) -> int:
        """Where the form begins of which the end of the text may be the beginning."""
        found = self._begun.search(text, start)
        return found.start() if found else len(text)


def _undecided(seekers: list[_Disguised], longest: int) -> Undecided:
    def undecided(text: str, start: int) -> int:
        first = max(start, len(text) - longest)
        return min(seeker.begun(text, first) for seeker in seekers)

    return undecided
