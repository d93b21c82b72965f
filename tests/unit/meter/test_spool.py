import os
import stat
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.meter.spool import Spool, SpoolFull, from_line, to_line
from aikit.types import Ending, Entry, Finding, GuardAction, Hold, Order, Place, PromptId, Usage
from support.attempts import NOW, a_price, order

counts = st.integers(0, 10**15)


def some_order(*, prompt: PromptId | None, found: tuple[Finding, ...], **more: Any) -> Order:
    one = order(**more)
    return one._replace(call=one.call._replace(prompt=prompt), findings=found)


findings = st.lists(
    st.builds(
        Finding,
        guard=st.text("abc."),
        kind=st.text(max_size=5),
        place=st.sampled_from(Place),
        action=st.sampled_from(GuardAction),
        times=counts,
    ),
    max_size=2,
).map(tuple)
entries = st.builds(
    Entry,
    hold=st.builds(
        Hold,
        order=st.builds(
            some_order,
            prompt=st.none() | st.just(PromptId("p@v1", "0" * 64)),
            found=findings,
            tenant=st.text("ab \"\\'é;,", min_size=1).filter(str.strip),
            nano=counts,
            tokens=counts,
        ),
        subjects=st.lists(st.text("abc/-:", min_size=1)).map(tuple),
        admitted_at=st.just(NOW),
        generation=st.integers(-1, 5),
    ),
    ending=st.sampled_from(list(Ending)),
    nano=counts,
    usage=st.none() | st.builds(Usage, input=counts, output=counts, reasoning=counts),
    estimated=st.booleans(),
    status=st.none() | st.integers(100, 599),
    error=st.none() | st.text(max_size=20),
    answer=st.none(),
    findings=findings,
    retry_after=st.none() | st.floats(0, 1e6),
)


def an_entry(nano: int = 5) -> Entry:
    return Entry(Hold(order(), ("credits/total",), NOW), Ending.SETTLED, nano, Usage(input=3))


@given(entries)
def test_a_line_says_all_of_its_entry(entry: Entry) -> None:
    order = entry.hold.order
    kept = order._replace(cost=None, bound=None, once=None, fingerprint="", guarded=())  # these were for the decision
    assert from_line(to_line(entry).encode())[0] == entry._replace(hold=entry.hold._replace(order=kept))


def test_a_dead_process_leaves_its_entries_to_the_next(tmp_path: Path) -> None:
    dead = Spool(tmp_path / "spool", a_price)
    dead.append([an_entry(1)])
    dead.append([an_entry(2)])
    heir = Spool(tmp_path / "spool", a_price)
    assert heir.adopt() == []  # the owner lives
    dead.release()
    assert [entry.nano for entry in heir.adopt()] == [1, 2]
    heir.clear()
    assert list((tmp_path / "spool").iterdir()) == []


def test_an_adopted_file_has_one_heir(tmp_path: Path) -> None:
    dead = Spool(tmp_path, a_price)
    dead.append([an_entry()])
    dead.release()
    first, second = Spool(tmp_path, a_price), Spool(tmp_path, a_price)
    assert len(first.adopt()) == 1
    assert second.adopt() == []


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    Spool(tmp_path / "spool", a_price).append([an_entry()])
    (file,) = (tmp_path / "spool").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_a_torn_last_line_was_never_acknowledged_and_is_left_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path, a_price)
    spool.append([an_entry(1), an_entry(2)])
    spool.release()
    (file,) = tmp_path.iterdir()
    os.truncate(file, file.stat().st_size - 10)
    assert [entry.nano for entry in Spool(tmp_path, a_price).adopt()] == [1]


def test_a_line_that_is_no_entry_is_kept_aside(tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    file.write_text("nonsense\n" + to_line(an_entry(7)))
    heir = Spool(tmp_path, a_price)
    assert [entry.nano for entry in heir.adopt()] == [7]
    heir.clear()
    (aside,) = tmp_path.iterdir()
    assert aside.read_text() == "nonsense\n"


def test_a_full_spool_takes_nothing_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, a_price, max_bytes=len(to_line(an_entry())) + 20)
    spool.append([an_entry(1)])
    with pytest.raises(SpoolFull, match="reached"):
        spool.append([an_entry(2)])
    spool.release()
    assert [entry.nano for entry in Spool(tmp_path, a_price).adopt()] == [1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_and_is_no_crash(tmp_path: Path) -> None:
    class Full(Spool):
        def _file(self) -> IO[bytes]:
            return Path("/dev/full").open("r+b", buffering=0)

    with pytest.raises(SpoolFull, match="No space left"):
        Full(tmp_path, a_price).append([an_entry()])
