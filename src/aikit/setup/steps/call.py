"""One metered call, from the application's side of the wire to the entry in the ledger. It is real, and stays."""

from __future__ import annotations

from aikit.config import Provider
from aikit.errors import AIError, ConfigError, Exit
from aikit.kit import AIKit
from aikit.ledger.calls import CallRow, State, list_calls
from aikit.money import format_usd, usd_string
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.setup.choosing import to_try
from aikit.setup.looking import ready
from aikit.setup.model import Check, Place, Progress, Row
from aikit.setup.place import SIMULATOR, chosen
from aikit.setup.reaching import list_models
from aikit.setup.steps.base import Looking, missing, ok

FEATURE = "aikit-init"
"""The feature that the call is made for, so that it can be told from the application's own."""
PROMPT = "Answer with the word: ready"
TOKENS = 32
SECONDS = 30.0
TRY_ANOTHER = {"MODEL_NOT_FOUND", "BAD_REQUEST"}


class Call(Looking):
    """A round trip through everything: policy, price, hold, provider, settlement, entry."""

    name = "call"
    title = "one metered call"

    def __init__(self, provider: str | None = None) -> None:
        self.needs = ("tenant", f"reach:{provider}") if provider else ("tenant", "keys")

    def look(self, place: Place) -> Check:
        provider = chosen(place)
        name = provider.name if provider else SIMULATOR if place.choices.simulator else None
        if name is None:
            return missing("no provider to call", "aikit init", Exit.CREDENTIALS)
        database = ready(place)
        if database is None:
            return missing("not known before the database is ready", "aikit init", Exit.DATABASE)
        made = [
            row
            for row in list_calls(database, tenant=place.choices.tenant, feature=FEATURE, ending="settled")
            if row.provider == name and row.state is State.SETTLED
            if place.choices.model in (None, row.model)
        ]
        if not made:
            return missing(f"none to {name} yet", "aikit init", Exit.NO, provider=name)
        return ok(_told(made[0]), **_facts(made[0]))

    def describe(self, place: Place) -> list[Row]:
        found = self.check(place)
        if found.ok:
            return [Row(self.title, found.why, f"{found.facts['at']} UTC")]
        provider = chosen(place)
        name = provider.name if provider else SIMULATOR if place.choices.simulator else "the first provider"
        name = f"{name}, which is simulated," if name == SIMULATOR else name
        model = place.choices.model or "the cheapest model"
        return [
            Row(self.title, "none", "", f"will ask {name} for a few words, of {model}; its cost stays in the ledger")
        ]

    def apply(self, place: Place, progress: Progress) -> None:
        """Raises AIError if the provider fails, Refused if a cap or a policy stands in the way."""
        provider = chosen(place)
        if provider is None:
            raise ConfigError("There is no provider to call.", remedy="aikit init")
        models = [place.choices.model] if place.choices.model else _models(place, provider)
        if not models:
            raise ConfigError(
                f"No model that {provider.name} lists has a known price.",
                facts={"provider": provider.name},
                remedy=f'Name one (--model), and state its price: [prices."{provider.name}/MODEL"] in aikit.toml.',
            )
        with AIKit.open(place.settings) as kit:
            for left, model in enumerate(models, 1 - len(models)):
                progress(f"{provider.name}/{model}")
                try:
                    _ask(kit, f"{provider.name}/{model}", place.choices.tenant)
                    break
                except AIError as error:
                    if left == 0 or error.code not in TRY_ANOTHER:
                        raise
            kit.flush()


def _ask(kit: AIKit, model: str, tenant: str) -> None:
    kit.complete(PROMPT, model=model, tenant=tenant, feature=FEATURE, max_tokens=TOKENS, timeout=SECONDS)


def _models(place: Place, provider: Provider) -> list[str]:
    book = PriceBook(parse_overrides(place.settings.prices))
    return to_try(provider, list_models(provider).models, book)


def _told(row: CallRow) -> str:
    tokens = f"{row.tokens:,} tokens" if row.tokens is not None else "tokens not told"
    simulated = ", simulated" if row.provider == SIMULATOR else ""
    return f"{row.provider}/{row.model} · {tokens} · {format_usd(row.nano)}{simulated}"


def _facts(row: CallRow) -> dict[str, object]:
    return {
        "provider": row.provider,
        "model": row.model,
        "tokens": row.tokens,
        "cost_usd": None if row.nano is None else usd_string(row.nano),
        "attempt": str(row.attempt),
        "at": row.at.strftime("%Y-%m-%d %H:%M:%S"),
    }
