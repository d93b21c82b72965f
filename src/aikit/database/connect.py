"""The database of an installation: a URL, or the embedded server; and connections to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aikit.config import Settings
from aikit.database.stall import severed_after
from aikit.errors import ConfigError, DatabaseError, DatabaseUnavailable

if TYPE_CHECKING:
    import sqlalchemy as sa

OLDEST = 150000
"""PostgreSQL 15: the first with what the ledger's upserts and security need."""
CONNECT_SECONDS = 3
SOONER = 2
"""Seconds that a host has to answer when there is another one to try; libpq's least."""


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database. `conninfo` may carry a password and is never shown; `name` may be.

    With several hosts it is the one that takes writes, unless `target_session_attrs` says otherwise.
    """

    conninfo: str = field(repr=False)
    embedded: bool
    source: str

    @property
    def name(self) -> str:
        """`user@host:port/database`, all hosts if there are several, without secrets."""
        parts = conninfo_to_dict(self.conninfo)
        where = "embedded" if self.embedded else ",".join(_addresses(parts))
        return f"{parts.get('user') or 'default user'}@{where}/{parts.get('dbname') or 'default database'}"

    @property
    def fingerprint(self) -> str:
        """Tells databases apart, by where they are; a changed password makes no other database."""
        parts = conninfo_to_dict(self.conninfo)
        where = "|".join(str(parts.get(key)) for key in ("host", "hostaddr", "port", "dbname", "service"))
        return hashlib.sha256(where.encode()).hexdigest()[:16]

    def connect(self, *, role: str) -> psycopg.Connection[Any]:
        """A new connection in autocommit mode and UTC. Raises DatabaseUnavailable or DatabaseError."""
        conninfo = make_conninfo(self.conninfo, application_name=f"aikit {role}", **self._unless_given())
        try:
            connection = psycopg.connect(conninfo, autocommit=True)
            with severed_after(connection, CONNECT_SECONDS):
                connection.execute("SET timezone = 'UTC'")
        except psycopg.OperationalError as error:
            raise self.unavailable(error) from error
        if connection.info.server_version < OLDEST:
            version = connection.info.server_version // 10000
            connection.close()
            raise DatabaseError(
                f"{self.name} is PostgreSQL {version}; aikit needs 15 or later.", remedy="Upgrade the server."
            )
        return connection

    def engine(self) -> sa.Engine:
        """A SQLAlchemy engine for reads and migrations; one connection at a time, none kept."""
        import sqlalchemy as sa
        from sqlalchemy.pool import NullPool

        return sa.create_engine(
            "postgresql+psycopg://", creator=lambda: self._for_sqlalchemy(), poolclass=NullPool, future=True
        )

    def _for_sqlalchemy(self) -> psycopg.Connection[Any]:
        connection = self.connect(role="reads")
        connection.autocommit = False
        return connection

    def _unless_given(self) -> dict[str, Any]:
        given = conninfo_to_dict(self.conninfo)
        several = len(_addresses(given)) > 1
        wanted = {
            "connect_timeout": SOONER if several else CONNECT_SECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            **({"target_session_attrs": "read-write"} if several else {}),
        }
        return {key: value for key, value in wanted.items() if key not in given}

    def unavailable(self, error: psycopg.OperationalError) -> DatabaseUnavailable:
        """The error in our words: where, why, and what to do; without the password."""
        reason = " ".join(str(error).split())
        password = conninfo_to_dict(self.conninfo).get("password")
        if password:
            reason = reason.replace(str(password), "…")
        remedy = (
            "Run `aikit db status`."
            if self.embedded
            else "Check that the server runs and that the URL is right, or unset it to use the embedded PostgreSQL."
        )
        return DatabaseUnavailable(
            f"The database {self.name} (from {self.source}) can't be reached: {reason}.",
            facts={"database": self.name, "source": self.source},
            remedy=remedy,
        )


def _addresses(parts: Mapping[str, Any]) -> list[str]:
    """`host:port` of each server. One port is everybody's; a list of them has one for each host."""
    hosts = str(parts.get("host") or parts.get("hostaddr") or "localhost").split(",")
    ports = str(parts.get("port") or "").split(",")
    ports = ports if len(ports) == len(hosts) else ports * len(hosts)
    return [
        f"{host or 'localhost'}:{port}" if port else host or "localhost"
        for host, port in zip(hosts, ports, strict=False)
    ]


def open_database(settings: Settings) -> Database:
    """The configured database; without one the embedded server, started if need be.

    Raises ConfigError for a URL that libpq can't read, EmbeddedFailed if the embedded server can't be started.
    """
    if settings.database_url is None:
        from aikit.database.embedded import ensure

        return Database(ensure(settings.data_dir / "postgres"), True, "default")
    return named_database(settings.database_url, settings.sources["database.url"])


def named_database(url: str, source: str) -> Database:
    """The database at a URL or conninfo string. `postgresql+psycopg://` is accepted, as SQLAlchemy writes it.

    Raises ConfigError for one that can't be read, and for one in which part of the password would be taken for the host
    or the port, and be shown as such.
    """
    url = re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", url)
    address = re.match(r"\w+://([^/?#]*)(.*)", url, re.DOTALL)
    if address and (address[1].count("@") > 1 or "@" in address[2].split("?")[0]):
        raise ConfigError(
            f"The database URL from {source} can't be read: there is more than one @ before the host, or a / or # in "
            "the password.",
            remedy="In a password write %40 for @, %2F for / and %23 for #.",
        )
    try:
        ports = str(conninfo_to_dict(url).get("port") or "")
    except psycopg.Error:
        raise ConfigError(
            f"The database URL from {source} can't be read.",
            remedy="It looks like postgresql://user:password@host:5432/name.",
        ) from None
    if not re.fullmatch(r"[0-9,]*", ports):
        raise ConfigError(
            f"The database URL from {source} can't be read: its port is no number.",
            remedy="It looks like postgresql://user:password@host:5432/name.",
        )
    return Database(url, False, source)
