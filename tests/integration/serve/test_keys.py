"""Keys: for every request the ledger's word of this moment counts; a secret is nowhere but with its owner."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from aikit.database.connect import Database
from aikit.errors import ConfigError, MeteringUnavailable, RateLimited, Unauthorized
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.key_checks import RIGHTS
from aikit.ledger.keys import (
    SECRET,
    KeyState,
    NewKey,
    create_key,
    get_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from aikit.ledger.opening import prepare
from aikit.ledger.tenants import add_tenant
from aikit.serve.keys import LedgerKeyRing
from aikit.serve.model import Key, Right
from support.ledger import rows, tell
from support.proxy import Proxy

NO_KEY = "aik_live_" + "A" * 43


@pytest.fixture
def tenants(ledger: Database) -> Database:
    for tenant in ("acme", "beta"):
        add_tenant(ledger, tenant, uncapped=True)
    return ledger


@pytest.fixture
def make(tenants: Database) -> Callable[..., NewKey]:
    def made(tenant: str | None = "acme", rights: tuple[str, ...] = ("complete",), **rest: object) -> NewKey:
        return create_key(tenants, tenant=tenant, rights=rights, **{"environment": "prod", **rest})  # type: ignore[arg-type]

    return made


@pytest_asyncio.fixture
async def ring(tenants: Database) -> AsyncIterator[LedgerKeyRing]:
    made = LedgerKeyRing(tenants, prepare(tenants).secret, None)
    yield made
    await made.close()


@pytest.fixture
def way(tenants: Database) -> Iterator[Proxy]:
    with Proxy(tenants.conninfo) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def far_ring(way: Proxy, tenants: Database) -> AsyncIterator[LedgerKeyRing]:
    """A ring whose way to the ledger can be cut and stalled."""
    made = LedgerKeyRing(Database(way.dsn, False, "test"), prepare(tenants).secret, None)
    yield made
    await made.close()


def test_the_rights_of_the_ledger_are_those_of_the_server() -> None:
    assert {right.value for right in Right} == set(RIGHTS)


async def test_a_key_is_found_as_it_was_made(ring: LedgerKeyRing, make: Callable[..., NewKey]) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    rights = ("complete", "usage:read")
    made = make(rights=rights, user='ann "a\\b"', feature="chat", per_minute=600, expires_at=at, environment="staging")
    key = await ring.find(made.secret)
    assert key == Key(
        made.row.id,
        "acme",
        "staging",
        'ann "a\\b"',
        "chat",
        frozenset({Right.COMPLETE, Right.USAGE_READ}),
        600,
        at,
    )


@pytest.mark.parametrize(("environment", "kind"), [("prod", "live"), ("staging", "test"), ("dev", "test")])
def test_a_secret_says_where_it_belongs(make: Callable[..., NewKey], environment: str, kind: str) -> None:
    made = make(environment=environment)
    assert SECRET.fullmatch(made.secret)
    assert made.secret.startswith(f"aik_{kind}_")
    assert made.row.id.startswith("key_")
    assert made.secret not in repr(made)


def test_a_secret_is_nowhere_in_the_database(make: Callable[..., NewKey], tenants: Database) -> None:
    made = make(name="ci", user="ann")
    rotated = rotate_key(tenants, made.row.id, why="yearly")
    revoke_key(tenants, rotated.row.id, why="lost")
    kept = json.dumps([rows(tenants, f"SELECT * FROM aikit.{table}") for table in ("api_keys", "audit")], default=str)
    hashes = [bytes(found) for (found,) in rows(tenants, "SELECT hash FROM aikit.api_keys")]
    assert hashes
    for secret in (made.secret, rotated.secret):
        body = secret.removeprefix("aik_live_")
        assert body not in kept
        assert body[:20] not in kept
        assert secret.encode().hex() not in kept
    assert all(found.hex() not in str(rows(tenants, "SELECT * FROM aikit.audit")) for found in hashes)


def test_all_that_happens_to_a_key_is_on_the_record(make: Callable[..., NewKey], tenants: Database) -> None:
    first = make(name="ci", who="ann", why="for the pipeline")
    second = rotate_key(tenants, first.row.id, who="bob", why="yearly")
    assert revoke_key(tenants, second.row.id, who="eve", why="lost")
    assert not revoke_key(tenants, second.row.id, who="eve")
    changes = list_audit(tenants, action="key")
    assert [(row.action, row.subject, row.who, row.why, row.tenant) for row in changes] == [
        ("key.revoke", second.row.id, "eve", "lost", "acme"),
        ("key.rotate", first.row.id, "bob", "yearly", "acme"),
        ("key.create", first.row.id, "ann", "for the pipeline", "acme"),
    ]
    assert changes[1].after["replaced_by"] == second.row.id
    assert verify_audit(tenants).ok
    revoked = get_key(tenants, second.row.id)
    assert (revoked.state, revoked.revoked_by, revoked.revoked_why) == (KeyState.REVOKED, "eve", "lost")


@pytest.mark.parametrize(
    "secret",
    ["", "sk-proj-abc", "aik_live_short", "aik_prod_" + "A" * 43, NO_KEY + "\n", "aik_live_" + "ä" * 43, "\0" * 52],
)
async def test_what_is_no_key_is_refused_and_nobody_is_asked(secret: str, tenants: Database) -> None:
    ring = LedgerKeyRing(Database("host=/nowhere", False, "test"), b"salt", None)
    with pytest.raises(Unauthorized) as refused:
        await ring.find(secret)
    assert refused.value.status == 401
    await ring.close()


async def test_whoever_asks_can_not_tell_an_unknown_key_from_one_that_was_revoked_or_expired(
    ring: LedgerKeyRing, make: Callable[..., NewKey], tenants: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="aikit.serve")
    revoked, expired = make(), make()
    revoke_key(tenants, revoked.row.id)
    tell(tenants, f"UPDATE aikit.api_keys SET expires_at = now() WHERE id = '{expired.row.id}'")
    told = set()
    for secret in (NO_KEY, revoked.secret, expired.secret):
        with pytest.raises(Unauthorized) as refused:
            await ring.find(secret)
        error = refused.value
        told.add((str(error), error.code, error.status, str(error.facts), error.retry_after))
    assert len(told) == 1
    assert f"key {revoked.row.id} was refused: it is revoked" in caplog.text
    assert f"key {expired.row.id} was refused: it is expired" in caplog.text
    assert not any(secret in caplog.text for secret in (NO_KEY, revoked.secret, expired.secret))


async def test_a_revoked_key_is_refused_by_the_next_request_everywhere(
    tenants: Database, make: Callable[..., NewKey]
) -> None:
    salt = prepare(tenants).secret
    everywhere = [LedgerKeyRing(tenants, salt, None) for _ in range(4)]
    made = make()
    for ring in everywhere:
        assert (await ring.find(made.secret)).id == made.row.id
    await asyncio.to_thread(revoke_key, tenants, made.row.id)
    for ring in everywhere:
        with pytest.raises(Unauthorized):
            await ring.find(made.secret)
        await ring.close()


async def test_under_load_no_request_that_starts_after_a_revocation_gets_through(
    ring: LedgerKeyRing, make: Callable[..., NewKey], tenants: Database
) -> None:
    made = make()
    revoked_at = float("inf")
    last_allowed = 0.0
    refused = 0

    async def ask() -> None:
        nonlocal last_allowed, refused
        while refused < 200:
            began = time.monotonic()
            try:
                await ring.find(made.secret)
                last_allowed = max(last_allowed, began)
            except Unauthorized:
                refused += 1

    askers = [asyncio.create_task(ask()) for _ in range(50)]
    await asyncio.sleep(0.2)
    await asyncio.to_thread(revoke_key, tenants, made.row.id)
    revoked_at = time.monotonic()
    await asyncio.gather(*askers)
    assert 0 < last_allowed <= revoked_at


async def test_a_rotated_key_works_on_for_its_overlap_and_the_new_one_at_once(
    ring: LedgerKeyRing, make: Callable[..., NewKey], tenants: Database
) -> None:
    old = make(user="ann", rights=("complete", "evaluate"), per_minute=1000)
    new = rotate_key(tenants, old.row.id, overlap=timedelta(hours=1))
    assert new.secret != old.secret
    before, after = await ring.find(old.secret), await ring.find(new.secret)
    assert (before.id, after.id) == (old.row.id, new.row.id)
    assert (after.tenant, after.user, after.rights, after.per_minute) == (
        before.tenant,
        before.user,
        before.rights,
        before.per_minute,
    )
    assert new.row.replaces == old.row.id
    assert get_key(tenants, old.row.id).state is KeyState.ROTATED
    tell(tenants, f"UPDATE aikit.api_keys SET until = now() WHERE id = '{old.row.id}'")
    with pytest.raises(Unauthorized):
        await ring.find(old.secret)
    assert (await ring.find(new.secret)).id == new.row.id


async def test_without_an_overlap_the_old_key_ends_at_once(
    ring: LedgerKeyRing, make: Callable[..., NewKey], tenants: Database
) -> None:
    old = make()
    new = rotate_key(tenants, old.row.id, overlap=timedelta(0))
    with pytest.raises(Unauthorized):
        await ring.find(old.secret)
    assert (await ring.find(new.secret)).id == new.row.id
    assert [row.id for row in list_keys(tenants)] == [new.row.id]
    assert {row.id for row in list_keys(tenants, all=True)} == {old.row.id, new.row.id}


def test_a_key_is_rotated_once(make: Callable[..., NewKey], tenants: Database) -> None:
    old = make()
    rotate_key(tenants, old.row.id)
    with pytest.raises(ConfigError, match="is rotated, and can't be rotated"):
        rotate_key(tenants, old.row.id)


def test_a_key_of_another_tenant_is_not_there(make: Callable[..., NewKey], tenants: Database) -> None:
    made = make("acme")
    for act in (get_key, rotate_key, revoke_key):
        with pytest.raises(ConfigError, match="There is no key"):
            act(tenants, made.row.id, tenant="beta")  # type: ignore[operator]
    assert get_key(tenants, made.row.id, tenant="acme").works
    assert list_keys(tenants, tenant="beta") == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tenant": "nobody"}, "nobody"),
        ({"rights": ()}, "no key"),
        ({"rights": ("fly",)}, "'fly' is no right"),
        ({"environment": "moon"}, "environment"),
        ({"user": "a\nb"}, "user"),
        ({"feature": "x" * 300}, "feature"),
        ({"per_minute": 0}, "0 times a minute"),
        ({"name": "a\tb"}, "name of a key"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "is over"),
        ({"expires_at": datetime(2030, 1, 1)}, "without a time zone"),
        ({"tenant": None, "rights": ("usage:read",)}, "operator"),
        ({"tenant": None, "rights": ("admin", "complete")}, "operator"),
        ({"tenant": None, "rights": ("admin",), "user": "ann"}, "operator"),
    ],
)
def test_a_key_that_can_not_be_is_refused(make: Callable[..., NewKey], given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(**given)


async def test_an_operator_has_a_key_without_a_tenant(ring: LedgerKeyRing, make: Callable[..., NewKey]) -> None:
    key = await ring.find(make(None, ("admin", "usage:read")).secret)
    assert (key.tenant, key.rights) == (None, {Right.ADMIN, Right.USAGE_READ})


async def test_requests_that_wait_share_one_question(
    ring: LedgerKeyRing, make: Callable[..., NewKey], tenants: Database
) -> None:
    made = [make() for _ in range(10)]
    await ring.find(made[0].secret)
    asked = 0
    ask = ring._line.ask

    async def counted(name: str, parameters: list[bytes]) -> object:
        nonlocal asked
        asked += 1
        return await ask(name, parameters)

    ring._line.ask = counted  # type: ignore[assignment, method-assign]
    found = await asyncio.gather(*[ring.find(made[number % 10].secret) for number in range(500)])
    assert [key.id for key in found] == [made[number % 10].row.id for number in range(500)]
    assert asked == 1


async def test_a_request_that_gives_up_waiting_takes_nobody_along(
    ring: LedgerKeyRing, make: Callable[..., NewKey]
) -> None:
    made = make()
    waiting = [asyncio.create_task(ring.find(made.secret)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in found[::2])
    assert {one.id for one in found[1::2] if isinstance(one, Key)} == {made.row.id}


@pytest.mark.parametrize("trouble", ["cut", "stall"])
async def test_a_ledger_that_is_away_is_told_within_two_seconds_and_comes_back_by_itself(
    way: Proxy, far_ring: LedgerKeyRing, make: Callable[..., NewKey], trouble: str
) -> None:
    made = make()
    await far_ring.find(made.secret)
    getattr(way, trouble)()
    began = time.monotonic()
    answers = await asyncio.gather(*[far_ring.find(made.secret) for _ in range(50)], return_exceptions=True)
    assert time.monotonic() - began < 2.5
    assert all(isinstance(one, MeteringUnavailable) for one in answers)
    assert {(one.status, one.retry_after) for one in answers if isinstance(one, MeteringUnavailable)} == {(503, 1.0)}
    assert made.secret not in str(answers)
    way.restore()
    assert (await far_ring.find(made.secret)).id == made.row.id


async def test_a_ledger_that_was_silent_from_the_start_is_told_in_time_and_found_when_it_answers(
    way: Proxy, far_ring: LedgerKeyRing, make: Callable[..., NewKey]
) -> None:
    made = make()
    way.stall()
    began = time.monotonic()
    with pytest.raises(MeteringUnavailable):
        await far_ring.find(made.secret)
    assert time.monotonic() - began < 2.5
    way.restore()
    while time.monotonic() - began < 20:
        try:
            key = await far_ring.find(made.secret)
            break
        except MeteringUnavailable:
            continue
    assert key.id == made.row.id


async def test_whoever_comes_while_others_wait_for_a_silent_ledger_waits_no_longer_than_they(
    way: Proxy, far_ring: LedgerKeyRing, make: Callable[..., NewKey]
) -> None:
    made = make()
    await far_ring.find(made.secret)
    way.stall()
    began = time.monotonic()
    waiting = []
    for _ in range(10):
        waiting.append(asyncio.create_task(far_ring.find(made.secret)))
        await asyncio.sleep(0.1)
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, MeteringUnavailable) for one in answers)
    assert time.monotonic() - began < 2.5


async def test_a_restarted_ledger_is_noticed_by_nobody(
    ring: LedgerKeyRing, make: Callable[..., NewKey], tenants: Database
) -> None:
    made = make()
    await ring.find(made.secret)
    tell(
        tenants,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'aikit keys' AND datname = current_database()",
    )
    assert (await ring.find(made.secret)).id == made.row.id


async def test_a_closed_ring_leaves_no_connection(tenants: Database, make: Callable[..., NewKey]) -> None:
    ring = LedgerKeyRing(tenants, prepare(tenants).secret, None)
    made = make()
    await ring.find(made.secret)
    await ring.close()
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aikit keys' AND datname = current_database()"
    )
    for _ in range(50):
        if rows(tenants, ours) == [(0,)]:
            break
        await asyncio.sleep(0.05)
    assert rows(tenants, ours) == [(0,)]


async def test_a_key_that_is_used_too_often_waits_for_the_next_minute(
    ring: LedgerKeyRing, make: Callable[..., NewKey], tenants: Database
) -> None:
    made = make(per_minute=5)
    await _minute_has(tenants, 10)
    answers = await asyncio.gather(*[ring.find(made.secret) for _ in range(8)], return_exceptions=True)
    limited = [one for one in answers if isinstance(one, RateLimited)]
    assert len(limited) == 3
    assert len([one for one in answers if isinstance(one, Key)]) == 5
    assert all(0 < (one.retry_after or 0) <= 60 for one in limited)
    assert limited[0].code == "MINUTE_REQUEST_LIMIT_EXCEEDED"
    tell(tenants, "UPDATE aikit.key_minutes SET minute = minute - interval '1 minute'")
    with pytest.raises(RateLimited):  # until the minute is over nobody need be asked
        await ring.find(made.secret)


async def _minute_has(database: Database, seconds: int) -> None:
    """Wait until so much of the ledger's minute is left."""
    while True:
        ((left,),) = rows(database, "SELECT 60 - extract(second FROM clock_timestamp())::float8")
        if left >= seconds:
            return
        await asyncio.sleep(left + 0.1)
