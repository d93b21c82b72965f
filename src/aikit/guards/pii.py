"""The guard `pii`: addresses, and numbers of phones, cards, accounts and networks. Those of authorities: `national`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from aikit.guards import national, phones
from aikit.guards.matches import Eyes, Match, Seeker
from aikit.guards.seeking import Pattern, digits, earliest, run_at_end, said_before

LONGEST_WORD = 480
"A local part, an @ and a domain."
LONGEST_NUMBER = 64
BEHIND = 64
_SEPARATOR = "[ .\u00a0\u2010-\u2015-]?"


def eyes(options: Mapping[str, Any]) -> Eyes:
    kinds = frozenset(options["kinds"])
    private = options["private_ips"] is True
    makers: Mapping[str, Callable[[], list[Seeker]]] = {
        "email": lambda: [_Emails()],
        "phone": lambda: phones.seekers(tuple(options["regions"])),
        "card": lambda: [Pattern(_CARD, _card)],
        "iban": lambda: [Pattern(_IBAN, _iban), Pattern(_IBAN_IN_GROUPS, _iban_in_groups)],
        "ssn": lambda: [Pattern(_SSN, _ssn)],
        "ip": lambda: [Pattern(_IPV4, _ip(private)), Pattern(_IPV6, _ip(private), needs=":")],
    }
    seekers = [seeker for kind, make in makers.items() if kind in kinds for seeker in make()]
    return Eyes([*seekers, *national.seekers(kinds)], _UNDECIDED, BEHIND)


_UNDECIDED = earliest(
    run_at_end(r"[\w.+%'@:-]", LONGEST_WORD),
    run_at_end("[A-Z0-9 ()+./\u00a0\u2010-\u2015-]", LONGEST_NUMBER, not_first=" )./-\u00a0"),
)


class _Emails:
    """Found by their @: few texts have one, and every character could begin an address."""

    _local = re.compile(r"[\w.+%'-]{1,64}")
    _domain = re.compile(r"@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}(?!\w)")
    _in_a_url = re.compile(r"://[^\s/@]{0,60}:\Z")
    _of_an_image = re.compile(r"@[0-9](?:\.[0-9])?x\.")

    def seek(self, text: str, start: int) -> Match | None:
        at = start - 1
        while (at := text.find("@", at + 1)) >= 0:
            domain = self._domain.match(text, at)
            if domain is None or self._of_an_image.match(text, at):
                continue
            local = self._local.match(text[max(0, at - 64) : at][::-1])
            if local is None:
                continue
            name = local.group()[::-1].lstrip(".'-%")
            begin = at - len(name)
            if not name or name.endswith(".") or begin < start:
                continue
            if self._in_a_url.search(text[max(0, begin - BEHIND) : begin]):
                continue
            if name in ("git", "hg") and text[domain.end() : domain.end() + 1] == ":":
                continue
            return Match(begin, domain.end(), "email", text[begin : domain.end()].lower())
        return None


_CARD = (
    rf"[2-6](?<![\w.][2-6])(?<![0-9][,.-][2-6])(?:"
    rf"[0-9]{{3}}{_SEPARATOR}[0-9]{{4}}{_SEPARATOR}[0-9]{{4}}{_SEPARATOR}[0-9]{{4}}(?:{_SEPARATOR}[0-9]{{2,3}})?"
    rf"|[0-9]{{3}}{_SEPARATOR}[0-9]{{6}}{_SEPARATOR}[0-9]{{4,5}})(?!\w)"
)
_ISSUERS = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|220[0-4][0-9]{12}|6(?:011|4[4-9][0-9]|5[0-9]{2}|0[0-9]{2})[0-9]{12}|62[0-9]{14,17}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}"
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _card(text: str, candidate: re.Match[str]) -> Match | None:
    found = candidate.group()
    number = digits(found)
    if not _is_card(number) and len(number) > 16:
        shorter = re.match(r"(?:[0-9][^0-9]?){16}", found)
        if shorter is None or found[shorter.end() - 1].isdigit():
            return None
        found = shorter.group()[:-1]
        number = digits(found)
    if not _is_card(number):
        return None
    return Match(candidate.start(), candidate.start() + len(found), "card", number)


def _is_card(number: str) -> bool:
    if not _ISSUERS.fullmatch(number):
        return False
    backwards = [int(digit) for digit in reversed(number)]
    return (sum(backwards[::2]) + sum(_DOUBLED[digit] for digit in backwards[1::2])) % 10 == 0


_IBAN = r"[A-Za-z](?<!\w[A-Za-z])[A-Za-z][0-9]{2}[A-Za-z0-9]{11,30}(?!\w)"
_IBAN_IN_GROUPS = r"[A-Z](?<!\w[A-Z])[A-Z][0-9]{2}(?:[ \u00a0-][A-Z0-9]{4}){2,7}(?:[ \u00a0-][A-Z0-9]{1,4})?(?!\w)"


def _iban(text: str, candidate: re.Match[str]) -> Match | None:
    value = candidate.group().upper()
    return Match(candidate.start(), candidate.end(), "iban", value) if _is_iban(value) else None


def _iban_in_groups(text: str, candidate: re.Match[str]) -> Match | None:
    found = candidate.group()
    while len(found) > 14:
        value = re.sub("[^A-Z0-9]", "", found)
        if _is_iban(value):
            return Match(candidate.start(), candidate.start() + len(found), "iban", value)
        found = found[: max(found.rfind(separator) for separator in " \u00a0-")]
    return None


def _is_iban(value: str) -> bool:
    turned = "".join(str(int(character, 36)) for character in value[4:] + value[:4])
    if int(turned) % 97 != 1:
        return False
    from stdnum import iban

    return bool(iban.is_valid(value, check_country=False))


_SSN = r"[0-8](?<![\w.][0-8])(?<![0-9][-.][0-8])[0-9]{2}(?:-[0-9]{2}-|\ [0-9]{2}\ |[0-9]{2})[0-9]{4}(?![\w-])"
_SAYS_SSN = re.compile(r"(?i)\bssn|social.{0,3}security|\bitin\b|tax.?id")


def _ssn(text: str, candidate: re.Match[str]) -> Match | None:
    number = digits(candidate.group())
    if number[:3] in ("000", "666") or number[3:5] == "00" or number[5:] == "0000":
        return None
    if "-" not in candidate.group() and not said_before(text, candidate.start(), _SAYS_SSN, 40):
        return None
    return Match(candidate.start(), candidate.end(), "ssn", number)


_IPV4 = r"[0-9](?<![\w.][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?!\w|\.[0-9])"
_IPV6 = (
    r"[0-9A-Fa-f:](?<![\w:.][0-9A-Fa-f:])(?:[0-9A-Fa-f]{0,3}:){1}(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{0,4}(?![\w:])"
)
_SAYS_VERSION = re.compile(r"(?i)\b(?:version|ver\.?|release|build|firmware|driver|section|chapter)\W{0,3}\Z")
_GLOBAL = ipaddress.ip_network("2000::/3")


def _public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and (address.version == 4 or address in _GLOBAL)


def _ip(private: bool) -> Callable[[str, re.Match[str]], Match | None]:
    def accept(text: str, candidate: re.Match[str]) -> Match | None:
        try:
            address = ipaddress.ip_address(candidate.group())
        except ValueError:
            return None
        if address.is_unspecified or not (private or _public(address)):
            return None
        if address.version == 4 and _SAYS_VERSION.search(text[max(0, candidate.start() - 16) : candidate.start()]):
            return None
        return Match(candidate.start(), candidate.end(), "ip", str(address))

    return accept
