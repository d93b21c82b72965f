"""Numbers that authorities give to people, and how they are written."""

# fmt: off

from __future__ import annotations

from typing import NamedTuple


class Number(NamedTuple):
    """How a number is written. `loose` ways count only after one of the `words`, for other numbers look the same.

    Each way begins with a class of characters: that is what a search can skip through a text by.
    """

    kind: str
    module: str
    pattern: str
    loose: str = ""
    words: str = ""


_S = "[ \u00a0]"
NUMBERS = (
    Number(
        "de.idnr",
        "de.idnr",
        rf"[1-9][0-9]{_S}[0-9]{{3}}{_S}[0-9]{{3}}{_S}[0-9]{{3}}",
        "[1-9][0-9]{10}",
        r"steuer|\bidnr|\bid.nr|tax|\btin\b",
    ),
    Number(
        "fr.nir",
        "fr.nir",
        rf"[12]{_S}?[0-9]{{2}}{_S}?[0-9]{{2}}{_S}?(?:[0-9]{{2}}|2[AB]){_S}?[0-9]{{3}}{_S}?[0-9]{{3}}{_S}?[0-9]{{2}}",
    ),
    Number("es.nif", "es.nif", r"[0-9]{8}[ -]?[A-Z]"),
    Number("es.nif", "es.nif", r"[XYZ][ -]?[0-9]{7}[ -]?[A-Z]"),
    Number(
        "it.codicefiscale",
        "it.codicefiscale",
        r"[A-Za-z]{6}[0-9LMNPQRSTUV]{2}[A-Za-z][0-9LMNPQRSTUV]{2}[A-Za-z][0-9LMNPQRSTUV]{3}[A-Za-z]",
    ),
    Number("br.cpf", "br.cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", r"[0-9]{11}", r"\bcpf\b"),
    Number("nl.bsn", "nl.bsn", "", r"[0-9]{4}[ .]?[0-9]{2}[ .]?[0-9]{3}", r"\bbsn\b|burgerservice|sofi"),
    Number("pl.pesel", "pl.pesel", "", r"[0-9]{11}", r"pesel"),
    Number("gb.nhs", "gb.nhs", "", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", r"\bnhs\b"),
    Number(
        "gb.nino",
        "",
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?<!BG|GB|KN|NK|NT|TN|ZZ) ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
    ),
    Number(
        "in.aadhaar",
        "in_.aadhaar",
        r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}",
        r"[2-9][0-9]{11}",
        r"aadhaar|aadhar|\buid\b",
    ),
    Number("in.pan", "in_.pan", r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]"),
    Number("cn.ric", "cn.ric", r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}[01][0-9][0-3][0-9][0-9]{3}[0-9Xx]"),
    Number("kr.rrn", "kr.rrn", r"[0-9]{2}[01][0-9][0-3][0-9]-[0-9]{7}"),
    Number("mx.curp", "mx.curp", r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[A-Z0-9][0-9]"),
    Number(
        "ca.sin",
        "ca.sin",
        r"[1-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{3}",
        r"[1-9][0-9]{8}",
        r"\bsin\b|\bnas\b|social insurance",
    ),
    Number("au.tfn", "au.tfn", "", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", r"\btfn\b|tax file"),
    Number("za.idnr", "za.idnr", "", r"[0-9]{13}", r"\bid\b|identity"),
)
