"""`--ascii`: whatever is drawn, a cell for a cell, with what any terminal has. Texts of others stay as they are."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

GLYPHS = {
    **dict.fromkeys("─━┄┅┈┉╌╍═╴╶╸╺▔", "-"),
    **dict.fromkeys("│┃┆┇┊┋╎╏║╵╷╹╻▏▎▍▌▋▊▉▐▕", "|"),
    **dict.fromkeys("▁▂▃", "_"),
    **dict.fromkeys("▄▅▆▇█▀■", "#"),
    **dict.fromkeys("░▒▓–—", "-"),
    **dict.fromkeys("▖▗▘▝▙▚▛▜▞▟", " "),
    "▲": "^",
    "▼": "v",
    "▸": ">",
    "↑": "^",
    "↓": "v",
    "←": "<",
    "→": ">",
    "⏎": "<",
    "●": "*",
    "○": "o",
    "◐": "~",
    "✓": "+",
    "✗": "x",
    "•": "*",
    "‖": "=",
    "×": "x",
    "·": "/",
    "…": "~",
    "🔎": "? ",
}
ALL = str.maketrans({chr(box): "+" for box in range(0x2500, 0x2580)} | GLYPHS)


class Plain(LineFilter):
    """Puts a character of ASCII in place of each glyph that the console, or Textual, draws."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.text.isascii() else Segment(segment.text.translate(ALL), segment.style, segment.control)
            for segment in segments
        ]
