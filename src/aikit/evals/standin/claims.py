"""Lists the claims of a text: its sentences, without questions, exclamations and greetings."""

from __future__ import annotations

import json
import re

from aikit.evals.standin.texts import count_words, quoted, sentences

ASKED = re.compile(r"^You list the claims", re.MULTILINE)
_MOST = re.compile(r"List at most (\d+)")
_NONE = re.compile(r"^(thanks?|thank you|hello|hi|dear|welcome|please)\b", re.IGNORECASE)


def answer(told: str, given: str) -> str:
    stated = _MOST.search(told)
    found = [text for text in sentences(quoted("Text", given)) if _claims(text)]
    return json.dumps({"claims": found[: int(stated[1]) if stated else None]}, ensure_ascii=False)


def _claims(text: str) -> bool:
    return not text.endswith(("?", "!")) and not _NONE.match(text) and count_words(text) > 1
