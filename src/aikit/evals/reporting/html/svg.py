"""SVG in small pieces: elements as text, with every attribute and text escaped."""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from aikit.evals.reporting.escaping import one_line


def element(name: str, content: str = "", **attributes: str | float | None) -> str:
    """`class_` is `class`, and `_` is `-`: `text_anchor`. What is None is left out."""
    stated = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(what))}"'
        for key, what in attributes.items()
        if what is not None
    )
    return f"<{name}{stated}>{content}</{name}>" if content else f"<{name}{stated}/>"


def text(said: str, x: float, y: float, *, anchor: str | None = None, class_: str | None = None) -> str:
    return element("text", escape(one_line(said)), x=x, y=y, text_anchor=anchor, class_=class_)


def title(said: str) -> str:
    """What is read out, and shown when pointed at."""
    return element("title", escape(one_line(said)))


def drawing(width: float, height: float, name: str, parts: list[str]) -> Markup:
    """A picture with a name for those who can't see it."""
    drawn = element(
        "svg", title(name) + "".join(parts), viewBox=f"0 0 {_plain(width)} {_plain(height)}", role="img",
    )  # fmt: skip
    return Markup(drawn)


def _plain(what: str | float | None) -> str:
    return what if isinstance(what, str) else f"{round(what or 0, 2):g}"
