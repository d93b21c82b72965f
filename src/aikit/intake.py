"""A request on its way to its order: in whose name, what guards make of it, what it asks for and may cost. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from aikit.config import Provider
from aikit.desk import Desk
from aikit.errors import GuardBlocked, Refused, RequestInvalid
from aikit.guarding import Guarding
from aikit.headers import prompt_of
from aikit.idempotency import digest_of, once_of
from aikit.money import MAX_NANO
from aikit.pricing.price import Price
from aikit.refusal import denied
from aikit.types import Call, GuardRule, Order, Tags, new_id
from aikit.wire.body import parse
from aikit.wire.codec import Codec, Demand, WireRequest

TAG_HEADERS = {
    "x-aikit-tenant": "tenant",
    "x-aikit-user": "user",
    "x-aikit-feature": "feature",
    "x-aikit-environment": "environment",
}
"""Request headers that name tags. They are ours and never sent on."""
LONG = 20_000
"""Bytes of text that guards look at in another thread where an event loop would wait for them."""
FINGERPRINT = 8
"""Bytes of a digest by which requests are told apart that are counted as repetitions."""


class Intake:
    """Call `tag`, then `guard` and `order`: both again if other guards turn out to be asked for.

    `so_far` is the order as far as it is known. `demand` and `price` are there once it has been read; without a known
    price for all that it can use there is no `price`.
    """

    demand: Demand
    price: Price

    def __init__(
        self, codec: Codec, request: WireRequest, provider: Provider, tags: Tags, desk: Desk, api: str | None = None
    ) -> None:
        """`api` names what was asked for where that is not what the codec reads: it then only words the refusal."""
        self.codec = codec
        self.provider = provider
        self.desk = desk
        self._request = request
        self._came = request
        """As it came, whatever guards have made of it."""
        call = Call(request.call or new_id(), tags, provider.name, "", api or codec.name)
        self.so_far = Order(request.attempt or new_id(), call, 0, 0)
        self.guards: Guarding | None = None
        """What checks its texts; None: nothing does."""
        self.blocked: Refused | None = None
        """What a guard has against it."""
        self._guarded: tuple[GuardRule, ...] = ()

    def tag(self, headers: Mapping[str, str]) -> None:
        """Take the tags that the request's own headers name. Raises RequestInvalid for an unusable one."""
        named = {TAG_HEADERS[name]: headers[name] for name in headers.keys() & TAG_HEADERS.keys()}
        if not named:
            return
        try:
            tags = Tags(**named).over(self.so_far.call.tags)
        except ValueError as error:
            raise RequestInvalid(f"A tag can't be used: {error}.", remedy="Correct the x-aikit header.") from None
        self.so_far = self.so_far._replace(call=self.so_far.call._replace(tags=tags))

    @property
    def body(self) -> bytes:
        """The request's body as it came."""
        return self._came.body

    def is_long(self, body: bytes) -> bool:
        """Whether to look at this text takes longer than an event loop should wait."""
        return len(body) > LONG or bool(self.desk.custom)

    def expected_guards(self) -> tuple[GuardRule, ...]:
        """The guards that its policies will probably ask for. Raises PolicyDenied without a tenant."""
        if self.so_far.call.tags.tenant is None:
            raise denied("TENANT_REQUIRED", self.so_far)
        return self.desk.expected_guards(self.so_far.call.tags)

    def guard(self, rules: tuple[GuardRule, ...]) -> None:
        """Let the request pass these guards. One that they block is still asked for, so that it is on record.

        Raises Refused where they can't look at it.
        """
        self._guarded, self.blocked, self.guards, self._request = rules, None, None, self._came
        self.desk.learn_guards(self.so_far.call.tags, rules)
        if not rules:
            return
        tenant, schema = self.so_far.call.tenant, self._came.schema
        self.guards = Guarding(
            self.codec, rules, secret=self.desk.secret, tenant=tenant, schema=schema, custom=self.desk.custom
        )
        try:
            self._request = replace(self._came, body=self.guards.request(self._came.body))
        except GuardBlocked as error:
            self.blocked = error

    def question(self) -> Order:
        """Asks nothing but which guards its policies ask for."""
        return self.so_far._replace(guarded=None)

    def passed(self) -> bytes:
        """The request's body as its guards let it pass, where no codec reads it. Raises GuardBlocked, and
        RequestInvalid for a body that its provider may read otherwise than they did.
        """
        if self.blocked is not None:
            assert self.guards is not None
            self.so_far = self.so_far._replace(findings=self.guards.input_findings)
            raise self.blocked
        if self.guards is not None:
            parse(self._request.body)
        return self._request.body

    def order(self) -> Order:
        """Read and price the request. Raises Refused when that can't be done."""
        tags = self.so_far.call.tags
        self.read(self.desk.ceiling(tags))
        demand = self.demand
        call = Call(
            self.so_far.call.id,
            tags,
            self.provider.name,
            demand.model,
            self.codec.name,
            demand.stream,
            prompt_of(self._came.headers),
        )
        bound = demand.bound
        digest = digest_of(self._came)
        once = once_of(self._came, digest, tags)
        order = Order(
            self.so_far.attempt,
            call,
            0,
            bound.input_tokens + bound.output_tokens,
            output_tokens=bound.output_tokens,
            named=demand.named_output,
            answers=demand.answers,
            least=demand.least_output_tokens,
            characters=demand.characters,
            leasable=demand.stream and demand.visible_output,
            once=once,
            fingerprint=digest[:FINGERPRINT].hex(),
            guarded=self._guarded,
            findings=self.guards.input_findings if self.guards else (),
            blocked=self.blocked is not None,
        )
        price = self.price_of()
        if price is None:
            self.so_far = order._replace(bound=bound)
        else:
            self.price = price
            self.desk.prices[price.id] = price
            cost = price.bounding(bound)
            nano, tokens = cost.nano(bound.output_tokens), price.input_limit(bound) + bound.output_tokens
            self.so_far = order._replace(nano=nano, tokens=tokens, price_id=price.id, cost=cost)
        if self.so_far.nano > MAX_NANO:
            raise RequestInvalid("The request could cost more than nine billion dollars.", remedy="Ask for less.")
        return self.so_far

    def read(self, output_tokens: int, most: int | None = None) -> None:
        """Read the request, with this output limit where it names none, and `most` where it names more."""
        self.demand = self.codec.read_request(
            self._request, default_output_tokens=output_tokens, native=self.provider.native, most_output_tokens=most
        )

    def price_of(self, tier: str | None = None) -> Price | None:
        """The price in force, at the tier that served it if that is known; None if it is not known for all that the
        request can use.
        """
        demand = self.demand
        price = self.desk.book.find(
            self.provider.name, demand.model, at=datetime.now(UTC), service_tier=tier or demand.service_tier
        )
        return price if price is not None and price.covers(demand.bound) else None
