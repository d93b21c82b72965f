"""Rules against runaways on the page of `aikit explain`: what each found, and what it had to do with the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aikit.cli.policy_page import Item

if TYPE_CHECKING:
    from aikit.explain import Explanation
    from aikit.types import Watched


def watch_item(one: Watched, found: Explanation) -> Item:
    """One rule, and what it found."""
    from aikit.policy.file.runaway import in_words
    from aikit.policy.runaway import standing
    from aikit.policy.subject import subject_of

    rule = one.rule
    text = f"{in_words(rule)} · counts {subject_of(rule.subject).words or 'the whole tenant'} · {rule.source}"
    return Item(one.label.split("/")[0], "\n".join([text, standing(one), *filter(None, [_role(one, found)])]))


def _role(one: Watched, found: Explanation) -> str:
    """What a rule against runaways had to do with the answer."""
    if found.decision is None or one not in found.decision.tripped:
        return ""
    return "→ would have refused it, but only warns" if found.decision.allowed else "→ refused it"


def watch_data(one: Watched, found: Explanation) -> dict[str, Any]:
    """The same as JSON has it."""
    from aikit.policy.runaway import as_facts

    return {**as_facts(one), "role": _role(one, found).removeprefix("→ ") or None}
