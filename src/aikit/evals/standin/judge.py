"""Judges an answer by looking for what each criterion asks for: an amount, a time, politeness, length, a fact."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from aikit.evals.standin.texts import quoted, sentences, stems

ASKED = re.compile(r"^You judge an answer", re.MULTILINE)
_CRITERION = re.compile(r"^\d+\. \(weight ([0-9.]+)\) (.*)$", re.MULTILINE)
_AMOUNT = re.compile(r"[$€£]\s?\d|\b\d+ (dollars|euros)\b")
_TIME = re.compile(
    r"\b(today|tomorrow|tonight|within|by (mon|tues|wednes|thurs|fri|satur|sun)day|days?|weeks?|hours?|\d{1,2}:\d\d)\b",
    re.IGNORECASE,
)
_POLITE = re.compile(r"\b(please|thank|sorry|kindly|apologi[sz]e)\b", re.IGNORECASE)
_RUDE = re.compile(r"\b(so what|before you complain|your fault|stupid)\b", re.IGNORECASE)
_ADMITS = re.compile(r"\b(our mistake|our fault|messed up|we were wrong|we packed)\b", re.IGNORECASE)
_CAPITALS = {"norway": "oslo", "sweden": "stockholm", "france": "paris", "portugal": "lisbon", "japan": "tokyo"}
_ASIDE = re.compile(r"\([^)]*\bjudge\b[^)]*\)|\{.*\}")


def answer(told: str, given: str) -> str:
    task, text = quoted("Task", given), _ASIDE.sub("", quoted("Answer", given))
    criteria = [(float(weight), what) for weight, what in _CRITERION.findall(given)]
    if not criteria:
        raise ValueError("there is no rubric")
    met = [(weight, what, _met(what, task, text)) for weight, what in criteria]
    score = sum(weight * value for weight, _, value in met) / sum(weight for weight, _, _ in met)
    lost = [what for _, what, value in met if value < 1]
    reason = f"Not met: {' '.join(lost)}" if lost else "All criteria are met."
    return json.dumps({"score": round(score, 2), "reason": reason}, ensure_ascii=False)


def _met(criterion: str, task: str, text: str) -> float:
    for asks, looks in _LOOKS:
        if re.search(asks, criterion, re.IGNORECASE):
            return float(looks(task, text))
    wanted = stems(criterion)
    return round(len(wanted & stems(text)) / len(wanted), 2) if wanted else 0.0


def _has_capital(task: str, text: str) -> bool:
    return any(country in task.lower() and city in text.lower() for country, city in _CAPITALS.items())


_LOOKS: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    (r"\bamount\b", lambda task, text: bool(_AMOUNT.search(text))),
    (r"\bwhen\b", lambda task, text: bool(_TIME.search(text))),
    (r"\bpolite\b", lambda task, text: bool(_POLITE.search(text)) and not _RUDE.search(text)),
    (r"\bmistake\b", lambda task, text: bool(_ADMITS.search(text))),
    (r"\bcapital\b", _has_capital),
    (r"\bone sentence\b", lambda task, text: len(sentences(text)) == 1),
)
"""What to look for where a criterion speaks of something; for any other, its own words."""
