"""Which of our models a name on a bill means: `gpt-4o-mini-2024-07-18`, `Claude Haiku 4.5`, and what we asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_DATE = re.compile(r"-(\d{4})-(\d{2})-(\d{2})$")
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|(0[1-9]|1[0-2])\d{2}|latest)$")
_NUMBER_FIRST = re.compile(r"^claude-(\d+(?:-\d+)?)-(opus|sonnet|haiku)(?=-|$)")


@dataclass(frozen=True, slots=True)
class Family:
    """Names that mean the same: ours on one side, those on the bill on the other. Either may be none."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]

    @property
    def label(self) -> str:
        """Our name, or theirs where we have none."""
        return " + ".join(self.ours or self.theirs)

    @property
    def mapped(self) -> bool:
        """Whether somebody should be told that these were taken to be the same."""
        return bool(self.ours and self.theirs) and self.ours != self.theirs


def families(ours: Mapping[str, frozenset[str]], theirs: Iterable[str]) -> list[Family]:
    """Put names together. `ours` has for each model that was asked for the names that the provider served it under.

    The same name, or one that the provider said it served, comes first. What finds no partner that way goes together
    with the undated name of a dated snapshot, or the other way round. Names that share a partner are one family.
    """
    bill = sorted(set(theirs))
    names = {model: {canonical(name) for name in (model, *served)} for model, served in ours.items()}
    links = {(model, item) for model in names for item in bill if canonical(item) in names[model]}
    loose_models = names.keys() - {model for model, _ in links}
    loose_items = set(bill) - {item for _, item in links}
    for model in names:
        for item in bill:
            if (model in loose_models or item in loose_items) and _related(names[model], canonical(item)):
                links.add((model, item))
    return _joined(sorted(names), bill, links)


def canonical(name: str) -> str:
    """One spelling for the forms a name takes: `Claude 3.5 Sonnet 2024-10-22` is `claude-sonnet-3-5-20241022`."""
    text = re.sub(r"\s+", "-", name.strip().lower())
    if text.startswith("ft:"):
        text = f"ft-{text.split(':')[1]}"
    if text.startswith("claude"):
        text = _DATE.sub(r"-\1\2\3", text.replace(".", "-"))
        text = _NUMBER_FIRST.sub(r"claude-\2-\1", text)
    return text


def undated(name: str) -> str:
    """A canonical name without the date of its snapshot."""
    return _DATED.sub("", name)


def _related(names: Iterable[str], item: str) -> bool:
    """The same but for a date that only one of them has."""
    base = undated(item)
    return any(undated(name) == base and base in (name, item) for name in names)


def _joined(models: list[str], items: list[str], links: set[tuple[str, str]]) -> list[Family]:
    found: list[tuple[set[str], set[str]]] = [({model}, set()) for model in models]
    found += [(set(), {item}) for item in items]
    for model, item in sorted(links):
        touched = [one for one in found if model in one[0] or item in one[1]]
        merged: tuple[set[str], set[str]] = (set(), set())
        for mine, billed in touched:
            merged[0].update(mine)
            merged[1].update(billed)
        found = [one for one in found if one not in touched]
        found.append(merged)
    return sorted((Family(tuple(sorted(a)), tuple(sorted(b))) for a, b in found), key=lambda one: one.label)
