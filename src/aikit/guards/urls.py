"""The guard `urls`: addresses of hosts that are not on a list, in Markdown, in HTML and in plain text."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from aikit.guards.matches import Eyes, Match
from aikit.guards.seeking import partial

LONGEST = 4096
BEHIND = 400
_STOPS = r"\s<>\"'`()\[\]{}|^"
_URL = re.compile(
    rf"(?i)(?:(?:https?|wss?|ftps?):[/\\]{{0,4}}|(?<![\w.@/-])www\.|(?<=[(<\"'=\s])[/\\]{{2}}(?=[\w\[%-]))"
    rf"(?:\[[0-9a-f:.]{{2,45}}\])?[^{_STOPS}]{{1,{LONGEST - 80}}}"
)
_SCHEME = re.compile(r"(?i)[a-z]{2,5}:")
_TRAILING = ".,;:!?*_~"
_BEGUN: tuple[Sequence[str], ...] = (*map(list, ("https:", "wss:", "ftps:", "www.")), [r"[/\\]"] * 2)
_OPENERS = [partial(atoms, re.IGNORECASE) for atoms in _BEGUN]
_OPENER = re.compile(r"(?i)https?:|wss?:|ftps?:|www\.|[/\\]{2}")
_SO_FAR = re.compile(
    rf"(?i)(?:[a-z]{{2,5}}:[/\\]{{0,4}}|www\.|[/\\]{{2}})(?:\[[0-9a-f:.]{{0,45}}\]?)?[^{_STOPS}]{{0,{LONGEST}}}\Z"
)
_RUN = re.compile(rf"[^\s<>\"'`(){{}}|^]{{0,{LONGEST}}}")
_HINT = re.compile(r"[:\\]|//|[wW]\.")

_MARKDOWN = re.compile(r"(!?)\[[^\[\]]{0,300}\]\(\s{0,4}<?\Z")
_NESTED_IMAGE = re.compile(r"\]\(\s{0,4}<?\Z")
_HTML = re.compile(
    r"(?i)<([a-z]{1,10})\b[^<>]{0,300}\b(?:src|srcset|href|background|data|poster|action)\s{0,4}=\s{0,4}[\"']?\Z"
)
_CSS = re.compile(r"(?i)\burl\(\s{0,4}[\"']?\Z")
_LABELLED = re.compile(r"(?m)^ {0,3}\[[^\[\]]{1,200}\]:[ \t]{0,4}<?\Z")


def eyes(options: Mapping[str, Any]) -> Eyes:
    allowed = Hosts(options["allow"])
    return Eyes([_Urls(frozenset(options["kinds"]), allowed)], _undecided, BEHIND)


class Hosts:
    """The hosts that may be linked to."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._exact = set()
        self._below = []
        for host in allowed:
            name = _plain(host.removeprefix("*."))
            if host.startswith("*."):
                self._below.append("." + name)
            else:
                self._exact.add(name)

    def has(self, host: str) -> bool:
        return host in self._exact or any(host.endswith(below) for below in self._below)


class _Urls:
    def __init__(self, kinds: frozenset[str], allowed: Hosts) -> None:
        self._kinds = kinds
        self._allowed = allowed

    def seek(self, text: str, start: int) -> Match | None:
        if not _HINT.search(text, start):
            return None
        while found := _URL.search(text, start):
            start = found.start()
            url = found.group().rstrip(_TRAILING)
            host = _host(url)
            if host is not None and not self._allowed.has(host):
                kind = _kind(text[max(0, start - BEHIND) : start])
                if kind in self._kinds and (url[0] not in "/\\" or kind != "url"):
                    return Match(start, start + len(url), kind, url)
            start += 1
        return None


def _kind(before: str) -> str:
    """What an address is, by what stands before it."""
    markdown = _MARKDOWN.search(before)
    if markdown:
        return "image" if markdown.group(1) else "link"
    if _NESTED_IMAGE.search(before):
        return "link"
    html = _HTML.search(before)
    if html:
        return "link" if html.group(1).lower() in ("a", "area", "form", "base") else "image"
    if _CSS.search(before):
        return "image"
    return "link" if _LABELLED.search(before) else "url"


def _host(url: str) -> str | None:
    """The host a browser would ask, in its plain form; None if there is none. A host that browsers and other readers
    take for different ones is one that no list has: `?`."""
    scheme = _SCHEME.match(url)
    if scheme and "." not in url and not url[scheme.end() :].startswith(("/", "\\")):
        return None
    rest = url[scheme.end() :] if scheme else url
    rest = rest.lstrip("/\\")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "\\" in authority:
        return "?"
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return _plain(re.sub(r":[0-9]*\Z", "", host)) or None


def _plain(host: str) -> str:
    """A host as the name system has it: folded, decoded, in ASCII."""
    name = unicodedata.normalize("NFKC", unquote(host)).casefold().replace("\u3002", ".").strip(".")
    if name.isascii():
        return _address(name)
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return "?"


def _address(name: str) -> str:
    """An IP address in its usual form; browsers take other numbers for one as well, which no list has."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _undecided(text: str, start: int) -> int:
    """Where an address begins that the end of the text may cut off."""
    matched = _RUN.match(text[-1 : -LONGEST - 1 : -1])
    run = max(start, len(text) - (matched.end() if matched else 0))
    for opener in _OPENER.finditer(text, run):
        if _SO_FAR.match(text, opener.start()):
            return opener.start()
    begun = (each.search(text, max(run, len(text) - 8)) for each in _OPENERS)
    return min((found.start() for found in begun if found), default=len(text))
