"""GET /v1/breakers and /v1/prompts: what is the same for all tenants, as far as it concerns one of them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from aikit.breaker.model import State
from aikit.errors import PromptInvalid
from aikit.ledger.breakers import BreakerRow, list_breakers
from aikit.ledger.prompt_labels import Label, list_labels
from aikit.ledger.prompts import Published, list_published
from aikit.prompts.refs import check_name
from aikit.serve.answers import Answer
from aikit.serve.control.decisions import Whose
from aikit.serve.control.fields import Time
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.listing import Listed
from aikit.serve.control.whose import seen_from
from aikit.serve.endpoints import Asking, Endpoint, Said, not_found
from aikit.serve.model import Right


class BreakerSaid(Said):
    """A breaker that is not closed. What was seen of it, by the calls of all tenants, is for an operator's key."""

    breaker: str
    provider: str
    model: str | None = Field(description="Null: the provider as a whole.")
    state: str
    reason: str | None
    since: Time | None
    until: Time | None
    openings: int
    calls: int | None
    failed: int | None
    slow: int | None


class LabelSaid(Said):
    """Where a label points to."""

    label: str
    version: int
    since: Time


class VersionSaid(Said):
    """A published version; it never changes."""

    version: int
    sha256: str
    parent: int | None
    published_at: Time
    source: str | None = Field(description="The whole file; null in the list of all prompts.")


class PromptSaid(Said):
    """A prompt, its versions and its labels."""

    name: str
    versions: list[VersionSaid]
    labels: list[LabelSaid]


BREAKERS = Listed("breaker.list", BreakerSaid)
PROMPTS, PROMPT = Listed("prompt.list", PromptSaid), Listed("prompt.show", PromptSaid, one=True)


class Shared:
    """Answers what is shared."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        named: dict[str, Any] = {"name": {"type": "string"}}
        read = Right.USAGE_READ
        return (
            Endpoint("GET", "/v1/breakers", read, "Providers and models that are not asked just now", self.breakers,
                     answer=BREAKERS, query=Whose, tag="Reads"),
            Endpoint("GET", "/v1/prompts", read, "The published prompts", self.prompts,
                     answer=PROMPTS, query=Whose, tag="Reads"),
            Endpoint("GET", "/v1/prompts/{name}", read, "One prompt with the source of its versions", self.prompt,
                     answer=PROMPT, query=Whose, errors=(404,), tag="Reads", params=named),
        )  # fmt: skip

    async def breakers(self, asking: Asking) -> Answer:
        place = seen_from(asking.exchanged, asking.query.tenant, asking.query.environment)
        rows = await self._ledger.look(place, list_breakers)
        whole = asking.exchanged.key is not None and asking.exchanged.key.tenant is None
        shown = [row for row in rows if whole or row.breaker.state is not State.CLOSED]
        return BREAKERS.answer([_breaker(row, whole=whole) for row in shown], {"breakers": len(shown)})

    async def prompts(self, asking: Asking) -> Answer:
        found = await self._found(asking, None)
        return PROMPTS.answer(found, {"prompts": len(found)})

    async def prompt(self, asking: Asking) -> Answer:
        name = asking.params["name"]
        try:
            check_name(name)
        except PromptInvalid:
            raise not_found("prompt", name) from None
        found = await self._found(asking, name)
        if not found:
            raise not_found("prompt", name)
        return PROMPT.answer(found[0])

    async def _found(self, asking: Asking, name: str | None) -> list[PromptSaid]:
        place = seen_from(asking.exchanged, asking.query.tenant, asking.query.environment)
        versions, labels = await self._ledger.look(place, lambda c: (list_published(c, name), list_labels(c, name)))
        names = sorted({version.name for version in versions})
        return [_prompt(one, versions, labels, whole=name is not None) for one in names]


def _breaker(row: BreakerRow, *, whole: bool) -> dict[str, Any]:
    breaker, seen = row.breaker, row.seen
    return {
        "breaker": breaker.name,
        "provider": breaker.provider,
        "model": breaker.model or None,
        "state": str(breaker.state),
        "reason": breaker.reason and str(breaker.reason),
        "since": breaker.since if breaker.reason else None,
        "until": breaker.until,
        "openings": breaker.trips,
        "calls": seen.calls if whole else None,
        "failed": seen.failed if whole else None,
        "slow": seen.slow if whole else None,
    }


def _prompt(name: str, versions: list[Published], labels: list[Label], *, whole: bool) -> PromptSaid:
    return PromptSaid(
        name=name,
        versions=[
            VersionSaid(
                version=one.version,
                sha256=one.sha256,
                parent=one.parent,
                published_at=one.published_at,
                source=one.source if whole else None,
            )
            for one in versions
            if one.name == name
        ],
        labels=[LabelSaid(label=one.label, version=one.version, since=one.since) for one in labels if one.name == name],
    )
