"""What is asked before something is changed: it says what would be, and has the name typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from aikit.console.words import visible
from aikit.durations import duration
from aikit.errors import AIKitError
from aikit.ledger.limits import LimitRow
from aikit.money import usd_string
from aikit.types import Metric

Answer = TypeVar("Answer")
Proposed = Callable[[LimitRow, str, str, str], tuple[str, ...]]
"""What a change of cap, soft cap and window would come to, in lines. Raises AIKitError for what can't be."""


class Asking(ModalScreen[Answer | None], Generic[Answer]):
    """A box over the console. Escape leaves everything as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        # Before the keys that follow are handed to a field, however fast they are typed.
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    Asking { align: center middle; }
    Asking #box { width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 1; background: $surface;
                  border: round $warning; }
    Asking.-ascii #box { border: ascii $warning; }
    Asking #told { height: auto; margin: 0 0 1 0; }
    Asking Input { border: none; height: 1; padding: 0; margin: 0 0 1 0; background: $foreground 10%; }
    Asking Input:focus { border: none; background: $primary 30%; }
    Asking.-short Input, Asking.-flat Input, Asking.-short #told, Asking.-flat #told { margin: 0; }
    Asking #said { height: auto; color: $text-error; }
    """

    def __init__(self, *, ascii: bool) -> None:
        super().__init__(classes="-ascii" if ascii else "")

    def value(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value.strip()

    def say(self, text: str, where: str = "#said") -> None:
        self.query_one(where, Static).update(Content(text))


class Named(Asking[Answer]):
    """Says what would be done, and has its name typed before it is."""

    def __init__(self, lines: Iterable[str], name: str, *, ascii: bool) -> None:
        super().__init__(ascii=ascii)
        self._lines, self._named = tuple(lines), name

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box", can_focus=False):
            yield Static(Content("\n").join([Content(visible(line)) for line in self._lines]), id="told")
            yield Static(Content.assemble("Type ", (visible(self._named), "bold"), " to do it:"))
            yield Input(id="name", placeholder=visible(self._named))
            yield Static(Content("Why (goes on the record):"))
            yield Input(id="why", max_length=1_000)
            yield from self.compose_more()
            yield Static(id="said")
            yield Static(Content("enter do it   tab next field   esc leave it"), classes="dim")

    def compose_more(self) -> ComposeResult:
        """What else is asked."""
        yield from ()

    def on_mount(self) -> None:
        self.query_one("#name", Input).focus()

    def on_input_submitted(self) -> None:
        if self.value("name") in (self._named.strip(), visible(self._named).strip()):
            self.agreed()
        else:
            self.say(f"That is not {visible(self._named)}. Nothing was done.")

    def agreed(self) -> None:
        """The name is right."""
        raise NotImplementedError


class Confirm(Named[str]):
    """Gives the reason that was typed, "" without one; None: it is not to be done."""

    def agreed(self) -> None:
        self.dismiss(self.value("why"))


class Force(Named[tuple[timedelta | None, str]]):
    """Asks for how long, too: gives that, None for until somebody resets it, and the reason."""

    def compose_more(self) -> ComposeResult:
        yield Static(Content("For how long (30s, 10m, 2h, 1d; empty: until it is reset):"))
        yield Input(id="lasting", max_length=20)

    def agreed(self) -> None:
        typed = self.value("lasting")
        try:
            lasting = duration(typed) if typed else None
        except ValueError as error:
            self.say(f"{visible(str(error))}. Nothing was done.")
            return
        self.dismiss((lasting, self.value("why")))


class EditLimit(Asking[tuple[str, str, str, str]]):
    """The cap, soft cap and window of a limit. Gives them as typed, with the reason, once the tenant is named."""

    def __init__(self, limit: LimitRow, proposed: Proposed, *, ascii: bool) -> None:
        super().__init__(ascii=ascii)
        self._limit, self._proposed = limit, proposed
        soft = "" if limit.soft_cap is None else amount_typed(limit, limit.soft_cap)
        self._before = {"cap": amount_typed(limit, limit.cap), "soft": soft, "window": str(limit.window)}
        self._touched = False

    def compose(self) -> ComposeResult:
        limit = self._limit
        with VerticalScroll(id="box", can_focus=False):
            yield Static(Content(visible(f"{limit.metric} per {limit.window} of {limit.tenant}, from {limit.source}")))
            yield Static(Content("Cap"))
            yield Input(self._before["cap"], id="cap", max_length=30)
            yield Static(Content("Soft cap (empty: none)"))
            yield Input(self._before["soft"], id="soft", max_length=30)
            yield Static(Content("Window (minute, hour, day, week, month, total)"))
            yield Input(self._before["window"], id="window", max_length=10)
            yield Static(id="told")
            yield Static(Content.assemble("Type ", (visible(limit.tenant), "bold"), " to do it:"))
            yield Input(id="name", placeholder=visible(limit.tenant))
            yield Static(Content("Why (goes on the record):"))
            yield Input(id="why", max_length=1_000)
            yield Static(id="said")
            yield Static(Content("enter do it   tab next field   esc leave it"), classes="dim")

    def on_mount(self) -> None:
        self.query_one("#cap", Input).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        if message.input.id in ("cap", "soft", "window"):
            self._touched = self._touched or message.value != self._before[message.input.id]
            self._tell()

    def _tell(self) -> bool:
        """Say what it would come to. False: it can't be."""
        try:
            lines = self._proposed(self._limit, self.value("cap"), self.value("soft"), self.value("window"))
        except AIKitError as error:
            self.say("", "#told")
            self.say(visible(f"{error.message} {error.remedy or ''}".strip()) if self._touched else "")
            return False
        self.say("\n".join([visible(line) for line in lines]), "#told")
        self.say("")
        return True

    def on_input_submitted(self) -> None:
        self._touched = True
        if not self._tell():
            return
        if self.value("name") not in (self._limit.tenant.strip(), visible(self._limit.tenant).strip()):
            self.say(f"Type {visible(self._limit.tenant)} to do it. Nothing was done.")
            return
        self.dismiss((self.value("cap"), self.value("soft"), self.value("window"), self.value("why")))


def amount_typed(limit: LimitRow, amount: int) -> str:
    """An amount of a limit as a person types it: dollars for credits, else the plain count."""
    return usd_string(amount) if limit.metric is Metric.CREDITS else str(amount)
