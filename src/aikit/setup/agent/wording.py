"""Texts of models and persons, looked at: made plain for a terminal, and kept from being keys. Pure."""

from __future__ import annotations

import re

from aikit.guards.trial import try_guards
from aikit.types.guards import GuardAction, GuardRule, Place

CUT = " … (cut)"
_ASKS = re.compile(
    r"(?i)\b(api|access|secret|private|auth\w*)?[ _-]?keys?\b|pass ?(word|phrase|code|wd)|secret|token|credential"
    r"|\bpin\b|schl(ü|ue)ssel|pa(ss|ß)wort|kennwort|contrase|clave|mot de passe|cl[ée]f?\b|senha|chiave|\.env\b"
    r"|ключ|парол|密[码钥碼鑰]|パスワード|キー"
)
_STARTS = re.compile(r"(?i)\b(sk|pk|rk|xai|gsk|ghp|gho|glpat|hf|AIza|AKIA|xox[abpr]|ya29|aik|eyJ)[-_.A-Za-z0-9]{8,}")
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\b")
_RUN = re.compile(r"[A-Za-z0-9+/]{16,}")
_SHORT_RUN = re.compile(r"\S{8,}")
_SECRETS = GuardRule("secrets", GuardAction.REDACT, (Place.INPUT,))


def plain(text: str, most: int) -> str:
    """The text with line breaks and otherwise only what can be printed; cut after `most` characters.

    Escapes, direction marks and what has no width become U+FFFD, so that nothing moves the cursor, hides or repaints.
    """
    shown = text[:most]
    lines = shown.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    clean = "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line).rstrip() for line in lines)
    return re.sub(r"\n{3,}", "\n\n", clean).strip() + (CUT if len(text) > most else "")


def asks_for_a_key(question: str) -> bool:
    """Whether a question may make somebody type a secret; it says yes too often rather than too seldom."""
    return _ASKS.search(question) is not None


def looks_like_a_key(text: str, *, asked: bool = False) -> bool:
    """Whether a text has something in it that may be a secret. `asked`: the question before it was for one."""
    if try_guards([_SECRETS], Place.INPUT, text).found or _STARTS.search(text) or _UUID.search(text):
        return True
    if any(_mixed(run) for run in _RUN.findall(text)):
        return True
    return asked and any(_mixed(run) for run in _SHORT_RUN.findall(text))


def _mixed(run: str) -> bool:
    """Letters and digits: words of a language have none of the latter."""
    return any(c.isdigit() for c in run) and any(c.isalpha() for c in run)
