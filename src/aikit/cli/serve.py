"""`aikit serve`: an HTTP server in front of the providers, and decisions for other languages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.output import line, note
from aikit.errors import ConfigError

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.database.connect import Database
    from aikit.serve.model import ServeOptions

MEGABYTE = 1024 * 1024
FIRST = "first"
"""The name of the key that is made where there is none."""
TENANT = "default"
CAP_USD = "5.00"
RIGHTS = ("complete", "evaluate", "usage:read")


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any that is free.")] = 8410,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; one for each core that it may use.")] = 1,
    max_body_mb: Annotated[int, typer.Option(min=1, max=1_024, help="Larger requests are refused.")] = 32,
    max_bodies_mb: Annotated[
        int, typer.Option(min=1, max=1_048_576, help="Of all requests of a worker together; others hear 503.")
    ] = 128,
    head_seconds: Annotated[
        float, typer.Option(min=1, max=600, help="Requests whose head takes longer are refused.")
    ] = 10.0,
    body_seconds: Annotated[
        float, typer.Option(min=1, max=600, help="Requests that take longer to arrive are refused.")
    ] = 30.0,
    take_seconds: Annotated[
        float, typer.Option(min=1, max=3_600, help="Who takes nothing of an answer for so long is taken for gone.")
    ] = 60.0,
    max_running: Annotated[int, typer.Option(min=1, max=100_000, help="Requests at once, for each worker.")] = 256,
    max_waiting: Annotated[
        int, typer.Option(min=0, max=100_000, help="Requests that wait for a place; others hear 503.")
    ] = 512,
    drain_seconds: Annotated[
        float, typer.Option(min=1, max=3_600, help="After SIGTERM, for answers that are under way.")
    ] = 30.0,
    tls_certificate: Annotated[Path | None, typer.Option(metavar="PEM", help="Serve HTTPS with it.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="The certificate's key.")] = None,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Whose X-Forwarded headers are believed; repeatable.")
    ] = None,
) -> None:
    """Serve the APIs of OpenAI, Anthropic and Gemini, metered and capped, and decisions without dispatch.

    Callers send a key of `aikit key create` instead of the provider's. Where there is none yet, the first one is made
    and shown once.
    """
    from aikit.serve.model import ServeOptions

    options = ServeOptions(
        host=host,
        port=port,
        workers=workers,
        most_body=max_body_mb * MEGABYTE,
        most_bodies=max_bodies_mb * MEGABYTE,
        head_seconds=head_seconds,
        body_seconds=body_seconds,
        take_seconds=take_seconds,
        most_running=max_running,
        most_waiting=max_waiting,
        drain_seconds=drain_seconds,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        trusted_proxies=tuple(trusted_proxy or ()),
    )
    _run(options)


def _run(options: ServeOptions) -> None:
    from aikit.config import load

    try:
        from aikit.serve.running import check, listening, run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The server needs {error.name}, which is not installed.", remedy="pip install 'aikit[serve]'"
        ) from None
    settings = load()
    check(options)
    with listening(options) as sockets:
        first = first_key(settings)  # not before there is a port: a key that nobody is shown is lost
        _announce(options, sockets[0].getsockname()[1], settings, first)
        code = run(options, sockets)
    if code:
        raise typer.Exit(code)


def first_key(settings: Settings) -> str | None:
    """The secret of a new key, where the ledger has none yet. Of servers that start at once, one makes it.

    Raises ConfigError, or DatabaseError when the ledger can't be reached or its schema is behind.
    """
    from aikit.cli.books import open_configured
    from aikit.ledger.keys import list_keys
    from aikit.ledger.locks import FIRST_START
    from aikit.ledger.opening import prepare

    database = open_configured(settings)
    prepare(database)
    with database.connect(role="serve") as connection:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", FIRST_START)
        return None if list_keys(database, all=True) else _made(database, settings.environment)


def _made(database: Database, environment: str) -> str:
    """The secret of a key for the tenant `default`, which gets a cap if it has no limit."""
    from aikit.ledger.keys import create_key
    from aikit.ledger.limits import list_limits
    from aikit.ledger.tenants import add_tenant, set_limit
    from aikit.money import parse_usd
    from aikit.policy.model import StatedLimit
    from aikit.types import Metric, Window

    why = "the first start of aikit serve"
    add_tenant(database, TENANT, why=why)
    if not list_limits(database, TENANT):
        cap = StatedLimit(Metric.CREDITS, Window.DAY, cap=parse_usd(CAP_USD))
        set_limit(database, TENANT, cap, why=why)
        note(f"The tenant {TENANT} may spend ${CAP_USD} a day: aikit limit set --tenant {TENANT} changes it.")
    return create_key(database, tenant=TENANT, environment=environment, rights=RIGHTS, name=FIRST, why=why).secret


def _announce(options: ServeOptions, port: int, settings: Settings, first: str | None) -> None:
    scheme = "https" if options.tls_certificate else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"{scheme}://{host}:{port}"
    note(f"aikit serve on {url}" + (f", {options.workers} workers" if options.workers > 1 else ""))
    note(f'  openai.OpenAI(base_url="{url}/v1", api_key="aik_…")')
    note(f'  anthropic.Anthropic(base_url="{url}", api_key="aik_…")')
    ready = [name for name, provider in settings.providers.items() if provider.configured]
    none = "none has a key yet: set one, such as OPENAI_API_KEY, and start again"
    note(f"  providers: {', '.join(ready) or none}")
    if first is not None:
        note("The first key. It is shown this once; keep it:")
        line(first)
