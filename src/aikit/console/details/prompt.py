"""A version of a prompt in full: its labels, gates and spend, its settings, and what it says, if that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aikit.console.details.versions import Version, find_version, split_id
from aikit.console.details.words import UNKNOWN, count, gone, took, utc, when
from aikit.console.model import PromptRow, PromptsPage, Snapshot
from aikit.console.words import Style, rate
from aikit.errors import PromptNotFound
from aikit.ledger.prompt_gates import Gate, gate_of
from aikit.ledger.prompt_history import Happening, history
from aikit.ledger.prompt_labels import Label, list_labels
from aikit.ledger.reading import Readable
from aikit.money import format_usd
from aikit.page import Item, Page, Section
from aikit.prompts.inputs import declared_inputs
from aikit.prompts.model import Block, Prompt
from aikit.prompts.reading import as_written
from aikit.prompts.schemas import stated

HAPPENINGS = 50
"""So much of the history of a prompt is shown."""
PLAIN = Style()
NOT_KEPT = "not kept: it is not published, and in no file here"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a version. `row` is that of the snapshot, None if it is not among its rows."""

    id: str
    version: Version | None
    row: PromptRow | None
    labels: tuple[Label, ...]
    gate: Gate | None
    history: tuple[Happening, ...]


def prompt_page(database: Readable, prompts: Path | None, key: str, snapshot: Snapshot) -> Page:
    """`key` is `summarize@v3`. Raises AIKitError for a version that nobody knows any more."""
    name, number = split_id(key)
    found = find_version(database, prompts, name, number)
    rows = snapshot.page.rows if isinstance(snapshot.page, PromptsPage) else ()
    row = next((row for row in rows if row.id == key), None)
    if found is None and row is None:
        raise gone(f"There is no {key[:80]}: it is not published, and in no file here.", "`aikit prompt list` has all.")
    sha256 = _sha256(found)
    labels = [label for label in list_labels(database, name) if label.version == number]
    gate = gate_of(database, name, sha256) if sha256 is not None else None
    return told(Known(key, found, row, tuple(labels), gate, tuple(_history(database, name))))


def told(known: Known) -> Page:
    """The page of a version."""
    found, prompt = known.version, known.version.prompt if known.version else None
    named = ", ".join([label.label for label in known.labels])
    return Page(
        f"{known.id}{f': {named}' if named else ''}",
        (prompt.description,) if prompt else (),
        (
            Section("Version", tuple(_version(found))),
            Section("Labels that point to it", tuple(_labels(known.labels))),
            Section("Eval gates, of exactly this content", tuple(_gates(known.gate))),
            Section("Calls with it, in the chosen time", tuple(_calls(known.row))),
            *(_content(prompt) if prompt else _not_there(found)),
            Section(f"History of {known.id.rpartition('@')[0]}, the newest first", tuple(_happenings(known.history))),
        ),
    )


def _sha256(found: Version | None) -> str | None:
    if found is None:
        return None
    return found.published.sha256 if found.published else found.prompt.sha256 if found.prompt else None


def _history(database: Readable, name: str) -> list[Happening]:
    try:
        return history(database, name)[:HAPPENINGS]
    except PromptNotFound:
        return []


def _version(found: Version | None) -> list[Item]:
    if found is None:
        return [Item("kept", NOT_KEPT)]
    items = [Item("kept", found.whence), Item("sha256", _sha256(found) or UNKNOWN)]
    if (published := found.published) is not None:
        items.append(Item("published", f"{utc(published.published_at)} by {published.published_by}"))
        items.append(Item("made from", f"v{published.parent}" if published.parent else UNKNOWN))
    return items


def _labels(labels: tuple[Label, ...]) -> list[Item]:
    items = []
    for label in labels:
        forced = "moved by force: no gate had passed for this content"
        remarks = (*([label.why] if label.why else []), *([forced] if label.forced else []))
        items.append(Item(label.label, f"since {utc(label.since)} by {label.who}", remarks))
    return items or [Item("none", "calls reach it only by its version")]


def _gates(gate: Gate | None) -> list[Item]:
    if gate is None or not gate.results:
        return [Item("none", "no gate was run on this content")]
    items = []
    for result in gate.results:
        word = "✓ passed" if result.passed else "✗ FAILED"
        items.append(Item(result.suite, f"{word} · {utc(result.at)} by {result.who}"))
    return items


def _calls(row: PromptRow | None) -> list[Item]:
    if row is None:
        return [Item(UNKNOWN, "it is not among the versions that are listed")]
    return [
        Item("calls", count(row.calls)),
        Item("failed", f"{count(row.failed)} ({rate(row.failed, row.calls, PLAIN)})"),
        Item("refused", f"{count(row.refused)} on top, not sent"),
        Item("cost", format_usd(row.nano)),
        Item("took", f"half of them at most {took(row.p50_ms)}, 95 of 100 at most {took(row.p95_ms)}"),
    ]


def _content(prompt: Prompt) -> list[Section]:
    inputs = [Item(name, what) for name, what in declared_inputs(prompt.inputs).items()]
    settings = [
        Item("model", prompt.model or UNKNOWN),
        *[Item(name, stated(value)) for name, value in prompt.parameters.items()],
        Item("tags", ", ".join(prompt.tags) or UNKNOWN),
    ]
    output = Item("schema", as_written(prompt.output)) if prompt.output is not None else Item("none", "any text")
    return [
        Section("Settings", tuple(settings)),
        Section("Inputs", tuple(inputs) or (Item("none", "it takes none"),)),
        Section("Output", (output,)),
        *[_message(number, block) for number, block in enumerate(prompt.blocks, start=1)],
    ]


def _message(number: int, block: Block) -> Section:
    """The lines of a message, none of which is marked."""
    return Section(
        f"Message {number}, {block.role}", marked=tuple([f"  {line}" for line in block.template.split("\n")])
    )


def _not_there(found: Version | None) -> list[Section]:
    why = NOT_KEPT if found is None else f"published, but can't be read: {found.wrong}"
    return [Section("What it says", (Item("text", why),))]


def _happenings(happenings: tuple[Happening, ...]) -> list[Item]:
    items = []
    for one in happenings:
        match one.kind:
            case "publish":
                what = f"v{one.version} published" + (f", made from v{one.was}" if one.was else "")
            case "gate":
                what = f"v{one.version}: gate {one.suite} {'passed' if one.passed else 'FAILED'}"
            case _:
                was = f"v{one.was}" if one.was else "new"
                what = f"{one.label}: {was} → v{one.version}"
                what += " (rollback)" if one.kind == "rollback" else " (forced)" if one.forced else ""
        items.append(Item(when(one.at), f"{what} · {one.who}", (one.why,) if one.why else ()))
    return items or [Item("none", "nothing of it is published")]
