"""`aikit key`."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from aikit.database.connect import Database
from aikit.ledger.keys import SECRET, KeyState, get_key
from integration.cli.conftest import SCRIPT, Cli
from support.ledger import rows

VAULT = "A" * 43 + "="
OPENAI = "sk-proj-0123456789abcdefghij-TAIL"


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("tenant", "add", "acme", "--uncapped")
    return cli


def made(cli: Cli, *options: str) -> dict[str, object]:
    return dict(cli("key", "create", "--tenant", "acme", *options, "--json").json("aikit.key.create/1")["data"])


def piped(cli: Cli, text: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **cli.environ, **environ}
    return subprocess.run(
        [SCRIPT, *arguments], input=text, env=environment, cwd=cli.folder, capture_output=True, text=True, timeout=60
    )


def test_the_secret_alone_is_on_stdout_and_the_words_are_on_stderr(acme: Cli) -> None:
    ended = acme.ok("key", "create", "--tenant", "acme", "--env", "prod", "--scope", "complete,usage:read")
    assert SECRET.fullmatch(ended.out.removesuffix("\n"))
    assert ended.out.startswith("aik_live_")
    assert ended.out.strip() not in ended.err
    assert "of acme in prod: complete, usage:read" in ended.err
    assert "not shown again" in ended.err


def test_a_key_has_what_it_was_given(acme: Cli) -> None:
    key = made(
        acme,
        *("--env", "staging", "--scope", "complete, evaluate", "--admin", "--user", "ann", "--feature", "chat"),
        *("--expires", "90d", "--per-minute", "60", "--name", "ci"),
    )
    shown = acme("key", "show", str(key["id"]), "--json").json("aikit.key.show/1")["data"]
    secret = str(key.pop("secret"))
    assert secret.startswith("aik_test_")
    assert shown == key
    assert (shown["tenant"], shown["environment"], shown["user"], shown["feature"], shown["name"]) == (
        *("acme", "staging", "ann", "chat", "ci"),
    )
    assert (shown["rights"], shown["per_minute"], shown["state"]) == (["complete", "evaluate", "admin"], 60, "active")
    ends = datetime.fromisoformat(shown["expires_at"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=5)
    text = acme.ok("key", "show", str(key["id"])).out
    assert "complete, evaluate, admin" in text
    assert secret not in text


def test_a_list_shows_no_secret_and_with_all_those_that_are_over(acme: Cli) -> None:
    first, second = made(acme, "--scope", "complete", "--name", "one"), made(acme, "--scope", "complete")
    assert acme.ok("key", "revoke", str(first["id"]), "--reason", "lost").out == f"{first['id']}: revoked\n"
    assert acme.ok("key", "revoke", str(first["id"])).out == f"{first['id']}: was revoked before\n"
    assert [row["id"] for row in acme.data("key", "list")] == [second["id"]]
    everything = acme("key", "list", "--all", "--json")
    assert {row["state"] for row in everything.json("aikit.key.list/1")["data"]} == {"active", "revoked"}
    for secret in (first["secret"], second["secret"]):
        assert str(secret) not in everything.out + acme.ok("key", "list", "--all").out
    assert acme.data("key", "list", "--tenant", "nobody") == []
    assert [row["why"] for row in acme.data("audit", "list", "--action", "key.revoke")] == ["lost"]


def test_a_rotated_key_works_on_and_with_no_overlap_it_does_not(acme: Cli, ledger: Database) -> None:
    first = str(made(acme, "--scope", "complete")["id"])
    ended = acme.ok("key", "rotate", first, "--overlap", "2h")
    assert SECRET.fullmatch(ended.out.strip())
    assert f"{first} works on for 2h" in ended.err
    old = get_key(ledger, first)
    assert old.state is KeyState.ROTATED
    assert old.until is not None
    assert timedelta(hours=1.9) < old.until - datetime.now(UTC) < timedelta(hours=2.1)
    second = next(row["id"] for row in acme.data("key", "list") if row["replaces"] == first)
    assert f"{second} ends now" in acme.ok("key", "rotate", second, "--overlap", "0").err
    assert get_key(ledger, second).state is KeyState.EXPIRED
    again = acme("key", "rotate", second)
    assert (again.code, again.out) == (2, "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tenant", "acme"), "at least one right"),
        (("--tenant", "nobody", "--scope", "complete"), "nobody"),
        (("--scope", "complete"), "operator"),
        (("--tenant", "acme", "--scope", "complete", "--env", "moon"), "environment"),
        (("--tenant", "acme", "--scope", "complete", "--expires", "soon"), "not a time"),
        (("--tenant", "acme", "--scope", "complete", "--expires", "2020-01-01"), "is over"),
        (("--tenant", "acme", "--scope", "complete", "--per-minute", "0"), "0 times a minute"),
    ],
)
def test_a_key_that_can_not_be_made_is_told_and_nothing_is_on_stdout(
    acme: Cli, options: tuple[str, ...], words: str
) -> None:
    ended = acme("key", "create", *options)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert acme.data("key", "list", "--all") == []


def test_an_unknown_id_is_told(acme: Cli) -> None:
    for command in ("show", "rotate", "revoke"):
        ended = acme("key", command, "key_nothing")
        assert (ended.code, ended.out) == (2, "")
        assert "There is no key with the id 'key_nothing'" in ended.err


def test_an_operator_has_a_key_without_a_tenant(acme: Cli) -> None:
    assert "of an operator: admin" in acme.ok("key", "create", "--admin").err


def test_a_key_to_a_provider_comes_from_stdin_and_is_nowhere_readable(acme: Cli, ledger: Database) -> None:
    where = ("openai", "--tenant", "acme", "--env", "prod")
    stored = piped(acme, OPENAI + "\n", "key", "provider", "set", *where, AIKIT_ENCRYPTION_KEY=VAULT)
    assert (stored.returncode, stored.stdout) == (0, "acme, openai in prod: stored\n")
    assert OPENAI not in stored.stdout + stored.stderr
    (row,) = acme.data("key", "provider", "list")
    assert (row["provider"], row["environment"], row["last4"]) == ("openai", "prod", "TAIL")
    kept = json.dumps(
        [rows(ledger, f"SELECT * FROM aikit.{table}") for table in ("provider_keys", "audit")], default=str
    )
    assert OPENAI not in kept
    assert OPENAI.encode().hex() not in kept
    again = piped(acme, OPENAI, "key", "provider", "set", *where, AIKIT_ENCRYPTION_KEY=VAULT)
    assert again.stdout == "acme, openai in prod: replaced\n"
    assert acme.ok("key", "provider", "remove", *where).out == "acme, openai in prod: removed\n"
    assert acme("key", "provider", "remove", *where).code == 1
    actions = [row["action"] for row in acme.data("audit", "list", "--action", "provider_key")]
    assert actions == ["provider_key.remove", "provider_key.set", "provider_key.set"]


def test_without_a_key_to_encrypt_with_nothing_is_stored(acme: Cli, ledger: Database) -> None:
    refused = piped(acme, OPENAI, "key", "provider", "set", "openai", "--tenant", "acme")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "AIKIT_ENCRYPTION_KEY" in refused.stderr
    assert OPENAI not in refused.stderr
    assert rows(ledger, "SELECT count(*) FROM aikit.provider_keys") == [(0,)]


@pytest.mark.parametrize("text", ["", "two words", "kéy", "x" * 5000])
def test_what_can_not_be_a_key_is_refused_and_not_shown(acme: Cli, text: str) -> None:
    refused = piped(acme, text, "key", "provider", "set", "openai", "--tenant", "acme", AIKIT_ENCRYPTION_KEY=VAULT)
    assert refused.returncode == 2
    assert "can't be a key to openai" in refused.stderr
    assert not text or text not in refused.stderr


def test_a_provider_that_nobody_knows_is_told(acme: Cli) -> None:
    refused = piped(acme, OPENAI, "key", "provider", "set", "opneai", "--tenant", "acme", AIKIT_ENCRYPTION_KEY=VAULT)
    assert refused.returncode == 2
    assert "There is no provider 'opneai'" in refused.stderr
