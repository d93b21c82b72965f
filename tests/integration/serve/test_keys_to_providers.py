"""Tenants' own keys to providers: read by the ring, sealed in the ledger, and never another's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aikit.database.connect import Database
from aikit.errors import ConfigError, MeteringUnavailable
from aikit.ledger.opening import prepare
from aikit.ledger.provider_keys import list_provider_keys, remove_provider_key, set_provider_key
from aikit.ledger.tenants import add_tenant
from aikit.safe import Safe
from aikit.serve import keys
from aikit.serve.keys import LedgerKeyRing
from support.ledger import rows

FIRST, SECOND = "A" * 43 + "=", "B" * 43 + "="
KEY = "sk-0123456789-of-acme-ünique".replace("ü", "u")
HERE = {"tenant": "acme", "environment": "prod", "provider": "openai"}


@pytest.fixture
def tenants(ledger: Database) -> Database:
    for tenant in ("acme", "beta"):
        add_tenant(ledger, tenant, uncapped=True)
    return ledger


@pytest_asyncio.fixture
async def ring(tenants: Database) -> AsyncIterator[LedgerKeyRing]:
    made = LedgerKeyRing(tenants, prepare(tenants).secret, Safe([FIRST]))
    yield made
    await made.close()


async def test_a_key_is_its_tenants_in_its_environment_to_its_provider(ring: LedgerKeyRing, tenants: Database) -> None:
    set_provider_key(tenants, Safe([FIRST]), **HERE, key=KEY)
    asked = [
        ring.provider_key(tenant, environment, provider)
        for tenant in ("acme", "beta")
        for environment in ("prod", "dev")
        for provider in ("openai", "anthropic")
    ]
    assert await asyncio.gather(*asked) == [KEY, *[None] * 7]


async def test_what_is_stored_is_sealed(tenants: Database) -> None:
    set_provider_key(tenants, Safe([FIRST]), **HERE, key=KEY)
    ((sealed, last4),) = rows(tenants, "SELECT sealed, last4 FROM aikit.provider_keys")
    assert KEY.encode() not in bytes(sealed)
    assert last4 == KEY[-4:]
    assert KEY not in str(rows(tenants, "SELECT * FROM aikit.audit"))
    set_provider_key(tenants, Safe([FIRST]), **{**HERE, "provider": "gemini"}, key="short-key")
    assert {row.provider: row.last4 for row in list_provider_keys(tenants)} == {"openai": KEY[-4:], "gemini": ""}


async def test_a_change_is_noticed_within_two_seconds(
    ring: LedgerKeyRing, tenants: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.REMEMBERED == 2
    monkeypatch.setattr(keys, "REMEMBERED", 0.2)
    assert await ring.provider_key(**HERE) is None
    await asyncio.to_thread(set_provider_key, tenants, Safe([FIRST]), **HERE, key=KEY)
    await asyncio.sleep(0.25)
    assert await ring.provider_key(**HERE) == KEY
    assert await asyncio.to_thread(remove_provider_key, tenants, **HERE)
    await asyncio.sleep(0.25)
    assert await ring.provider_key(**HERE) is None


async def test_a_key_can_be_opened_after_the_key_that_seals_was_changed(tenants: Database) -> None:
    set_provider_key(tenants, Safe([FIRST]), **HERE, key=KEY)
    ring = LedgerKeyRing(tenants, prepare(tenants).secret, Safe([SECOND, FIRST]))
    assert await ring.provider_key(**HERE) == KEY
    await ring.close()


@pytest.mark.parametrize("safe", [None, Safe([SECOND])])
async def test_a_key_that_can_not_be_opened_is_an_error_and_not_the_servers_own_instead(
    tenants: Database, safe: Safe | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    set_provider_key(tenants, Safe([FIRST]), **HERE, key=KEY)
    ring = LedgerKeyRing(tenants, prepare(tenants).secret, safe)
    with pytest.raises(MeteringUnavailable) as refused:
        await ring.provider_key(**HERE)
    assert (refused.value.code, refused.value.retryable) == ("PROVIDER_KEY_SEALED", False)
    assert "AIKIT_ENCRYPTION_KEY" in refused.value.remedy
    assert "the key of acme (prod) to openai can't be decrypted" in caplog.text
    assert KEY not in caplog.text + str(refused.value)
    await ring.close()


def test_nothing_is_stored_readably(tenants: Database) -> None:
    with pytest.raises(ConfigError, match="not stored readably") as refused:
        set_provider_key(tenants, None, **HERE, key=KEY)
    assert KEY not in str(refused.value)
    with pytest.raises(ConfigError, match="not the name"):
        set_provider_key(tenants, Safe([FIRST]), **{**HERE, "provider": "Open AI"}, key=KEY)
    with pytest.raises(ConfigError, match="nobody"):
        set_provider_key(tenants, Safe([FIRST]), **{**HERE, "tenant": "nobody"}, key=KEY)
    assert list_provider_keys(tenants) == []
