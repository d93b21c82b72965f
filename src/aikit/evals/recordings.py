"""`evals/recordings/SUITE.jsonl`: what models have answered, one call a line, for replay without a key or a network.

The first line says how they were made. The lines are sorted and in one form, so that a diff shows what has changed,
and a file that nothing has changed is the same to the byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from aikit.errors import RecordingInvalid
from aikit.evals.fields import Fields
from aikit.evals.keys import key_of
from aikit.evals.model import ModelAnswer, ModelCall, Role
from aikit.evals.scrubbing import scrubbed
from aikit.ledger.export.files import written

SCHEMA = "aikit.eval-recordings/1"
SIMULATOR, LIVE = "simulator", "live"
SHOWN = 120
"""Characters of the end of what was asked, for whoever reads the file."""
_MODE = 0o644
_LINE_ENDS = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
_REMEDY = (
    "Restore it (git checkout), or record it anew: `aikit eval SUITE --refresh`. After a merge, keep both sides' lines."
)


class Recorded(NamedTuple):
    """A recorded call. The fields up to `key` are the order of the lines; `asked` is the end of what was asked."""

    role: Role
    prompt: str
    asked: str
    trial: int
    key: str
    model: str
    answer: ModelAnswer


class Recordings:
    """The recorded calls of a suite. `made_with` is `simulator` or `live`; None while there are none."""

    def __init__(self, path: Path, suite: str) -> None:
        self.path = path
        self.suite = suite
        self.made_with: str | None = None
        self.made_by = ""
        """The version of aikit that wrote them."""
        self._calls: dict[str, Recorded] = {}
        self._written: str | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def find(self, key: str) -> ModelAnswer | None:
        """What was answered to the call with this key."""
        found = self._calls.get(key)
        return None if found is None else found.answer

    def put(self, call: ModelCall, answer: ModelAnswer) -> None:
        """Keep an answer, in place of the one there was. It is on disk after `write`."""
        key = key_of(call)
        prompt = call.prompt.id if call.prompt else ""
        self._calls[key] = Recorded(call.role, prompt, _end(call), call.trial, key, call.model, answer)

    def costs(self, role: Role) -> list[int]:
        """What the calls of a role have cost, in nano-USD, where that is known."""
        found = [call.answer.nano for call in self._calls.values() if call.role is role]
        return [nano for nano in found if nano is not None]

    def clear(self) -> None:
        """Forget all of them."""
        self._calls.clear()
        self.made_with = None

    def prune(self, used: Collection[str]) -> int:
        """Drop the calls that are not used; how many that were."""
        unused = [key for key in self._calls if key not in used]
        for key in unused:
            del self._calls[key]
        return len(unused)

    def text(self, version: str) -> str:
        """The whole file."""
        head = {"schema": SCHEMA, "suite": self.suite, "made_with": self.made_with, "aikit": version}
        return "".join(f"{_line(row)}\n" for row in (head, *map(_row, sorted(self._calls.values(), key=_order))))

    def write(self, version: str) -> bool:
        """As a whole or not at all. False: nothing has changed, and the file is as it was. Raises ConfigError."""
        if self.text(self.made_by) == self._written or (self._written is None and not self._calls):
            return False
        text = self.text(version)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with written(self.path) as file:
            file.write(text.encode())
        self.path.chmod(_MODE)
        self._written, self.made_by = text, version
        return True


def recordings_path(evals: Path, suite: str) -> Path:
    """Where the recordings of a suite are, in the folder of the evals."""
    return evals / "recordings" / f"{suite}.jsonl"


def read_recordings(path: Path, suite: str) -> Recordings:
    """None in it if there is no such file. Raises RecordingInvalid, naming file, line and field."""
    found = Recordings(path, suite)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return found
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        facts = {"file": str(path)}
        raise RecordingInvalid(f"{path} can't be read: {reason}.", facts=facts, remedy=_remedy(suite)) from None
    head, *lines = text.split("\n")
    _read_head(found, _fields(path, 1, head, suite))
    places: dict[str, int] = {}
    for number, line in enumerate(lines, start=2):
        if not line and number == len(lines) + 1:
            break
        call = _read_call(_fields(path, number, line, suite))
        if call.key in places:
            _fail(path, number, f"this call is also in line {places[call.key]}", suite)
        places[call.key] = number
        found._calls[call.key] = call
    found._written = text
    return found


def _read_head(found: Recordings, fields: Fields) -> None:
    fields.schema(SCHEMA)
    if fields.text("suite") != found.suite:
        fields.fail("suite", f"is not {found.suite!r}")
    found.made_with = fields.text("made_with")
    if found.made_with not in (SIMULATOR, LIVE):
        fields.fail("made_with", f"is {found.made_with!r}, and none of {SIMULATOR}, {LIVE}")
    found.made_by = fields.text("aikit")
    fields.nothing_else()


def _read_call(fields: Fields) -> Recorded:
    key = fields.text("key")
    if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
        fields.fail("key", "is no SHA-256")
    call = Recorded(
        role=fields.one_of("role", Role),
        prompt=fields.text("prompt"),
        asked=fields.text("asked"),
        trial=fields.whole("trial"),
        key=key,
        model=fields.text("model"),
        answer=ModelAnswer(
            text=fields.text("text"),
            model=fields.text("served"),
            input_tokens=fields.whole_or_none("input_tokens"),
            output_tokens=fields.whole_or_none("output_tokens"),
            nano=fields.whole_or_none("nano"),
            latency_ms=fields.whole_or_none("latency_ms"),
            findings=fields.names("findings"),
            replayed=True,
        ),
    )
    fields.nothing_else()
    return call


def _row(call: Recorded) -> dict[str, Any]:
    answer = call.answer
    return {
        "role": call.role.value,
        "prompt": call.prompt,
        "model": call.model,
        "trial": call.trial,
        "asked": call.asked,
        "text": answer.text,
        "served": answer.model,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "nano": answer.nano,
        "latency_ms": answer.latency_ms,
        "findings": sorted(set(answer.findings)),
        "key": call.key,
    }


def _order(call: Recorded) -> tuple[str, str, str, int, str]:
    return call.role.value, call.prompt, call.asked, call.trial, call.key


def _line(row: dict[str, Any]) -> str:
    """One line for whoever reads it, also where a text has characters that end lines elsewhere, or half characters."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _end(call: ModelCall) -> str:
    """The end of the last message, without secrets: there stands what tells calls of one prompt apart."""
    text = " ".join(scrubbed(call.messages[-1].text).text.split()) if call.messages else ""
    return text if len(text) <= SHOWN else f"…{text[-SHOWN:]}"


def _fields(path: Path, number: int, line: str, suite: str) -> Fields:
    try:
        found = json.loads(line, parse_constant=_refused)
    except (ValueError, RecursionError):
        _fail(path, number, "this is no JSON", suite)
    if not isinstance(found, dict):
        _fail(path, number, "this is no JSON object", suite)
    return Fields(found, f"{path}:{number}", RecordingInvalid, _remedy(suite))


def _fail(path: Path, number: int, what: str, suite: str) -> NoReturn:
    raise RecordingInvalid(
        f"{path}:{number}: {what}.", facts={"file": str(path), "line": number}, remedy=_remedy(suite)
    )


def _remedy(suite: str) -> str:
    return _REMEDY.replace("SUITE", suite)


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)
