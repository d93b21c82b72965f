"""Pictures of the console for the documentation, as SVG: `python -m support.pictures FOLDER [SECONDS] [--keep]`.

The console is the real one, on its real reader and desk, in a terminal that Textual keeps in memory.
"""

from __future__ import annotations

import asyncio
import html
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, chdir, closing
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from aikit.config import load
from aikit.console.desk import LedgerDesk
from aikit.console.model import Period, Tab
from aikit.console.reader import Reader
from aikit.ledger.opening import prepare
from aikit.meter.spool import spool_folder
from aikit.tui.app import Console
from aikit.tui.options import Options
from support.evening import evening

SIZE = (130, 34)
MOST_BYTES = 150_000
PATIENCE = 90.0


@dataclass(frozen=True)
class Picture:
    """A name, where to look, the keys that lead there, and a text that is seen then."""

    name: str
    tab: Tab
    keys: Sequence[str] = ()
    until: str = ""
    theme: str = "textual-dark"
    period: Period = Period.TODAY
    filter: str = ""
    actions: bool = False


PICTURES = (
    Picture("breakers", Tab.BREAKERS, actions=True),
    Picture("overview", Tab.OVERVIEW, period=Period.HOUR),
    Picture("overview-light", Tab.OVERVIEW, theme="textual-light", period=Period.HOUR),
    Picture("calls", Tab.CALLS, filter="tenant:acme"),
    Picture("decision", Tab.CALLS, ("enter",), "esc back", filter="tenant:acme status:refused"),
    Picture("limits", Tab.LIMITS),
    Picture("prompts", Tab.PROMPTS, filter="prompt:summarize"),
    Picture("prompt-diff", Tab.PROMPTS, ("d", "j", "d"), "esc back", filter="prompt:summarize"),
    Picture("evals", Tab.EVALS),
)


def main(arguments: Sequence[str]) -> None:
    folder, seconds = Path(arguments[0]).resolve(), float(arguments[1]) if len(arguments) > 1 else 240.0
    keep = "--keep" in arguments
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        at = Path(tempfile.mkdtemp(prefix="aikit-evening-"))
        if not keep:
            stack.callback(_remove, at)
        with evening(at, seconds) as on, chdir(at):
            database = on.kit.database
            nano_per_credit = prepare(database).nano_per_credit
            spool = spool_folder(database, at)
            environment = load(on.config).environment
            for picture in PICTURES:
                reader = Reader(database, environment=environment, evals=Path("evals"), spool=spool)
                desk = LedgerDesk(
                    database, nano_per_credit=nano_per_credit, evals=Path("evals"), prompts=Path("prompts")
                )
                with closing(reader):
                    given = picture.tab, picture.period, picture.filter
                    options = Options(*given, actions=picture.actions, theme=picture.theme)
                    svg = asyncio.run(_taken(Console(reader, options, desk), picture))
                file = folder / f"{picture.name}.svg"
                file.write_text(svg, encoding="utf-8")
                assert file.stat().st_size < MOST_BYTES, f"{file} has {file.stat().st_size} bytes"
                print(f"{file}  {file.stat().st_size:,} bytes")
    if keep:
        print(f"The evening is in {at}")


async def _taken(console: Console, picture: Picture) -> str:
    async with console.run_test(size=SIZE) as pilot:
        await _until(pilot, lambda seen: "UTC" in seen and "reading" not in seen and "not read yet" not in seen)
        for key in picture.keys:
            await pilot.press(key)
        if picture.until:
            await _until(pilot, lambda seen: picture.until in seen)
        await pilot.pause(0.3)
        return console.export_screenshot(title="aikit top")


async def _until(pilot: Pilot[None], fits: Callable[[str], bool]) -> None:
    """Wait until the screen is so."""
    async with asyncio.timeout(PATIENCE):
        while not fits(html.unescape(pilot.app.export_screenshot()).replace("\xa0", " ")):
            await pilot.pause(0.2)


def _remove(at: Path) -> None:
    from aikit.demo.janitor import clean

    clean(at)


if __name__ == "__main__":
    main(sys.argv[1:])
