"""What a change in the audit came to: in one line, and in full. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from aikit.errors import ConfigError

if TYPE_CHECKING:
    from aikit.ledger.audit import AuditRow
    from aikit.policy.model import Policy


MOST = 3
"""Fields that are told in one line; `aikit audit show` has them all."""


def short(row: AuditRow, nano_per_credit: int) -> str:
    """`credits/month: $5.00 → $6.00; concurrency: 20`."""
    parts = _parts(row, nano_per_credit)
    more = [f"and {len(parts) - MOST} more"] if len(parts) > MOST else []
    return "; ".join([*parts[:MOST], *more])


def _parts(row: AuditRow, nano_per_credit: int) -> list[str]:
    """A text for each field that differs."""
    if row.action.startswith("breaker."):
        return [_breaker(row)]
    if row.action.startswith("prompt."):
        return [_prompt(row)]
    policies = _policies(row)
    if policies is None:
        return list(_fields(row.before, row.after))
    from aikit.policy.changes import compare, words

    changes = compare(*[[policy] if policy else [] for policy in policies])
    lines = [line for change in changes for line in words(change, nano_per_credit)]
    return [line.partition("  ")[2] or line for line in lines]


def _breaker(row: AuditRow) -> str:
    """`closed → forced open until 2026-11-21T15:04:05Z`."""
    was, after = [str((side or {}).get("state", "")).replace("_", " ") for side in (row.before, row.after)]
    until = (row.after or {}).get("until")
    return f"{was} → {after} until {until}" if until else f"{was} → {after}"


def _prompt(row: AuditRow) -> str:
    """`v2 → v3, forced`; of a publication the beginning of its hash."""
    was, after = row.before or {}, row.after or {}
    if "version" not in after:
        return f"sha256 {after.get('sha256', '')[:12]}"
    return f"{was.get('version', 'new')} → {after['version']}{', forced' if after.get('forced') else ''}"


def in_full(row: AuditRow, nano_per_credit: int) -> list[str]:
    """Both sides together: `- ` what was only before, `+ ` what is only after. A policy is as a file has it."""
    before, after = [_text(value, nano_per_credit) for value in _policies(row) or (row.before, row.after)]
    found: list[str] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [f"  {line}" for line in before[i:j]]
        else:
            found += [f"- {line}" for line in before[i:j]] + [f"+ {line}" for line in after[k:m]]
    return found


def _policies(row: AuditRow) -> tuple[Policy | None, Policy | None] | None:
    """Both sides as policies; None if they are something else, or were written by a version that knows more."""
    from aikit.policy.record import from_body

    sides = [side for side in (row.before, row.after) if side is not None]
    if not sides or not all(isinstance(side, Mapping) and "scope" in side for side in sides):
        return None
    try:
        return row.before and from_body(row.before), row.after and from_body(row.after)
    except ConfigError:
        return None


def _fields(before: Any, after: Any) -> Iterator[str]:
    """Each field that differs; if there are no fields, the whole."""
    if not all(isinstance(side, Mapping) for side in (before, after) if side is not None):
        yield f"{_plain(before)} → {_plain(after)}"
        return
    old, new = before or {}, after or {}
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            label, (was, stated) = _labelled(name, old.get(name), new.get(name))
            yield f"{label}: {stated}" if name not in old else f"{label}: {was} → {stated}"


def _labelled(name: str, *values: Any) -> tuple[str, list[str]]:
    """Money as people write it: `cost_usd` is a cost, in dollars."""
    if not name.endswith("_usd"):
        return name, [_plain(value) for value in values]
    return name.removesuffix("_usd"), [f"${value}" if isinstance(value, str) else _plain(value) for value in values]


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(value: Any, nano_per_credit: int) -> list[str]:
    from aikit.policy.file.writing import write_policies
    from aikit.policy.model import Policy

    if value is None:
        return []
    if isinstance(value, Policy):
        return write_policies([value], nano_per_credit=nano_per_credit).splitlines()
    return json.dumps(value, ensure_ascii=False, indent=2).splitlines()
