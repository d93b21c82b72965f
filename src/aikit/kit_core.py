"""What the sync and the async kit share: settings, database, prices, the meter, metered HTTP clients."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.request import getproxies
from uuid import UUID

import httpx2

from aikit import clients
from aikit.asking import Ask, asked, available, random_of, route_of
from aikit.breaker.tuning import tuned
from aikit.completion import Dispatch, Prompt, dispatch
from aikit.config import Provider, Settings, load
from aikit.context import tag_source
from aikit.database.connect import Database, open_database
from aikit.desk import Desk
from aikit.errors import ConfigError
from aikit.guards.matches import CustomGuard
from aikit.ledger.opening import Terms, prepare
from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter
from aikit.meter.prices import PriceRow
from aikit.notices import Notices
from aikit.policy.guards import CUSTOM_NAME
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.pricing.price import Price
from aikit.registry import Registry, open_registry
from aikit.routing.retries import RetryBudget
from aikit.routing.routes import Route
from aikit.routing.trying import Tries, Turn, trying
from aikit.signals.opening import open_signals
from aikit.signals.sink import Listener
from aikit.streams.drains import Drains
from aikit.transport import (
    AsyncClientTransport,
    AsyncMeteredTransport,
    ClientTransport,
    MeteredTransport,
    TagSource,
)
from aikit.types import Tags

if TYPE_CHECKING:
    from aikit.ledger.reports import UserUsage
    from aikit.signals.prometheus import Exposition

Client = TypeVar("Client")

TIMEOUT = httpx2.Timeout(600.0, connect=5.0)
LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)


class KitCore:
    """An open kit. `settings`, `database`, `book`, `meter` and `registry` are its parts."""

    def __init__(self, settings: Settings, database: Database, terms: Terms, on_event: Listener | None = None) -> None:
        self.settings = settings
        self.database = database
        self.nano_per_credit = terms.nano_per_credit
        self.secret = terms.secret
        self.book = PriceBook(parse_overrides(settings.prices))
        self._prices: dict[str, Price] = {}
        self.signals = open_signals(settings, on_event, lambda: self.meter.waiting)
        try:
            notices, tuning = Notices(self.signals), tuned(settings.breaker)
            self.meter: Meter = open_meter(
                database, settings.data_dir, self._price_row, on_move=notices.moved, tuning=tuning
            )
        except BaseException:
            self.signals.close()
            raise
        self._desk = Desk(
            self.meter,
            self.book,
            self._prices,
            terms.nano_per_credit,
            notices,
            settings.safe,
            slow_after=tuning.slow,
            secret=terms.secret,
        )
        self.registry: Registry = open_registry(settings, database)
        self._budget = RetryBudget()
        self._random = Random()
        self._drains = Drains(settings.drain_seconds)

    @classmethod
    def open(
        cls, settings: Settings | None = None, *, config: Path | None = None, on_event: Listener | None = None
    ) -> Self:
        """Open the configured database, bring its schema up to date if it is ours to do so, and start the meter.

        Without a configured database the embedded PostgreSQL is started. `on_event` hears of everything that happens
        to attempts (`aikit.events`), in a thread of the kit, with the context variables of the call. Raises
        ConfigError, DatabaseUnavailable, SchemaBehind or EmbeddedFailed; then nothing has been started.
        """
        settings = settings or load(config)
        database = open_database(settings)
        return cls(settings, database, prepare(database), on_event)

    def is_configured(self) -> bool:
        """Whether at least one provider has what it needs to be called."""
        return bool(available(self.settings))

    def available_providers(self) -> list[str]:
        """The names of the configured providers, in the order in which one is chosen."""
        return [provider.name for provider in available(self.settings)]

    def flush(self) -> bool:
        """Wait until all endings so far are in the ledger, and all events told. False: some had to be spooled."""
        posted = self.meter.flush()
        self.signals.flush()
        return posted

    def metrics(self) -> Exposition:
        """All Prometheus metrics of aikit, for a /metrics endpoint. Raises ConfigError unless they are configured."""
        return self.signals.exposition()

    def usage(self, *, tenant: str, user: str, since: datetime | None = None) -> UserUsage:
        """What a user has used since then (default: since 00:00 UTC today), in all and by provider."""
        from aikit.ledger.reports import user_usage

        self.meter.flush()
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return user_usage(self.database, tenant, user, since or today)

    def add_tenant(self, tenant: str, *, plan: str | None = None, uncapped: bool = False) -> bool:
        """Make a tenant known, and put it on a plan. False: it was there, and stays as it is. Blocks; on the record.

        Raises ConfigError for a name that can't be a tag, or an unknown plan.
        """
        from aikit.ledger.tenants import add_tenant

        return add_tenant(self.database, tenant, plan=plan, uncapped=uncapped)

    def set_plan(self, plan: str | None, *, tenant: str, user: str | None = None, why: str | None = None) -> str | None:
        """Move a tenant, or one of its users, onto a plan, from the next call on. Returns the plan before. Blocks.

        Raises ConfigError for an unknown tenant or plan.
        """
        from aikit.ledger.plans import set_plan

        return set_plan(self.database, tenant, plan, user=user, why=why)

    def guard(self, name: str, check: CustomGuard) -> None:
        """Make a check of the application known as the guard `custom.NAME`, for policies that ask for it.

        It applies to calls from then on. Until it is known, calls that have to pass it are blocked. Raises ConfigError
        for a name that can't be used.
        """
        if not CUSTOM_NAME.fullmatch(name):
            raise ConfigError(
                f"A guard can't be called {name!r:.80}.",
                remedy="Use lower-case letters, digits, _ and -, like toxicity.",
            )
        self._desk.custom[name] = check

    def channels(self, provider: Provider, made_with: Tags) -> clients.Channels:
        source = tag_source(made_with, self.settings.environment)

        def sync(inner: httpx2.BaseTransport | None) -> httpx2.Client:
            transport = MeteredTransport(inner or sync_inner(), provider, source, self.meter, self._desk, self._drains)
            return httpx2.Client(transport=transport, timeout=TIMEOUT, follow_redirects=False)

        def asynchronous(inner: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
            transport = AsyncMeteredTransport(
                inner or async_inner(), provider, source, self.meter, self._desk, self._drains
            )
            return httpx2.AsyncClient(transport=transport, timeout=TIMEOUT, follow_redirects=False)

        return clients.Channels(sync, asynchronous)

    def metered(self, provider: Provider, source: TagSource, inner: httpx2.AsyncBaseTransport) -> AsyncMeteredTransport:
        """A transport that meters what is sent to a provider in the name that `source` says, and sends by `inner`."""
        return AsyncMeteredTransport(inner, provider, source, self.meter, self._desk, self._drains)

    def named(self, name: str, kind: str) -> Provider:
        provider = self.settings.provider(name)
        if provider.kind != kind:
            raise clients.wrong_kind(provider, kind)
        return provider

    def wrapped(self, client: Client, provider: str | None, made_with: Tags) -> Client:
        kind = clients.family(client)
        found = (
            self.named(provider, kind)
            if provider is not None
            else clients.provider_at(clients.base_url(client), kind, self.settings)
        )
        copy: Client = clients.metered_copy(client, self.channels(found, made_with))
        return copy

    def _stop(self) -> bool:
        """Post what is queued, then tell what is left to be told. False: something had to be left in the spool."""
        try:
            return self.meter.close()
        finally:
            self.registry.close()
            self.signals.close()

    def _route(self, ask: Ask) -> Route:
        return route_of(self.settings, self._has_price, ask)

    def _tries(self, route: Route, ask: Ask) -> Tries:
        return trying(route, self._budget, random_of(ask, self._random))

    def _dispatch(self, prompt: Prompt, ask: Ask, route: Route, turn: Turn, call: UUID, *, stream: bool) -> Dispatch:
        ids = (call, turn.attempt)
        return dispatch(self.settings, self._has_price, prompt, asked(ask, route, turn), stream=stream, ids=ids)

    def _has_price(self, provider: str, model: str) -> bool:
        return self.book.find(provider, model, at=datetime.now(UTC)) is not None

    def _price_row(self, price_id: str) -> PriceRow:
        return PriceRow.of(self._prices[price_id])


@cache
def certificates() -> ssl.SSLContext:
    """The authorities that we trust, read once a process: it takes 70 ms, and applications make a client a tenant."""
    return httpx2.create_ssl_context()


def sync_inner() -> httpx2.BaseTransport:
    """The connections that we make ourselves; through a client of its own where the environment names proxies."""
    if getproxies():
        return ClientTransport(httpx2.Client(timeout=TIMEOUT, limits=LIMITS, verify=certificates()))
    return httpx2.HTTPTransport(limits=LIMITS, verify=certificates())


def async_inner() -> httpx2.AsyncBaseTransport:
    """The same for coroutines."""
    if getproxies():
        return AsyncClientTransport(httpx2.AsyncClient(timeout=TIMEOUT, limits=LIMITS, verify=certificates()))
    return httpx2.AsyncHTTPTransport(limits=LIMITS, verify=certificates())
