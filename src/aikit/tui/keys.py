"""The keys of the console, in one table: the bindings, the footer, the help and the tests are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from aikit.console.model import Tab

IN_ASCII = str.maketrans({"⏎": "enter", "↓": None, "↑": None, "–": "-"})


@dataclass(frozen=True, slots=True)
class Key:
    """`keys` do the same; `shown` is how they are written; `action` is the app's `action_…`.

    `footer`: said at the bottom, where there is room. `acts`: only with --allow-actions. `tabs` None: on all of them.
    """

    keys: tuple[str, ...]
    shown: str
    action: str
    says: str
    footer: str | None = None
    acts: bool = False
    tabs: frozenset[Tab] | None = None

    def written(self, ascii: bool) -> str:
        """How it is written where there are only the characters of ASCII."""
        return self.shown.translate(IN_ASCII).strip() if ascii else self.shown

    def on(self, tab: Tab, actions: bool) -> bool:
        return (self.tabs is None or tab in self.tabs) and (actions or not self.acts)


def _only(*tabs: Tab) -> frozenset[Tab]:
    return frozenset(tabs)


KEYS: tuple[Key, ...] = (
    Key(("question_mark", "f1"), "?", "help", "What every key does.", "help"),
    Key(("slash",), "/", "filter", "Filter: model:opus tenant:acme !status:ok.", "filter"),
    Key(("s",), "s", "sort", "Sort by the next column.", "sort"),
    Key(("S", "shift+s"), "S", "reverse", "Turn the order round."),
    Key(("enter",), "⏎", "open", "Open what the cursor is on.", "detail"),
    Key(("escape",), "esc", "back", "Go back; on a tab, drop the filter.", "back"),
    Key(("space",), "space", "pause", "Hold still, or go on.", "pause"),
    Key(("r",), "r", "refresh", "Read again now."),
    Key(("t",), "t", "period", "The next time range: 1h, today, 24h, 7d, month.", "range"),
    Key(("plus", "equals_sign"), "+", "slower", "Read less often."),
    Key(("minus",), "-", "faster", "Read more often."),
    Key(("1", "2", "3", "4", "5", "6", "7"), "1–7", "tab", "Go to a tab; Tab and Shift+Tab go round."),
    Key(("tab",), "tab", "next_tab", "The next tab."),
    Key(("shift+tab",), "shift+tab", "last_tab", "The tab before."),
    Key(("down", "j"), "↓ j", "down", "Down."),
    Key(("up", "k"), "↑ k", "up", "Up."),
    Key(("pagedown", "ctrl+d"), "pgdn", "page_down", "A page down."),
    Key(("pageup", "ctrl+u"), "pgup", "page_up", "A page up."),
    Key(("g", "home"), "g", "top", "To the first row."),
    Key(("G", "shift+g", "end"), "G", "bottom", "To the last row."),
    Key(("y",), "y", "copy", "Copy the id of what the cursor is on."),
    Key(("d",), "d", "diff", "Compare with the version marked by the first d.", "diff", tabs=_only(Tab.PROMPTS)),
    Key(("e",), "e", "edit", "Change the cap, the soft cap or the window.", "edit", True, _only(Tab.LIMITS)),
    Key(("o",), "o", "trip", "Force the breaker open.", "trip", True, _only(Tab.BREAKERS)),
    Key(("c",), "c", "close", "Force the breaker closed.", "close", True, _only(Tab.BREAKERS)),
    Key(("x",), "x", "reset", "Reset the breaker.", "reset", True, _only(Tab.BREAKERS)),
    Key(("R", "shift+r"), "R", "rollback", "Roll the label back.", "rollback", True, _only(Tab.PROMPTS)),
    Key(("ctrl+p",), "^p", "command_palette", "The palette: tabs, themes, and all of this by name.", "palette"),
    Key(("q", "ctrl+c"), "q", "quit", "Leave.", "quit"),
)  # fmt: skip
"""In the order of the help. Textual names some keys; `shown` is what is on them."""
