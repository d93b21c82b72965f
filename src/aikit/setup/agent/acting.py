"""Carries calls of tools out: what is not allowed is refused here, whatever the model was talked into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aikit.errors import AIKitError
from aikit.money import format_usd, parse_usd, usd_string
from aikit.setup.agent.allowed import MODEL, SETTINGS
from aikit.setup.agent.caps import Caps, needs_typing, tenants
from aikit.setup.agent.model import Tool, ToolCall
from aikit.setup.agent.person import Person, Verdict
from aikit.setup.agent.redacting import Redactor
from aikit.setup.agent.settings_file import write_setting
from aikit.setup.agent.situation import StepsOf, looked_at, told
from aikit.setup.agent.tools import Refusal, checked, tools_for
from aikit.setup.agent.wording import looks_like_a_key, plain
from aikit.setup.model import Place, Row, Step
from aikit.setup.secrets import misgivings
from aikit.types import Window

LONGEST_ERROR = 1_000


class Toolbox:
    """The tools over one place. `done` is set when the model has said that it is; `changed` when something has.

    A key or a setting may bring steps along, so that they are asked for each time.
    """

    def __init__(
        self, place: Place, steps_of: StepsOf, person: Person, redactor: Redactor, caps: Caps
    ) -> None:  # fmt: skip
        self._place = place
        self._steps_of = steps_of
        self._person = person
        self._redactor = redactor
        self._caps = caps
        self.done = False
        self.changed = False

    @property
    def _steps(self) -> dict[str, Step]:
        return {step.name: step for step in self._steps_of(self._place)}

    @property
    def tools(self) -> tuple[Tool, ...]:
        """As they are now: a key or a file may have brought providers along. Raises ConfigError."""
        settings = self._place.settings
        keyed = [name for name, provider in settings.providers.items() if provider.api_key_env]
        return tools_for(
            list(self._steps), list(settings.providers), keyed, list(settings.routes), tenants(self._place)
        )  # fmt: skip

    def use(self, call: ToolCall) -> dict[str, Any]:
        """What came of a call, as JSON that the model may see. Raises Refusal, and Left if the person leaves."""
        arguments, before = checked(call, self.tools), self._steps.keys()
        self.changed = False
        try:
            found = getattr(self, f"_{call.name}")(**arguments)
        except AIKitError as error:
            self._redactor.learn_place(self._place)
            found = {"error": self._words(error.message), "code": error.code, "remedy": self._words(error.remedy)}
        return {**found, **({"steps": list(after)} if (after := self._steps).keys() != before else {})}

    def _check(self, step: str) -> dict[str, Any]:
        found = looked_at(self._steps[step], self._place)
        self._person.note(f"{step}: {found.state}{f' · {found.why}' if found.why else ''}")
        return {"step": step, **told(found, self._redactor)}

    def _apply(self, step: str) -> dict[str, Any]:
        steps = self._steps
        chosen = steps[step]
        missing = [
            need
            for need in chosen.needs
            if need in steps and not looked_at(steps[need], self._place).ok
        ]  # fmt: skip
        if missing:
            return {"applied": False, "why": f"these must be in order first: {', '.join(missing)}"}
        try:
            rows = [_row(row) for row in chosen.describe(self._place)]
        except AIKitError as error:
            return {"applied": False, "error": self._words(error.message), "remedy": self._words(error.remedy)}
        verdict = self._person.agrees(f"apply {step}: {chosen.title}?", rows)
        if not verdict.yes:
            return {"applied": False, **_declined(verdict)}
        self.changed = True
        self._place.choices.gitignore = True  # the rows have said so, if there is anything to it
        try:
            chosen.apply(self._place, self._person.detail)
        finally:
            self._place.reload()
        found = chosen.verify(self._place)
        self._redactor.learn_place(self._place)
        self._person.note(f"{step}: {found.state}{f' · {found.why}' if found.why else ''}")
        return {"applied": True, "step": step, **told(found, self._redactor)}

    def _set_setting(self, name: str, value: str) -> dict[str, Any]:
        setting = SETTINGS[name]
        try:
            read = setting.read(value)
        except ValueError:
            raise Refusal(f"{name} takes {setting.takes}") from None
        if looks_like_a_key(value):
            raise Refusal("a key is no setting: request_key is there for keys")
        verdict = self._person.agrees(f"set {name} = {json.dumps(read)} in aikit.toml?")
        if not verdict.yes:
            return {"set": False, **_declined(verdict)}
        written = write_setting(self._place, name, str(read))
        self._place.choices.settings[name] = str(read)
        self.changed = True
        return {"set": True, "written": written or "with the step that writes aikit.toml"}

    def _choose(
        self, provider: str | None = None, model: str | None = None, route: str | None = None
    ) -> dict[str, Any]:
        if (provider is None) is (route is None) or (route is not None and model is not None):
            raise Refusal("it takes a provider, perhaps with a model, or a route alone")
        wanted = f"routes.{route}" if route is not None else f"{provider}/{model}" if model else str(provider)
        if model is not None and provider is not None:
            self._require_known(provider, model)
        verdict = self._person.agrees(f"use {wanted}?")
        if not verdict.yes:
            return {"chosen": False, **_declined(verdict)}
        self.changed = True
        if provider is not None and model is not None:
            write_setting(self._place, f"providers.{provider}.model", model)
        if route is not None:  # the first call goes to the first of its models
            provider, _, model = self._place.settings.routes[route].models[0].partition("/")
        self._place.choices.provider, self._place.choices.model = provider, model
        self._place.reload()
        return {"chosen": True}

    def _set_cap(self, tenant: str, window: str, usd: str) -> dict[str, Any]:
        place, span = self._place, Window(window)
        try:
            nano = parse_usd(usd)
        except ValueError:
            raise Refusal("usd is no amount that a cap can have") from None
        try:
            current = self._caps.current(tenant, span)
            known = True
        except AIKitError as error:
            if tenant != place.choices.tenant or span is not Window.DAY:
                raise
            current, known = parse_usd(place.choices.cap_usd), False
            self._person.note(f"The ledger has no {tenant} yet: {error.message}")
        asked = f"{tenant} may spend {format_usd(nano)} per {window}; now it is {format_usd(current)}"
        if needs_typing(span, nano, current):
            amount = usd_string(nano)
            if not self._person.types(f"{asked}. That is a lot: type {amount} to agree:", amount):
                return {"set": False, "why": "so high a cap has to be typed by the newcomer, who did not"}
        else:
            verdict = self._person.agrees(f"{asked}. Set it?")
            if not verdict.yes:
                return {"set": False, **_declined(verdict)}
        self.changed = True
        if known:
            self._caps.state(tenant, span, nano)
        if tenant == place.choices.tenant and span is Window.DAY:
            place.choices.cap_usd, place.choices.cap_stated = usd_string(nano), True
        return {"set": True, "written": known or "with the step that makes the tenant"}

    def _ask(self, question: str) -> dict[str, Any]:
        answer = self._person.answer(question)
        if answer is None:
            return {"answer": None, "why": "there is no answer that can be passed on"}
        return {"answer": answer}

    def _request_key(self, provider: str) -> dict[str, Any]:
        found = self._place.settings.provider(provider)
        variable = str(found.api_key_env)
        key = self._person.key(variable)
        if key is None:
            return {"key": "declined"}
        if doubt := misgivings(variable, found.kind, key):
            self._person.note(f"{doubt} It is taken as it is; a check will tell.")
        self._place.choices.keys[variable] = key
        self._place.reload()
        self.changed = True
        return {"key": "set"}

    def _explain(self, text: str) -> dict[str, Any]:
        self._person.hear(text)
        return {"shown": True}

    def _done(self, summary: str) -> dict[str, Any]:
        self._person.hear(summary)
        self.done = True
        return {"done": True}

    def _require_known(self, provider: str, model: str) -> None:
        """Raises Refusal for what is no name of a model, or one without a price: its calls would be refused."""
        from datetime import UTC, datetime

        from aikit.pricing.book import PriceBook
        from aikit.pricing.overrides import parse_overrides

        if not MODEL.fullmatch(model):
            raise Refusal("model is no name of a model")
        book = PriceBook(parse_overrides(self._place.settings.prices))
        if book.find(provider, model, at=datetime.now(UTC)) is None:
            raise Refusal("no price is known for this model, so its calls would be refused")

    def _words(self, text: str) -> str:
        return plain(self._redactor.clean(text), LONGEST_ERROR)


def _row(row: Row) -> str:
    source = f" ({row.source})" if row.source else ""
    return f"{row.what}: {row.value}{source}{f' → {row.will}' if row.will else ''}"


def _declined(verdict: Verdict) -> Mapping[str, str]:
    return {"newcomer": "no", **({"said": verdict.said} if verdict.said else {})}
