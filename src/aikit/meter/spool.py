"""Endings on disk while the ledger is away: one file a process, fsynced line by line, adopted by whoever comes next.

A file belongs to the process that holds its lock. When that process is gone, another one adopts the file and posts
what is in it; posting is idempotent, so a line that had been posted already does no harm.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

from aikit.meter.prices import PriceRow, Prices
from aikit.types import (
    Call,
    Ending,
    Entry,
    Finding,
    GuardAction,
    Hold,
    Order,
    Place,
    PromptId,
    Tags,
    Usage,
    new_id,
)

if TYPE_CHECKING:
    from aikit.database.connect import Database

log = logging.getLogger("aikit.spool")

MAX_BYTES = 64 * 1024 * 1024


def spool_folder(database: Database, data_dir: Path) -> Path:
    """Where all processes on this machine that share the data directory spool for this database."""
    return data_dir / "spool" / database.fingerprint


class SpoolFull(Exception):
    """The spool can't take more: the disk is full, or its own bound is reached."""


class Spool:
    """The spool of one process for one database. For several threads at once."""

    def __init__(self, folder: Path, prices: Prices, *, max_bytes: int = MAX_BYTES) -> None:
        """`prices` finds those that an heir may not know."""
        self.prices: dict[str, PriceRow] = {}
        """Prices that came with the entries of other processes."""
        self._folder = folder
        self._find_price = prices
        self._lock = threading.RLock()
        self._max_bytes = max_bytes
        self._own: IO[bytes] | None = None
        self._path = folder
        self._adopted: list[tuple[Path, IO[bytes]]] = []

    def append(self, entries: Iterable[Entry]) -> None:
        """Write the entries and force them to disk. Raises SpoolFull, and then nothing of this call is kept."""
        text = "".join([to_line(entry, self._prices_of(entry)) for entry in entries]).encode()
        with self._lock:
            try:
                self._write(self._file(), text)
            except OSError as error:
                raise SpoolFull(f"The spool in {self._folder} can't be written: {error.strerror}.") from error

    def _write(self, file: IO[bytes], text: bytes) -> None:
        start = file.seek(0, os.SEEK_END)
        if start + len(text) > self._max_bytes:
            raise SpoolFull(f"The spool {self._path} has reached {self._max_bytes:,} bytes.")
        try:
            while text:  # unbuffered: what does not fit must not be written at the close
                text = text[file.write(text) or 0 :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(start)
            raise

    def _prices_of(self, entry: Entry) -> list[PriceRow]:
        """The prices that may not be on record yet: of an attempt that the ledger never heard of, or another one."""
        ids = {entry.price_id, entry.hold.order.price_id if entry.hold.opened else None} - {None}
        found = []
        for price_id in sorted(ids, key=str):
            with suppress(LookupError):
                found.append(self.prices.get(str(price_id)) or self._find_price(str(price_id)))
        return found

    def adopt(self) -> list[Entry]:
        """The entries in files that no living process owns. The files stay, locked by us, until `clear`.

        Of an attempt that the ledger never heard of, what was written last counts.
        """
        entries: list[Entry] = []
        for path in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []:
            try:
                file = path.open("r+b")
            except OSError as error:
                log.error("the spool %s can't be read: %s", path, error.strerror)
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            found, prices, unread = read_lines(file)
            entries.extend(found)
            self.prices.update(prices)
            if unread:
                log.error("%d lines of the spool %s can't be read; they are kept beside it", len(unread), path)
                self._write_aside(path.with_suffix(".unread"), unread)
            self._adopted.append((path, file))
        return last_of_each(entries)

    def clear(self) -> None:
        """Everything that was spooled has been posted: remove the files."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._own is not None:
            self._adopted.append((self._path, self._own))
            self._own = None
        for path, file in self._adopted:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            file.close()
        self._adopted.clear()

    def release(self) -> None:
        """Stop owning files, without removing them: whoever comes next adopts them."""
        for file in [*([self._own] if self._own else []), *[file for _, file in self._adopted]]:
            file.close()
        self._own = None
        self._adopted.clear()

    def _file(self) -> IO[bytes]:
        if self._own is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{new_id()}.jsonl"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._own, self._path = os.fdopen(handle, "r+b", buffering=0), path
            self._sync_folder()
        return self._own

    def _sync_folder(self) -> None:
        """The file itself must be there after a power cut, too."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def set_aside(self, entries: Iterable[Entry]) -> None:
        """Keep entries that the ledger will never take for a person to look at. Their holds stand until they expire."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write_aside(self._folder / f"{new_id()}.unread", [to_line(entry).encode() for entry in entries])

    def _write_aside(self, path: Path, lines: list[bytes]) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.writelines(lines)


def read_lines(file: IO[bytes]) -> tuple[list[Entry], dict[str, PriceRow], list[bytes]]:
    """The entries of a spool file, their prices, the lines that are none. A torn last line was never acknowledged."""
    file.seek(0)
    entries: list[Entry] = []
    prices: dict[str, PriceRow] = {}
    unread: list[bytes] = []
    for line in file:
        if not line.endswith(b"\n"):
            break
        try:
            entry, known = from_line(line)
            entries.append(entry)
            prices.update({row.price_id: row for row in known})
        except (ValueError, KeyError, TypeError):
            unread.append(line)
    return entries, prices, unread


def last_of_each(entries: Iterable[Entry]) -> list[Entry]:
    """Those to be posted: of an attempt that the ledger never heard of, what was written last."""
    written = list(entries)
    opened = {entry.hold.order.attempt: entry for entry in written if entry.hold.opened}
    return [*[entry for entry in written if not entry.hold.opened], *opened.values()]


def to_line(entry: Entry, prices: Iterable[PriceRow] = ()) -> str:
    """One entry as a line of JSON, and the prices that whoever posts it may not know.

    The answer for an idempotency key is left out: it is not worth the room.
    """
    order = entry.hold.order
    call = order.call._asdict() | {"tags": asdict(order.call.tags)}
    needless = {
        "cost": None,
        "bound": None,
        "once": None,
        "fingerprint": "",
        "guarded": (),
    }  # they were for the decision
    hold = entry.hold._asdict() | {"order": order._asdict() | needless | {"call": call}}
    usage = None if entry.usage is None else entry.usage.classes()
    body = entry._asdict() | {"hold": hold, "usage": usage, "answer": None, "prices": [*prices]}
    return json.dumps(body, default=_plain, separators=(",", ":")) + "\n"


def from_line(line: bytes) -> tuple[Entry, list[PriceRow]]:
    """The entry in a line, and its prices. Raises ValueError, KeyError or TypeError if there is none."""
    body: dict[str, Any] = json.loads(line)
    prices = [PriceRow(*row) for row in body.pop("prices", ())]
    hold = body.pop("hold")
    order = hold.pop("order")
    call = order.pop("call")
    usage = body.pop("usage")
    entry = Entry(
        hold=Hold(
            order=Order(
                attempt=UUID(order.pop("attempt")),
                call=Call(
                    id=UUID(call.pop("id")),
                    tags=Tags(**call.pop("tags")),
                    prompt=_prompt(call.pop("prompt", None)),
                    **call,
                ),
                guarded=tuple(order.pop("guarded", ())),
                findings=_findings(order.pop("findings", ())),
                **order,
            ),
            subjects=tuple(hold.pop("subjects")),
            admitted_at=datetime.fromisoformat(hold.pop("admitted_at")),
            **hold,
        ),
        ending=Ending(body.pop("ending")),
        usage=None if usage is None else Usage(**usage),
        findings=_findings(body.pop("findings", ())),
        **body,
    )
    return entry, prices


def _prompt(named: list[str] | None) -> PromptId | None:
    return None if named is None else PromptId(*named)


def _findings(found: Iterable[list[Any]]) -> tuple[Finding, ...]:
    return tuple(
        [Finding(guard, kind, Place(place), GuardAction(action), *rest) for guard, kind, place, action, *rest in found]
    )


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
