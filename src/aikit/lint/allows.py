"""Comments that allow something: `# aikit: allow AK001 reason`, and `# aikit: allow-file AK001 reason`."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass, field

MARK = "aikit: allow"
_COMMENT = re.compile(
    r"#\s*aikit:\s*(allow-file|allow)\b[ \t]*((?:[A-Za-z]{2}\d+(?:\s*,\s*|\b))*)[ \t]*(.*?)\s*(?=#|$)"
)


@dataclass(slots=True)
class Allow:
    """One such comment. `used` are the codes that it has allowed."""

    line: int
    column: int
    codes: tuple[str, ...]
    reason: str
    file: bool = False
    used: set[str] = field(default_factory=set)


def allows(text: str) -> list[Allow]:
    """All of a file; nothing where it can't be cut into tokens."""
    if MARK not in text and not re.search(r"aikit:\s*allow", text):
        return []
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and (match := _COMMENT.search(token.string)):
                codes = tuple(code.upper() for code in re.findall(r"[A-Za-z]{2}\d+", match[2]))
                column = token.start[1] + match.start() + 1
                found.append(Allow(token.start[0], column, codes, match[3].strip(" :-—"), match[1] == "allow-file"))
    except (tokenize.TokenError, SyntaxError):
        return found
    return found


def reason_for(known: list[Allow], code: str, lines: set[int]) -> str | None:
    """Why a finding of a code in these lines is allowed; None if it is not. The comment then counts as used."""
    for allow in known:
        if code in allow.codes and allow.reason and (allow.file or allow.line in lines):
            allow.used.add(code)
            return allow.reason
    return None
