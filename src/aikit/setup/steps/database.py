"""The database: embedded, or at a URL; reachable, recent enough, and with the rights that are needed."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict

from aikit.database.connect import open_database
from aikit.errors import AIKitError, Exit
from aikit.setup.dotenv_file import read, values_of
from aikit.setup.looking import Found, Rights, look
from aikit.setup.model import Check, Place, Progress, Row
from aikit.setup.place import DATABASE_URL, short
from aikit.setup.steps.base import Looking, broken, missing, ok, warning
from aikit.setup.steps.keys import env_file, write_private

AGAIN = "aikit init"


class DatabaseStep(Looking):
    """Whether there is a database to keep the ledger in."""

    name = "database"
    title = "database"
    needs = ("files",)

    def look(self, place: Place) -> Check:
        url = place.choices.database_url
        if url is not None and place.environ.get(DATABASE_URL) not in (None, "", url):
            why = f"{DATABASE_URL} is set in the environment, too, which goes before .env."
            return broken(why, f"Run: unset {DATABASE_URL}", Exit.USAGE)
        try:
            found = look(place)
        except AIKitError as error:
            return broken(error.message, _way_out(place, error), error.exit)
        facts = {"where": found.where, "embedded": found.embedded, "running": found.running, "version": found.version}
        if not found.made:
            return missing("none yet", AGAIN, Exit.DATABASE, **facts)
        if not found.running:
            why = f"PostgreSQL {found.version} is stopped; it starts when it is needed"
            return warning(why, "aikit db upgrade", Exit.DATABASE, **facts)
        assert found.rights is not None
        if refused := _refused(found, found.rights):
            return broken(refused[0], refused[1], Exit.DATABASE, **facts)
        if url is not None and not _kept(place, url):
            return missing(f"{DATABASE_URL} not in .env yet", AGAIN, Exit.DATABASE, **facts)
        kind = "embedded PostgreSQL" if found.embedded else "PostgreSQL"
        return ok(f"{kind} {found.version}{'' if found.embedded else ', ' + found.where}", **facts)

    def describe(self, place: Place) -> list[Row]:
        settings, check = place.settings, self.check(place)
        if settings.database_url is None:
            will = f"will use the embedded PostgreSQL in {short(settings.data_dir)}" if check.state == "missing" else ""
            will = will or ("will start it" if check.facts.get("running") is False else "")
            return [Row("database", "none configured" if check.state == "missing" else check.why, "default", will)]
        kept = place.choices.database_url is None or _kept(place, place.choices.database_url)
        source = "--database-url" if place.choices.database_url else settings.sources["database.url"]
        where = str(check.facts.get("where", "can't be used"))
        return [Row("database", where, source, "" if kept else f"will write {DATABASE_URL} to .env")]

    def apply(self, place: Place, progress: Progress) -> None:
        """Start the embedded server, or keep the URL. Raises DatabaseError, ConfigError."""
        url = place.choices.database_url
        if url is not None:
            if not _kept(place, url):
                write_private(place, {DATABASE_URL: url})
        elif place.settings.database_url is None:
            progress("starting the embedded PostgreSQL")
            open_database(place.settings)


def _kept(place: Place, url: str) -> bool:
    return place.environ.get(DATABASE_URL) == url or values_of(read(env_file(place))).get(DATABASE_URL) == url


def _refused(found: Found, rights: Rights) -> tuple[str, str] | None:
    """What the role or the server does not allow, and how to change that."""
    quoted, database = _quoted(rights.role), _quoted(rights.database)
    if rights.standby:
        return f"{found.where} is a standby, which takes no writes.", "Name the primary, or all servers, in the URL."
    if rights.read_only:
        return (
            f"{found.where} is read-only for the role {rights.role}.",
            f"As its owner: ALTER ROLE {quoted} SET default_transaction_read_only = off;",
        )
    if rights.owner is None and not rights.create:
        return (
            f"The role {rights.role} may not create a schema in {rights.database}.",
            f"As the owner of the database: GRANT CREATE ON DATABASE {database} TO {quoted};",
        )
    if rights.owner is not None and not rights.owns and not rights.enters:
        return (
            f"The role {rights.role} may not use the schema aikit in {rights.database}.",
            f"As {rights.owner}: GRANT USAGE ON SCHEMA aikit TO {quoted}; "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA aikit TO {quoted};",
        )
    if rights.lacking:
        return (
            f"The role {rights.role} may not read and write {len(rights.lacking)} tables of aikit, "
            f"{rights.lacking[0]} for one.",
            f"As {rights.owner}: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA aikit TO {quoted};",
        )
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _way_out(place: Place, error: AIKitError) -> str:
    """What to do, by what libpq said; its words are in English for a lack of permission, too, or ours are general."""
    said, url = error.message, place.settings.database_url
    if url is None:
        return error.remedy
    try:
        parts = conninfo_to_dict(url)
    except Exception:
        return error.remedy
    host = f" -h {parts['host']}" if parts.get("host") else ""
    port = f" -p {parts['port']}" if parts.get("port") else ""
    if "does not exist" in said and "database" in said:
        return f"Make it: createdb{host}{port} {parts.get('dbname', '')}"
    if "password authentication failed" in said or "no password supplied" in said:
        return f"Correct the password: it comes from {place.settings.sources['database.url']}."
    if "Connection refused" in said or "could not connect" in said or "No such file" in said:
        return "Start that server, name another one (aikit init --database-url URL), or unset it for the embedded one."
    return error.remedy
