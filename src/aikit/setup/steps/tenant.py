"""The tenant that calls are made for to begin with, and a cap that nobody regrets."""

from __future__ import annotations

from aikit.database.connect import Database, open_database
from aikit.errors import ConfigError, DatabaseUnavailable, Exit
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.policies import apply, read_policies
from aikit.ledger.tenants import add_tenant, list_tenants, set_limit
from aikit.money import format_usd, parse_usd
from aikit.policy.file import read_policies as read_file
from aikit.policy.model import StatedLimit
from aikit.setup.looking import ready
from aikit.setup.model import Check, Place, Progress, Row
from aikit.setup.project_files import POLICIES
from aikit.setup.steps.base import Looking, missing, ok, warning
from aikit.types import Action, Metric, Window

WHY = "aikit init"


class Tenant(Looking):
    """A tenant that is known and whose spending is capped."""

    name = "tenant"
    title = "safe cap"
    needs = ("files", "migrations")

    def look(self, place: Place) -> Check:
        database = ready(place)
        if database is None:
            return missing("not known before the database is ready", WHY, Exit.DATABASE)
        return self._of(database, place)

    def _of(self, database: Database, place: Place) -> Check:
        tenant, wanted = place.choices.tenant, parse_usd(place.choices.cap_usd)
        known = next((row for row in list_tenants(database) if row.tenant == tenant), None)
        if known is None:
            return missing("none", f"aikit tenant add {tenant}", tenant=tenant)
        limits = list_limits(database, tenant)
        money = [row for row in limits if row.metric is Metric.CREDITS and row.action is Action.BLOCK]
        daily = next((row.cap for row in money if row.window is Window.DAY and not row.counts), None)
        remedy = f"aikit limit set --tenant {tenant} --window day --usd {place.choices.cap_usd}"
        if place.choices.cap_stated and daily != wanted:
            return missing(f"{_words(limits)}, not {format_usd(wanted)} a day", remedy, tenant=tenant)
        if money:
            return ok(_words(limits), tenant=tenant, cap_nano=min(row.cap for row in money))
        if known.uncapped:
            return warning(f"{tenant} has no cap on its spending", remedy, tenant=tenant)
        return missing(f"{tenant} has no cap on its spending", remedy, tenant=tenant)

    def describe(self, place: Place) -> list[Row]:
        found, choices = self.check(place), place.choices
        if found.ok:
            return [Row(self.title, found.why, f"tenant {choices.tenant}")]
        amount = format_usd(parse_usd(choices.cap_usd))
        waiting = "tenant" not in found.facts
        will = f'will set {amount} a day for tenant "{choices.tenant}"'
        if waiting:
            will = f'will put {POLICIES} in force, if no policy is; {amount} a day for tenant "{choices.tenant}"'
        return [Row(self.title, "none" if waiting else found.why, "", will)]

    def apply(self, place: Place, progress: Progress) -> None:
        """Put `policies.toml` in force where no policy is yet, add the tenant, and cap it. All of it is on the record.

        Raises ConfigError, DatabaseError.
        """
        database = open_database(place.settings)
        if ready(place) is None:
            raise DatabaseUnavailable("The database is not ready.", remedy="aikit db upgrade")
        choices = place.choices
        cap = _cap(choices.cap_usd)
        if _untouched(database) and (place.folder / POLICIES).is_file():
            progress(f"applying {POLICIES}")
            apply(database, read_file((place.folder / POLICIES).read_text("utf-8-sig"), where=POLICIES,
                                      nano_per_credit=_nano_per_credit(database)), why=WHY)  # fmt: skip
        add_tenant(database, choices.tenant, why=WHY)
        if not self._of(database, place).ok:
            set_limit(database, choices.tenant, StatedLimit(Metric.CREDITS, Window.DAY, cap), why=WHY)


def _cap(stated: str) -> int:
    try:
        return parse_usd(stated)
    except ValueError as error:
        raise ConfigError(f"The cap is {error}.", remedy="Give it in dollars: --cap-usd 5.00") from None


def _untouched(database: Database) -> bool:
    """Whether nobody has stated a policy yet: only then does the file go in force without its difference being read."""
    return not read_policies(database).policies


def _nano_per_credit(database: Database) -> int:
    from aikit.ledger.opening import prepare

    return prepare(database).nano_per_credit


def _words(limits: list[LimitRow]) -> str:
    """`$5.00/day, 10 requests/min per user`"""
    said = []
    for row in limits:
        if row.metric is Metric.CREDITS and row.action is Action.BLOCK and not row.counts:
            said.append(
                f"{format_usd(row.cap)}/{row.window}" if row.window is not Window.TOTAL else format_usd(row.cap)
            )
        elif row.metric is Metric.REQUESTS and row.window is Window.MINUTE:
            said.append(f"{row.cap:,} requests/min{' per user' if 'user' in row.counts else ''}")
    return ", ".join(said) or "no cap"
