"""A question of the control plane as an order: the most that what is asked about can use and cost. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime

from aikit.errors import GuardBlocked, Refused, RequestInvalid
from aikit.guarding import Guarding
from aikit.kit_core import KitCore
from aikit.meter.judge import affordable
from aikit.money import MAX_NANO
from aikit.pricing.price import Price
from aikit.refusal import refused
from aikit.serve.control.questions import Question
from aikit.types import Bound, Call, Decision, GuardRule, Metric, Once, Order, PromptId, Tags, new_id
from aikit.wire import registry
from aikit.wire.body import parse, serialise
from aikit.wire.bounding import TEMPLATE_TOKENS

EVALUATE = "evaluate"
"""The API of holds that were taken without dispatch: only these are ended, or grow, by their ids."""
BYTES = 4
"""The most that a character has in UTF-8; a token has one at least."""
CACHES = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
"""What input may turn out to be where nobody has said that it is not."""
WRITTEN = ("output", "reasoning")


def named(kit: KitCore, provider: str | None, model: str) -> tuple[str, str]:
    """The provider and its model: as named, or the first provider whose price of it is known. Raises RequestInvalid."""
    head, slash, rest = model.partition("/")
    if provider is not None:
        return provider, rest if slash and head == provider else model
    if slash and rest and (head in kit.settings.providers or kit._has_price(head, rest)):
        return head, rest
    for known in kit.settings.providers:
        if kit._has_price(known, model):
            return known, model
    raise RequestInvalid(
        f"No provider is known to have the model {model!r}.",
        code="MODEL_UNUSABLE",
        facts={"field": "model"},
        remedy=f"Name the provider, as in PROVIDER/{model[:80]}.",
    )


class Questioned:
    """A question on its way to its decision. `guard` again if its policies ask for guards; then `order` again."""

    def __init__(
        self, kit: KitCore, asked: Question, tags: Tags, once: Once | None = None, prompt: PromptId | None = None
    ) -> None:
        """Raises RequestInvalid for a model that no provider is known to have."""
        self._kit, self._asked, self._once = kit, asked, once
        self.provider, self.model = named(kit, asked.provider, asked.model)
        self._call = Call(new_id(), tags, self.provider, self.model, EVALUATE, asked.stream, prompt)
        self._attempt = new_id()
        self._guards: Guarding | None = None
        self._rules: tuple[GuardRule, ...] = ()
        self._blocked = False
        self.text: str | None = None
        """The text as its guards let it pass, if that is another one than it came as."""
        self.bound = self._bound()

    def order(self) -> Order:
        """The order. Raises RequestInvalid for one that could cost more than can be counted."""
        asked, bound = self._asked, self.bound
        self._price = price = self._kit.book.find(
            self.provider, self.model, at=datetime.now(UTC), service_tier=asked.service_tier
        )
        order = Order(
            self._attempt,
            self._call,
            0,
            bound.input_tokens + bound.output_tokens,
            output_tokens=bound.output_tokens,
            named=asked.output_tokens is not None,
            least=min(1, bound.output_tokens),
            characters=self._characters(),
            once=self._once,
            guarded=self._rules,
            findings=self._guards.input_findings if self._guards else (),
            blocked=self._blocked,
            asks=not asked.hold,
        )
        if price is None or not price.covers(bound):
            return order._replace(bound=bound)
        self._kit._prices[price.id] = price
        cost = price.bounding(bound)
        order = order._replace(nano=cost.nano(bound.output_tokens), price_id=price.id, cost=cost)
        if order.nano > MAX_NANO:
            raise RequestInvalid("This could cost more than nine billion dollars.", remedy="Ask about less.")
        return order

    def guard(self, rules: tuple[GuardRule, ...]) -> None:
        """Let the text pass these guards. Raises RequestInvalid (TEXT_REQUIRED) if there is none to look at."""
        text = self._asked.text
        if not rules:
            self._rules, self._guards, self._blocked, self.text = rules, None, False, None
            return
        if text is None:
            named = ", ".join(sorted({rule.guard for rule in rules}))
            raise RequestInvalid(
                f"The policies ask for guards that look at the text ({named}), and there is none.",
                code="TEXT_REQUIRED",
                facts={"field": "text"},
                remedy="Give the text of the request in `text`.",
            )
        desk, codec = self._kit._desk, registry.chat_codec("openai")
        tenant = self._call.tenant
        self._rules, self._blocked, self.text = rules, False, None
        self._guards = Guarding(codec, rules, secret=desk.secret, tenant=tenant, custom=desk.custom)
        try:
            passed = self._guards.request(serialise(_as_chat(self.model, text)))
        except GuardBlocked:
            self._blocked = True
            return
        through = parse(passed)["messages"][-1]["content"]
        self.text = through if through != text else None
        self.bound = self._bound()

    @property
    def guarded(self) -> bool:
        """It has passed guards."""
        return bool(self._rules)

    def is_long(self, most: int) -> bool:
        """Whether its guards have much to look at."""
        return len(self._asked.text or "") > most or bool(self._kit._desk.custom)

    def refusal(self, decision: Decision) -> Refused:
        """The error that a call would have got: its words and its facts are told."""
        order = decision.order or self.order()
        fits = affordable(order, decision.failing) if decision.failing else 0
        per_credit = self._kit.nano_per_credit
        return refused(decision, order, affordable=fits, nano_per_credit=per_credit, cheaper=self.cheaper(decision))

    def cheaper(self, decision: Decision) -> str | None:
        """The cheapest allowed model of the provider that would fit where this one is too dear."""
        credits = [state for state in decision.failing if state.metric is Metric.CREDITS]
        order, provider = decision.order, self._kit.settings.providers.get(self.provider)
        if provider is None or order is None or order.bound is not None or not credits:
            return None
        if len(credits) < len(decision.failing):
            return None
        most = min(min(state.cap - state.counted for state in credits), order.nano - 1)
        found = self._kit._desk.cheapest(provider, decision.rules, self.bound)
        return next((offer.name for offer in found if offer.nano <= most), None)

    def _bound(self) -> Bound:
        asked = self._asked
        priced: Price | None = self._kit.book.find(self.provider, self.model, at=datetime.now(UTC))
        known = [name for name in CACHES if priced is None or name in priced.rates] or ["input"]
        output = asked.output_tokens
        if output is None:
            output = self._kit._desk.ceiling(self._call.tags)
        return Bound(
            input_tokens=self._input_tokens(),
            output_tokens=output,
            input_classes=frozenset(asked.input_classes or known),
            output_classes=frozenset(asked.output_classes or WRITTEN),
            searches=asked.searches,
        )

    def _input_tokens(self) -> int:
        asked = self._asked
        if asked.input_tokens is not None:
            return asked.input_tokens
        if asked.text is not None:
            return max(len(text.encode()) for text in (asked.text, self.text or "")) + TEMPLATE_TOKENS
        assert asked.characters is not None
        return asked.characters * BYTES + TEMPLATE_TOKENS

    def _characters(self) -> int:
        return len(self._asked.text) if self._asked.text is not None else self._asked.characters or 0


def _as_chat(model: str, text: str) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}
