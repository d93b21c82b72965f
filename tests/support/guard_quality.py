"""How well guards tell what is planted in texts from what only looks like it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from aikit.guards.build import _eyes
from aikit.guards.catalogue import BY_NAME
from aikit.guards.matches import Match
from support import guard_samples as samples
from support.guard_samples import Document
from support.injection_samples import UNSEEN, Texts


class Figures(NamedTuple):
    """What was counted for a kind: what was planted and found, what was planted and missed, what was wrongly found."""

    guard: str
    kind: str
    found: int
    missed: int
    wrong: int

    @property
    def planted(self) -> int:
        return self.found + self.missed

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.wrong) if self.found + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.found / (self.found + self.missed)


def matches(guard: str, text: str, **options: object) -> list[Match]:
    """What a guard finds in a text, with all of its kinds unless said otherwise."""
    stated = {"kinds": [kind.name for kind in BY_NAME[guard].kinds], **options}
    found = []
    for seeker in _eyes(guard, json.dumps(stated, sort_keys=True)).seekers:
        position = 0
        while match := seeker.seek(text, position):
            found.append(match)
            position = match.end
    return sorted(found)


def measured(guard: str, documents: Iterable[Document], counted: Iterable[str], **options: object) -> list[Figures]:
    """The figures of each kind. What is planted counts as found if a match of its kind reaches to its end."""
    found: dict[str, int] = {}
    missed: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for document in documents:
        left = list(document.planted)
        for start, end, kind, _ in matches(guard, document.text, **options):
            hit = next((p for p in left if p[0] == kind and start < p[2] and end > p[1]), None)
            if hit is not None and end >= hit[2] - len('">x</a>'):
                left.remove(hit)
                found[kind] = found.get(kind, 0) + 1
            elif not any(start < p[2] and end > p[1] for p in document.planted):
                wrong[kind] = wrong.get(kind, 0) + 1
        for kind, _, _ in left:
            missed[kind] = missed.get(kind, 0) + 1
    return [Figures(guard, kind, found.get(kind, 0), missed.get(kind, 0), wrong.get(kind, 0)) for kind in counted]


def by_kind(
    guard: str, makers: dict[str, Callable[[random.Random], str]], each: int, seed: int, **options: object
) -> list[Figures]:
    """So many texts of each kind of a guard, and as many look-alikes together."""
    documents = [text for kind, make in makers.items() for text in samples.documents(make, kind, each, seed)]
    documents += samples.look_alikes(len(makers) * each, seed)
    return measured(guard, documents, makers, **options)


def phones_elsewhere(each: int, seed: int) -> list[tuple[str, Figures]]:
    """Phone numbers that are not of the region that is set."""
    rows = []
    for name, make, regions in (
        ("phone, with its country code", samples.phone_with_country, ["US"]),
        ("phone, as written at home, region set", samples.phone_of_home, ["DE", "FR", "GB", "NL", "JP", "AU"]),
        ("phone, as written at home, region not set", samples.phone_of_home, ["US"]),
    ):
        documents = samples.documents(make, "phone", each, seed) + samples.look_alikes(each, seed)
        rows.append((name, measured("pii", documents, ["phone"], kinds=["phone"], regions=regions)[0]))
    return rows


def injections(texts: Texts = UNSEEN) -> list[Figures]:
    """By family of attacks; what was wrongly found is the same for all of them, as the harmless texts are."""
    finds = partial(matches, "injection")
    wrong = sum(1 for text in texts.harmless if finds(text))
    rows = []
    for family, attacks in texts.attacks.items():
        found = sum(1 for text in attacks if finds(text))
        rows.append(Figures("injection", family, found, len(attacks) - found, wrong))
    return rows


def all_figures(each: int = 300, seed: int = 11) -> list[Figures]:
    return [
        *by_kind("pii", dict(samples.PII), each, seed, regions=["US"]),
        *by_kind("secrets", dict(samples.SECRETS), each, seed),
        *by_kind("unicode", dict(samples.UNICODE), each, seed, kinds=["invisible", "bidi", "tags", "variation"]),
        *by_kind("urls", dict(samples.URLS), each, seed, allow=["ok.example", "*.ok.example", "example.com"]),
    ]
