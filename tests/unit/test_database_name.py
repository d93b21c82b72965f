"""How a database is named to people, and how it is connected to, when there is more than one server."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from aikit.database.connect import named_database
from aikit.errors import ConfigError, DatabaseUnavailable

NAMES = {
    "postgresql://app:secret@db.example.com:5432/shop": "app@db.example.com:5432/shop",
    "postgresql://app:secret@a.example:5432,b.example:6432/shop": "app@a.example:5432,b.example:6432/shop",
    "postgresql://app@a.example.com,b.example.com/shop": "app@a.example.com,b.example.com/shop",
    "host=a,b port=6432 dbname=shop user=app": "app@a:6432,b:6432/shop",
    "host=/run/a,/run/b port=5432,5433 dbname=shop user=app": "app@/run/a:5432,/run/b:5433/shop",
    "hostaddr=10.0.0.1,10.0.0.2 dbname=shop user=app": "app@10.0.0.1,10.0.0.2/shop",
    "dbname=shop": "default user@localhost/shop",
}


@pytest.mark.parametrize(("url", "name"), NAMES.items())
def test_a_database_is_named_by_all_its_servers_and_no_secret(url: str, name: str) -> None:
    assert named_database(url, "test").name == name


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:p@SECRET@host/shop",
        "postgresql://app:p/SECRET@host/shop",
        "postgresql://app:p#SECRET@host/shop",
        "postgresql://app:SECRET/shop",
        "postgres+psycopg://app:p@SECRET@host/shop",
    ],
)
def test_no_part_of_a_password_is_taken_for_the_host_and_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        named_database(url, "DATABASE_URL")
    assert "SECRET" not in f"{caught.value} {caught.value.facts}"


def connected_with(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What libpq is asked for."""
    asked = []

    def connect(conninfo: str, **_: Any) -> psycopg.Connection[Any]:
        asked.append(conninfo)
        raise psycopg.OperationalError("not here")

    monkeypatch.setattr(psycopg, "connect", connect)
    with pytest.raises(DatabaseUnavailable):
        named_database(url, "test").connect(role="test")
    return conninfo_to_dict(asked[0])


def test_of_several_servers_the_one_that_takes_writes_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = connected_with("postgresql://a,b/shop", monkeypatch)
    assert (asked["target_session_attrs"], asked["connect_timeout"]) == ("read-write", "2")


def test_what_the_url_says_about_the_choice_of_server_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = connected_with("postgresql://a,b/shop?target_session_attrs=any&connect_timeout=9", monkeypatch)
    assert (asked["target_session_attrs"], asked["connect_timeout"]) == ("any", "9")


def test_a_single_server_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "target_session_attrs" not in connected_with("postgresql://a/shop", monkeypatch)
