"""The guard `secrets`: keys by the letters they begin with, and passwords where something before them says so."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from aikit.guards.keys import KEYS, MORE
from aikit.guards.matches import Eyes, Match, Seeker
from aikit.guards.seeking import Literal, earliest, joined, run_at_end

LONGEST_WORD = 8200
BEHIND = 96
REACH = 64
_END = "(?![A-Za-z0-9_-])"


def eyes(options: Mapping[str, Any]) -> Eyes:
    kinds = frozenset(options["kinds"])
    seekers: list[Seeker] = [
        Literal(literal, f"(?<![A-Za-z0-9_-]){pattern}{_END}", _of_a_key(kind), offset)
        for kind, literal, offset, pattern in KEYS
        if kind in kinds
    ]
    more = {begin: (kind, rest) for kind in kinds & MORE.keys() for begin, rest in MORE[kind].items()}
    seekers += [_Beginnings(more)] if more else []
    seekers += [make() for kind, make in _OTHERS if kind in kinds]
    return Eyes(seekers, earliest(run_at_end(r"\S", LONGEST_WORD), _open_block), BEHIND)


def _of_a_key(kind: str) -> Callable[[str, re.Match[str]], Match | None]:
    """A key is made at random: one of its characters over and over, as in an example, is none."""

    def accept(text: str, candidate: re.Match[str]) -> Match | None:
        if len(set(candidate.group()[-16:].lower())) < 4:
            return None
        return Match(candidate.start(), candidate.end(), kind)

    return accept


class _Beginnings:
    """Keys of many kinds, found by what they begin with in one search: cheaper than a search for each."""

    def __init__(self, kinds: Mapping[str, tuple[str, str]]) -> None:
        self._search = re.compile(f"(?<![A-Za-z0-9_-])(?:{joined(kinds)})").search
        self._keys = {
            begin: (_of_a_key(kind), re.compile(re.escape(begin) + rest + _END).match)
            for begin, (kind, rest) in kinds.items()
        }

    def seek(self, text: str, start: int) -> Match | None:
        while beginning := self._search(text, start):
            accept, match = self._keys[beginning.group()]
            candidate = match(text, beginning.start())
            found = accept(text, candidate) if candidate else None
            if found is not None:
                return found
            start = beginning.end()
        return None


class _Announced:
    """A value that looks like many others, after a word that says what it is."""

    def __init__(self, kind: str, words: tuple[str, ...], says: re.Pattern[str], value: str) -> None:
        self._kind = kind
        self._words = words
        self._value = re.compile(value)
        self._says = says

    def seek(self, text: str, start: int) -> Match | None:
        lowered = text.lower()
        if not any(word in lowered for word in self._words):
            return None
        for candidate in self._value.finditer(text, start):
            before = text[max(0, candidate.start() - REACH) : candidate.start()]
            if self._says.search(before) and len(set(candidate.group())) > 5:
                return Match(candidate.start(), candidate.end(), self._kind)
        return None


def _after(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"""(?ai)(?:{joined(words)})[\w -]{{0,16}}["'`]?\s{{0,4}}(?:=|:|=>|is|:=)?\s{{0,4}}["'`]?\Z""")


def _aws_secret() -> Seeker:
    words = ("secret_access_key", "secret access key", "secretaccesskey", "aws_secret", "aws secret", "secret_key")
    return _Announced("aws_secret", words, _after(words), r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")


def _azure_account() -> Seeker:
    words = ("accountkey", "sharedaccesskey", "account_key", "account key")
    return _Announced("azure_key", words, _after(words), r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{43}(?:[A-Za-z0-9/+]{43}=)?=")


def _azure_service() -> Seeker:
    words = ("subscription-key", "subscription key", "subscription_key", "azure_openai_api_key", "azure_api_key")
    return _Announced("azure_key", words, _after(words), r"(?<![A-Za-z0-9])[0-9a-f]{32}(?![A-Za-z0-9])")


def _twilio_token() -> Seeker:
    words = ("auth_token", "auth token", "authtoken", "twilio")
    return _Announced("twilio_key", words, _after(words), r"(?<![A-Za-z0-9])[0-9a-f]{32}(?![A-Za-z0-9])")


def _named_key() -> Seeker:
    """Of providers whose keys look like nothing in particular (Mistral, Cohere, Mailgun …). Those that have looks, or
    kinds of their own, are left to these."""
    says = re.compile(
        r"""(?ai)(?<!azure.)(?<!azure.openai.)(?:api[_ -]?key|access[_ -]?token|client[_ -]?secret)"""
        r"""["'`]?\]?\s{0,4}(?:=|:|=>|is|:=)\s{0,4}["'`]?\Z"""
    )
    return _Announced("named_key", ("key", "token", "secret"), says, _NAMED)


_NAMED = (
    r"(?<![A-Za-z0-9_./+-])(?!AIza|AKIA|ASIA|SK[0-9a-f]{32})(?=[A-Za-z]*[0-9])[A-Za-z0-9]{32,128}(?![A-Za-z0-9_/+-])"
)


class _Bearer:
    """The token after `Bearer`. A word after it is prose: a token has a digit."""

    _token = re.compile(r"[A-Za-z0-9._~+/-]{16,4000}={0,2}")
    _says = re.compile(r"(?i)bearer[ \t]{1,3}\Z")

    def seek(self, text: str, start: int) -> Match | None:
        at = max(0, start - 16)
        while (at := _first(text, ("earer ", "EARER ", "earer\t"), at)) >= 0:
            begin = at + 6
            while text[begin : begin + 1] in (" ", "\t") and begin < at + 8:
                begin += 1
            token = self._token.match(text, begin)
            said = begin >= start and self._says.search(text[max(0, begin - 10) : begin])
            if token and said and any(map(str.isdigit, token.group())):
                return Match(begin, token.end(), "bearer_token")
            at += 1
        return None


def _first(text: str, words: tuple[str, ...], start: int) -> int:
    return min((at for word in words if (at := text.find(word, start)) >= 0), default=-1)


class _UrlPasswords:
    """`scheme://user:password@host`, all of it; found by its `://`."""

    _scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,24}\Z")
    _rest = re.compile(r"""://([^\s:/?#@"'<>`]{0,64}):([^\s/?#@"'<>`]{1,128})@[\w.\[\]:-]{1,255}""")
    _no_password = re.compile(r"(?i)[*x.]+|[$%{].*|.*[}>]|password|passwd|pass|pwd|secret|your.*|changeme|example")

    def seek(self, text: str, start: int) -> Match | None:
        at = start
        while (at := text.find("://", at)) >= 0:
            rest = self._rest.match(text, at)
            scheme = self._scheme.search(text[max(start, at - 25) : at])
            if rest and scheme and not self._no_password.fullmatch(rest.group(2)):
                return Match(at - len(scheme.group()), rest.end(), "url_password", rest.group(2))
            at += 1
        return None


class _Jwts:
    """Three parts with dots between them, of which the first says with which algorithm the last is made."""

    _token = re.compile(r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{4,4000}\.[A-Za-z0-9_-]{0,2000}")

    def seek(self, text: str, start: int) -> Match | None:
        at = start
        while (at := text.find("eyJ", at)) >= 0:
            token = self._token.match(text, at)
            if token and b'"alg"' in _decoded(token.group().partition(".")[0]):
                return Match(at, token.end(), "jwt")
            at += 1
        return None


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""


_BEGIN = "-----BEGIN "
_HEADER = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_HEADER_SO_FAR = re.compile(r"-----BEGIN [A-Z0-9 ]{0,60}-{0,5}")
_FOOTER = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_CUT_OFF = re.compile(r"(?:\s|\\n|\\r){0,8}[A-Za-z0-9+/=]{40}[A-Za-z0-9+/=\s\\]{0,16000}")
_LONGEST_BODY = 16_000
_LONGEST_BLOCK = 16_384


class _PrivateKeys:
    """A key block to its end, or what there is of it."""

    def seek(self, text: str, start: int) -> Match | None:
        at = start
        while (at := text.find(_BEGIN, at)) >= 0:
            header = _HEADER.match(text, at)
            end = _end_of_block(text, header.end()) if header else None
            if end is not None:
                return Match(at, end, "private_key", re.sub(r"\s+", "", text[at:end]))
            at += 1
        return None


def _end_of_block(text: str, body: int) -> int | None:
    """Where a key block ends whose body begins here; None if no key is in it."""
    other = text.find(_BEGIN, body, body + _LONGEST_BODY)
    last = body + _LONGEST_BODY if other < 0 else other
    end = text.find("-----END ", body, last)
    footer = _FOOTER.match(text, end) if end >= 0 else None
    if footer:
        return footer.end()
    cut_off = _CUT_OFF.match(text, body)
    return cut_off.end() if cut_off else None


def _open_block(text: str, start: int) -> int:
    """Where a key block begins that has not come to its end yet."""
    at = max(start, len(text) - _LONGEST_BLOCK)
    while (at := text.find(_BEGIN, at)) >= 0:
        so_far = _HEADER_SO_FAR.match(text, at)
        if so_far and so_far.end() == len(text):
            return at
        header = _HEADER.match(text, at)
        if header:
            end = text.find("-----END ", header.end())
            footer = _FOOTER.match(text, end) if end >= 0 else None
            if footer is None:
                return at
            at = footer.end()
        else:
            at += 1
    return len(text)


_OTHERS: tuple[tuple[str, Callable[[], Seeker]], ...] = (
    ("aws_secret", _aws_secret),
    ("azure_key", _azure_account),
    ("azure_key", _azure_service),
    ("twilio_key", _twilio_token),
    ("named_key", _named_key),
    ("jwt", _Jwts),
    ("private_key", _PrivateKeys),
    ("url_password", _UrlPasswords),
    ("bearer_token", _Bearer),
)
