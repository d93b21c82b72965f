"""References: `summarize@v3`, `summarize@production` and `summarize@candidate`, read from text and checked."""

from __future__ import annotations

import re
from difflib import get_close_matches

from aikit.errors import PromptInvalid
from aikit.prompts.model import Ref

CANDIDATE = "candidate"
"""The label of the newest file, locked or not; for evals and development."""
MOST = 999_999
"""Versions have at most so many, so that no number is too long to be one."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"v([1-9][0-9]{0,5})")
_LIKE_A_VERSION = re.compile(r"[vV]?[0-9]+")

HOW = "Write NAME@vN (summarize@v3) for a version, or NAME@LABEL (summarize@production) for what a label points to."


def parse_ref(text: str) -> Ref:
    """The reference that `text` is. Raises PromptInvalid that says what to write instead."""
    name, at, rest = text.partition("@")
    check_name(name)
    if not at:
        raise PromptInvalid(
            f"{name!r} names a prompt, but no version of it.",
            facts={"reference": name},
            remedy=f"Write {name}@v3 for a version, or {name}@production for what a label points to.",
        )
    if (version := parse_version(rest)) is not None:
        return Ref(name, version=version)
    return Ref(name, label=check_label(rest, name))


def parse_version(text: str) -> int | None:
    """3 for `v3`; None for what is no version."""
    found = _VERSION.fullmatch(text)
    return int(found[1]) if found else None


def check_name(name: str) -> str:
    """The name of a prompt as it is. Raises PromptInvalid for what is none."""
    if not _NAME.fullmatch(name):
        raise PromptInvalid(
            f"{name[:80]!r} is no name of a prompt.",
            facts={"name": name[:80]},
            remedy="A name has a to z, 0 to 9, _ and -, begins with a letter, and has at most 64 characters. " + HOW,
        )
    return name


def check_label(label: str, name: str = "NAME") -> str:
    """A label as it is. Raises PromptInvalid for what is none, and for `latest`, of which there is none."""
    if label == "latest":
        raise PromptInvalid(
            f"{name}@latest: there is no latest; it would move without a decision, and nothing could roll it back.",
            facts={"label": label},
            remedy=f"Write a version ({name}@v3), a label that is moved on purpose ({name}@production), "
            f"or {name}@{CANDIDATE} in evals and development.",
        )
    if _LIKE_A_VERSION.fullmatch(label) or not _LABEL.fullmatch(label):
        like = f" Did you mean {name}@v{number}?" if parse_version(f"v{(number := label.lstrip('vV0'))}") else ""
        raise PromptInvalid(
            f"{f'{name}@{label[:80]}'!r} names neither a version nor a label.",
            facts={"label": label[:80]},
            remedy=f"A version is v1, v2 …; a label has a to z, 0 to 9, _ and -, and begins with a letter.{like}",
        )
    return label


def closest(word: str, known: list[str]) -> str:
    """` Did you mean …?` if one of those known is like it, else nothing."""
    like = get_close_matches(word, known, n=1)
    return f" Did you mean {like[0]}?" if like else ""
