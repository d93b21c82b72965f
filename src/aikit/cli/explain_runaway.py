"""Rules against runaways in the JSON of `aikit explain`: what each found, and what it had to do with the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aikit.explain import Explanation
    from aikit.types import Watched


def watch_data(one: Watched, found: Explanation) -> dict[str, Any]:
    """A rule and what it found."""
    from aikit.console.details.decision import watch_role
    from aikit.policy.runaway import as_facts

    return {**as_facts(one), "role": watch_role(one, found).removeprefix("→ ") or None}
