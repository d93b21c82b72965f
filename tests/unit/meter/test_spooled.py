"""Looking into the spool: what is told of it, and that looking changes nothing."""

from __future__ import annotations

from pathlib import Path

from aikit.meter.spool import Spool
from aikit.meter.spooled import Waiting, look
from aikit.types import Ending, Entry, Hold
from support.attempts import NOW, a_price, order


def an_entry(nano: int, tenant: str = "acme", *, opened: bool = False) -> Entry:
    return Entry(Hold(order(tenant), (), NOW, opened=opened), Ending.SETTLED, nano)


def test_a_spool_that_was_never_written_is_empty(tmp_path: Path) -> None:
    found = look(tmp_path / "spool")
    assert (found.files, found.aside, found.endings, found.nano) == ((), (), 0, 0)
    assert not (tmp_path / "spool").exists()


def test_files_tell_whose_they_are_and_what_is_in_them(tmp_path: Path) -> None:
    living, dead = Spool(tmp_path, a_price), Spool(tmp_path, a_price)
    living.append([an_entry(1), an_entry(2, "globex")])
    dead.append([an_entry(40)])
    dead.release()
    found = look(tmp_path)
    mine, left = found.files
    assert (mine.owned, mine.endings, mine.nano, mine.oldest) == (True, 2, 3, NOW)
    assert (left.owned, left.endings, left.nano) == (False, 1, 40)
    assert left.size == (tmp_path / left.name).stat().st_size
    assert found.waiting == (Waiting("acme", 2, 0, 41), Waiting("globex", 1, 0, 2))
    living.release()


def test_looking_keeps_nobody_from_adopting(tmp_path: Path) -> None:
    dead = Spool(tmp_path, a_price)
    dead.append([an_entry(40)])
    dead.release()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert look(tmp_path) == look(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert [entry.nano for entry in Spool(tmp_path, a_price).adopt()] == [40]
    assert look(tmp_path).files[0].owned is False, "who adopted it is gone"


def test_an_attempt_that_the_ledger_never_heard_of_counts_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, a_price)
    first = an_entry(90, opened=True)
    spool.append([first])
    spool.append([first._replace(nano=30), an_entry(1)])
    (file,) = look(tmp_path).files
    assert (file.endings, file.nano) == (2, 31)
    assert file.waiting == (Waiting("acme", 2, 1, 31),)


def test_lines_that_cannot_be_read_are_counted_where_they_are(tmp_path: Path) -> None:
    spool = Spool(tmp_path, a_price)
    spool.append([an_entry(1)])
    spool.release()
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"nonsense\n" + path.read_bytes() + b'{"torn')
    (file,) = look(tmp_path).files
    assert (file.endings, file.unread, file.problem) == (1, 1, None)
    spool.set_aside([an_entry(5), an_entry(6)])
    (aside,) = look(tmp_path).aside
    assert (aside.lines, aside.name.endswith(".unread")) == (2, True)


def test_a_file_that_is_gone_or_no_file_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.jsonl").mkdir()
    (file,) = look(tmp_path).files
    assert (file.name, file.endings) == ("folder.jsonl", 0)
    assert file.problem == "Is a directory"
