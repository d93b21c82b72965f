"""Transcripts are redacted, bounded, for their owner only, and do not pile up."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from aikit.setup.agent import transcript
from aikit.setup.agent.redacting import Redactor
from aikit.setup.agent.transcript import MOST_BYTES, MOST_KEPT, Transcript


def test_secrets_are_names_in_it(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.learn("THE_KEY", "abcdefgh-ijkl")
    kept = Transcript(tmp_path, redactor)
    kept.keep("tool", result={"abcdefgh-ijkl": ["x abcdefgh-ijkl"]}, tool="abcdefgh-ijkl")
    kept.close()
    line = json.loads(kept.path.read_text())
    assert line["result"] == {"[THE_KEY]": ["x [THE_KEY]"]} and line["tool"] == "[THE_KEY]"


def test_it_is_for_its_owner_only(tmp_path: Path) -> None:
    kept = Transcript(tmp_path, Redactor())
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    kept.close()


def test_it_grows_no_further_than_its_bound_and_says_so(tmp_path: Path) -> None:
    kept = Transcript(tmp_path, Redactor())
    kept._left = 30_000
    for _ in range(20):
        kept.keep("model", text="word " * 4_000)
    kept.close()
    assert kept.path.stat().st_size < 40_000 < MOST_BYTES
    assert json.loads(kept.path.read_text().splitlines()[-1])["kind"] == "bound"


def test_old_ones_are_removed_but_not_other_files(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*transcript.FOLDER)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    for number in range(MOST_KEPT + 5):
        (folder / f"20200101T{number:06d}-aaaaaa.jsonl").write_text("")
    kept = Transcript(tmp_path, Redactor())
    kept.close()
    left = sorted(path.name for path in folder.glob("*.jsonl"))
    assert len(left) == MOST_KEPT and kept.path.name in left and left[0] == "20200101T000006-aaaaaa.jsonl"
    assert (folder / "notes.txt").exists()


def test_a_closed_file_stops_nobody(tmp_path: Path) -> None:
    kept = Transcript(tmp_path, Redactor())
    kept.close()
    kept.keep("model", text="late")
    assert kept.path.read_text() == ""
