"""The guard `injection`: wording that is usual in prompt injections. A signal; who words it otherwise is not seen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aikit.guards.matches import Eyes, Match
from aikit.guards.seeking import last_characters
from aikit.guards.wordings import LONGEST, WORDINGS, Wording


def eyes(options: Mapping[str, Any]) -> Eyes:
    kinds = frozenset(options["kinds"])
    return Eyes([_Worded(wording) for wording in WORDINGS if wording.kind in kinds], last_characters(LONGEST), 8)


class _Worded:
    def __init__(self, wording: Wording) -> None:
        self._kind = wording.kind
        self._stems: Sequence[str] = wording.stems
        self._pattern = re.compile(wording.pattern, re.IGNORECASE)

    def seek(self, text: str, start: int) -> Match | None:
        lowered = text[start:].lower()
        if not any(stem in lowered for stem in self._stems):
            return None
        while found := self._pattern.search(text, start):
            said = found.group().lower()
            if any(stem in said for stem in self._stems):
                return Match(found.start(), found.end(), self._kind, " ".join(said.split()))
            start = found.start() + 1
        return None
