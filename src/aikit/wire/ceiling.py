"""The output limit of a request: written in where it names none, lowered where it names more than it may have."""

from __future__ import annotations

from typing import Any

from aikit.wire.body import RequestBody


class OutputLimit:
    """What a request says about its output, in the fields `names` of `within` (by default the body itself).

    `answers` are the alternatives that it asks for, each of which may be as long as the limit. `beside` are tokens
    that each answer may be billed on top of the limit. Raises RequestInvalid for a limit that can't be used.
    """

    def __init__(
        self,
        body: RequestBody,
        *names: str,
        within: dict[str, Any] | None = None,
        label: str = "",
        answers: int = 1,
        beside: int = 0,
    ) -> None:
        self._body, self._within, self._label = body, within, label
        self._limits = {name: limit for name in names if (limit := body.limit(name, within)) is not None}
        self.named = bool(self._limits)
        self.answers = answers
        self._beside = beside

    @property
    def tokens(self) -> int:
        """The most output tokens of all answers together."""
        return self.answers * (max(self._limits.values()) + self._beside)

    def least(self, each: int) -> int:
        """The fewest output tokens that the request can have if the API takes no limit below `each`."""
        return self.answers * (each + self._beside)

    def settle(self, default: int, most: int | None, missing: str) -> None:
        """Write `default` into the field `missing` if no limit is named, and hold those that are to `most`.

        Both count the tokens of the whole request. An answer gets 1 token at least, whatever they are. No limit is
        ever raised, and without `most` none that is named is touched.
        """
        if not self.named:
            self._write(missing, self._each(default if most is None else min(default, most)))
        elif most is not None:
            each = self._each(most)
            for name in [name for name, limit in self._limits.items() if limit > each]:
                self._write(name, each)

    def _each(self, tokens: int) -> int:
        return max(1, tokens // self.answers - self._beside)

    def _write(self, name: str, limit: int) -> None:
        self._limits[name] = limit
        self._body.write(name, limit, self._within, label=f"{self._label}{name}")
