"""The lock is read to the letter and only grows; a folder gives out nothing that is not what was locked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from aikit.errors import PromptChanged, PromptError, PromptInvalid, PromptNotFound
from aikit.prompts.base import Base
from aikit.prompts.folder import PromptFolder, PromptFolders
from aikit.prompts.lock import Locked, appended, read_lock
from aikit.prompts.locking import begin, lock_drafts
from aikit.prompts.shipped import CHECKOUT, OWN, shipped, with_shipped
from aikit.prompts.verifying import Checked, check_folder

DAY = date(2026, 11, 20)
ALONE = Base("nothing")
Made = Callable[..., PromptFolder]


def text(words: str) -> str:
    return f'---\ndescription: {words}\ninput:\n  thread: string\n---\n{{% role "user" %}}\n{words}: {{{{ thread }}}}\n'


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a folder with these versions of `summarize`, locked."""

    def make(*words: str, name: str = "summarize") -> PromptFolder:
        folder = PromptFolder(tmp_path / "prompts")
        for number, content in enumerate(words, start=1):
            path = folder.file(name, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(content), encoding="utf-8")
        lock_drafts(folder, [name], DAY)
        return folder

    return make


def codes(folder: PromptFolder, base: Base = ALONE) -> list[str]:
    return [problem.code for problem in checked(folder, base).problems]


def checked(folder: PromptFolder, base: Base = ALONE) -> Checked:
    found = check_folder(folder, base)
    assert all(problem.remedy and problem.message.endswith(".") for problem in found.problems)
    return found


def rewrite(folder: PromptFolder, change: Callable[[list[str]], list[str]]) -> None:
    """Edit the lines of the lock by hand, its head left alone."""
    lines = folder.lock_text().splitlines()
    head = [line for line in lines if line.startswith("#")]
    body = change([line for line in lines if not line.startswith("#")])
    folder.lock_file().write_text("\n".join(head + body) + "\n", encoding="utf-8")


def test_a_lock_is_written_and_read_the_same() -> None:
    lines = [
        Locked("a", 1, "0" * 64, None, DAY),
        Locked("a", 2, "f" * 64, 1, DAY),
        Locked("b-c_1", 1, "1" * 64, None, DAY),
    ]
    once = appended("", lines[:1])
    lock = read_lock(appended(once, lines[1:]))
    assert [line._replace(line=0) for line in lock.lines] == lines
    assert [line.line for line in lock.lines] == [4, 5, 6]
    assert appended(once, lines[1:]).startswith(once)
    assert read_lock(appended("", lines).replace("\n", "\r\n")) == read_lock(appended("", lines))


def test_what_is_appended_to_a_lock_with_crlf_has_crlf() -> None:
    grown = appended("# head\r\n", [Locked("a", 1, "0" * 64, None, DAY)])
    assert grown == f"# head\r\na v1 {'0' * 64} - 2026-11-20\r\n"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("summarize v1", "this is no line of a lock"),
        (f"summarize  v1 {'0' * 64} - 2026-11-20", "this is no line of a lock"),
        (f"summarize v1 {'0' * 64} - 2026-11-20 ", "this is no line of a lock"),
        (f"Summarize v1 {'0' * 64} - 2026-11-20", "the name can't be read"),
        (f"summarize 1 {'0' * 64} - 2026-11-20", "the version can't be read"),
        (f"summarize v0 {'0' * 64} - 2026-11-20", "the version can't be read"),
        (f"summarize v1 {'0' * 63} - 2026-11-20", "the sha256 can't be read"),
        (f"summarize v1 {'A' * 64} - 2026-11-20", "the sha256 can't be read"),
        (f"summarize v1 {'0' * 64} 0 2026-11-20", "the parent can't be read"),
        (f"summarize v1 {'0' * 64} - 20261120", "the date can't be read"),
        (f"summarize v1 {'0' * 64} - 2026-02-30", "the date can't be read"),
        ("<<<<<<< HEAD", "the mark of a merge conflict"),
    ],
)
def test_a_line_that_is_none_is_named(made: Made, line: str, what: str) -> None:
    folder = made("one")
    rewrite(folder, lambda lines: [*lines, line])
    (problem,) = checked(folder).problems
    assert (problem.code, problem.line) == ("LOCK_UNREADABLE", 5)
    assert problem.message.startswith(f"prompts.lock line 5: {what}")
    for use in (lambda: folder.load("summarize@v1"), lambda: lock_drafts(folder, [], DAY)):
        with pytest.raises(PromptInvalid, match=r"prompts\.lock line 5"):
            use()


def test_a_good_folder_is_found_good(made: Made) -> None:
    folder = made("one", "two")
    found = checked(folder, Base("main", folder.lock_text()))
    assert (found.problems, found.warnings, found.notes, found.locked) == ((), (), (), 2)
    assert [line.parent for line in folder.lock().lines] == [None, 1]
    assert folder.load("summarize@v2").blocks[0].template == "two: {{ thread }}"


def test_a_locked_version_that_was_edited_is_not_loaded(made: Made) -> None:
    folder = made("one", "two")
    folder.file("summarize", 1).write_text(text("other"))
    (problem,) = checked(folder).problems
    assert (problem.code, problem.prompt) == ("PROMPT_CHANGED", "summarize@v1")
    assert "git checkout -- prompts/summarize/v1.prompt" in problem.remedy
    assert "aikit prompt new summarize" in problem.remedy
    with pytest.raises(PromptChanged) as refused:
        folder.load("summarize@v1")
    assert refused.value.remedy == problem.remedy
    assert folder.load("summarize@v2").version == 2


@pytest.mark.parametrize(
    "change", [lambda data: data + b"\n", lambda data: data.replace(b"one", b"One"), lambda _data: b""]
)
def test_a_single_byte_is_a_change(made: Made, change: Callable[[bytes], bytes]) -> None:
    folder = made("one")
    path = folder.file("summarize", 1)
    path.write_bytes(change(path.read_bytes()))
    assert codes(folder) == ["PROMPT_CHANGED"]


def test_a_checkout_with_crlf_is_fine_and_said_to_be(made: Made) -> None:
    folder = made("one", "two")
    before = folder.load("summarize@v2")
    past = folder.lock_text()
    for path in (folder.file("summarize", 1), folder.file("summarize", 2), folder.lock_file()):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    found = checked(folder, Base("main", past))
    assert found.problems == ()
    assert found.notes == (
        "2 files and prompts.lock with CRLF as line ends: read as LF, which is what the hashes are of.",
    )
    assert PromptFolder(folder.path).load("summarize@v2") == before


def test_a_locked_file_that_is_gone_is_named(made: Made) -> None:
    folder = made("one", "two")
    folder.file("summarize", 1).unlink()
    (problem,) = checked(folder).problems
    assert (problem.code, problem.prompt) == ("FILE_MISSING", "summarize@v1")
    assert "git checkout -- prompts/summarize/v1.prompt" in problem.remedy
    with pytest.raises(PromptNotFound, match=r"summarize@v1 is locked, but its file is gone\. Restore it"):
        folder.load("summarize@v1")


def test_a_lock_that_lost_a_line_is_noticed_against_its_past_and_without(made: Made) -> None:
    folder = made("one", "two", "three")
    past = Base("main, at 1234567890", folder.lock_text())
    rewrite(folder, lambda lines: [lines[0], lines[2]])
    found = checked(folder, past)
    assert [problem.code for problem in found.problems] == ["PARENT_MISSING", "LOCK_LOST_A_LINE", "NOT_LOCKED"]
    lost = found.problems[1]
    assert lost.message == "prompts.lock: the line of summarize@v2 is gone. It was there in main, at 1234567890."
    assert lost.remedy.startswith("The lock only grows. Put the line back: summarize v2 ")
    assert codes(folder) == ["PARENT_MISSING", "NOT_LOCKED"]


def test_a_lock_that_was_cut_off_is_noticed_against_its_past(made: Made) -> None:
    folder = made("one", "two")
    past = Base("main", folder.lock_text())
    rewrite(folder, lambda lines: lines[:1])
    assert codes(folder, past) == ["LOCK_LOST_A_LINE"]
    folder.lock_file().unlink()
    assert codes(folder, past) == ["LOCK_LOST_A_LINE"] * 2


def test_a_line_that_was_edited_along_with_its_file_is_noticed(made: Made) -> None:
    folder = made("one")
    past = Base("main", folder.lock_text())
    folder.file("summarize", 1).write_text(text("other"))
    sha256 = folder.draft("summarize", 1).sha256
    rewrite(folder, lambda lines: [lines[0].replace(lines[0].split()[2], sha256)])
    assert codes(folder) == []
    (problem,) = checked(folder, past).problems
    assert problem.code == "LOCK_LOST_A_LINE"
    assert "was changed, now in line 4" in problem.message


def test_a_reordered_lock_is_noticed_against_its_past_and_within_a_prompt(made: Made) -> None:
    made("one", "two")
    folder = made("other", name="judge")
    past = Base("main", folder.lock_text())
    rewrite(folder, lambda lines: [lines[2], lines[0], lines[1]])
    (problem,) = checked(folder, past).problems
    assert (problem.code, problem.prompt) == ("LOCK_REORDERED", "judge@v1")
    rewrite(folder, lambda lines: [lines[2], lines[1], lines[0]])
    assert "LOCK_REORDERED" in codes(folder)
    assert "LOCK_REORDERED" in codes(folder, past)


def test_what_is_new_may_stand_where_a_merge_has_put_it(made: Made) -> None:
    made("one")
    folder = made("other", name="judge")
    past = Base("main", folder.lock_text())
    folder.file("judge", 2).write_text(text("mine"))
    lock_drafts(folder, [], DAY)
    rewrite(folder, lambda lines: [lines[0], lines[1], lines[2]])
    assert codes(folder, past) == []


def test_dates_of_a_prompt_do_not_go_back(made: Made) -> None:
    folder = made("one", "two")
    rewrite(folder, lambda lines: [lines[0], lines[1].replace("2026-11-20", "2026-11-19")])
    (problem,) = checked(folder).problems
    assert "summarize@v2 stands below summarize@v1, whose date is later" in problem.message


def test_a_version_that_was_locked_twice_says_how_to_resolve_it(made: Made) -> None:
    folder = made("one", "two")
    rewrite(folder, lambda lines: [*lines, f"summarize v2 {'0' * 64} v1 2026-11-20"])
    (problem,) = checked(folder).problems
    assert (problem.code, problem.prompt, problem.line) == ("LOCKED_TWICE", "summarize@v2", 6)
    assert (
        problem.message == "summarize@v2 is locked twice, in lines 5 and 6 of prompts.lock: two branches have added it."
    )
    assert "Save the other content as prompts/summarize/v3.prompt" in problem.remedy
    with pytest.raises(PromptInvalid, match="has two contents for summarize@v2, in lines 5 and 6"):
        folder.load("summarize@v2")


def test_a_version_that_the_base_has_twice_is_resolved_by_keeping_one(made: Made) -> None:
    folder = made("one", "two")
    past = Base("main", folder.lock_text() + f"summarize v2 {'0' * 64} v1 2026-11-20\n")
    assert codes(folder, past) == []
    rewrite(folder, lambda lines: lines[:1])
    assert codes(folder, past).count("LOCK_LOST_A_LINE") == 2


def test_a_file_with_the_marks_of_a_merge_conflict_is_not_locked(made: Made) -> None:
    folder = made("one")
    folder.file("summarize", 2).write_text(text("one") + "<<<<<<< HEAD\nmine\n=======\ntheirs\n>>>>>>> theirs\n")
    with pytest.raises(PromptInvalid, match=r"v2\.prompt line 8: here begins a merge conflict"):
        lock_drafts(folder, [], DAY)
    assert codes(folder) == ["PROMPT_INVALID"]
    folder.file("summarize", 2).write_text(text("one") + "A heading\n=======\n")
    assert codes(folder) == []


def test_a_parent_that_is_not_there_is_named(made: Made) -> None:
    folder = made("one")
    rewrite(folder, lambda lines: [lines[0].replace(" - ", " v7 ")])
    (problem,) = checked(folder).problems
    assert (problem.code, problem.line) == ("PARENT_MISSING", 4)


def test_a_draft_is_only_a_candidate(made: Made) -> None:
    folder = made("one")
    folder.file("summarize", 2).write_text(text("two"))
    assert folder.candidate("summarize").version == 2
    with pytest.raises(
        PromptNotFound, match=r"summarize@v2 is a draft: it is not locked\. `aikit prompt lock summarize`"
    ):
        folder.load("summarize@v2")
    found = checked(folder)
    assert (found.problems, found.drafts) == ((), ("summarize@v2",))
    assert found.warnings == ("summarize@v2 is a draft: `aikit prompt lock summarize` locks it.",)
    folder.file("summarize", 2).write_text(text("edited"))
    assert folder.candidate("summarize").blocks[0].template == "edited: {{ thread }}"
    (line,) = lock_drafts(folder, [], DAY)
    assert (line.id, line.parent) == ("summarize@v2", 1)
    assert folder.load("summarize@v2") == folder.candidate("summarize")


def test_a_candidate_that_is_locked_is_verified_too(made: Made) -> None:
    folder = made("one")
    folder.file("summarize", 1).write_text(text("other"))
    with pytest.raises(PromptChanged):
        folder.candidate("summarize")


def test_nothing_is_locked_if_one_draft_is_wrong(made: Made) -> None:
    folder = made("one")
    folder.file("summarize", 2).write_text(text("two"))
    folder.file("summarize", 3).write_text("nothing")
    before = folder.lock_text()
    with pytest.raises(PromptInvalid, match=r"prompts/summarize/v3\.prompt line 1"):
        lock_drafts(folder, [], DAY)
    assert folder.lock_text() == before
    assert codes(folder) == ["PROMPT_INVALID"]


def test_a_gap_below_what_is_locked_can_not_be_filled(made: Made) -> None:
    folder = made("one")
    begun, _ = begin(folder, "summarize")
    begun.rename(folder.file("summarize", 5))
    lock_drafts(folder, [], DAY)
    folder.file("summarize", 3).write_text(text("late"))
    assert codes(folder) == ["NOT_LOCKED"]
    with pytest.raises(PromptInvalid, match=r"summarize@v3 can't be locked: v5 is locked already\. .* call it v6"):
        lock_drafts(folder, [], DAY)


def test_a_new_version_is_a_copy_and_never_reuses_a_number(made: Made) -> None:
    folder = made("one", "two")
    path, source = begin(folder, "summarize")
    assert (path.name, source, path.read_text()) == ("v3.prompt", 2, text("two"))
    path.unlink()
    folder.file("summarize", 2).unlink()
    path, source = begin(folder, "summarize", made_from=1)
    assert (path.name, source, path.read_text()) == ("v3.prompt", 1, text("one"))
    with pytest.raises(PromptNotFound, match="There is no prompt summarize@v9"):
        begin(folder, "summarize", made_from=9)


def test_the_first_version_is_a_template_that_can_be_used(tmp_path: Path) -> None:
    folder = PromptFolder(tmp_path / "prompts")
    path, source = begin(folder, "greet")
    assert (path, source) == (folder.file("greet", 1), None)
    assert folder.candidate("greet").description == "What greet is for, in a sentence."
    assert (folder.names(), codes(folder)) == (["greet"], [])


def test_files_that_nobody_would_find_are_named(made: Made) -> None:
    folder = made("one")
    for stray in ("summarize/V2.prompt", "summarize/v02.prompt", "Judge/v1.prompt", "loose.prompt"):
        path = folder.path / stray
        path.parent.mkdir(exist_ok=True)
        path.write_text(text("stray"))
    found = checked(folder).problems
    assert {problem.code for problem in found} == {"NOT_A_VERSION"}
    assert len(found) == 4


def test_what_is_not_there_is_told_what_is(made: Made) -> None:
    folder = made("one")
    for ref, words in {
        "summarize@v9": r"There is no prompt summarize@v9 in prompts/\. There is v1\.",
        "sumarize@v1": r"There is no prompt sumarize@v1 in prompts/\. Did you mean summarize\?",
        "zzz@candidate": r"There is no prompt zzz@candidate in prompts/\. There is summarize\.",
        "summarize@production": "Where summarize@production points to is not in files",
    }.items():
        with pytest.raises(PromptNotFound, match=words):
            folder.load(ref)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    folder = PromptFolder(tmp_path / "nowhere")
    assert (folder.names(), codes(folder), folder.find("summarize", 1)) == ([], [], None)
    with pytest.raises(PromptNotFound, match="`aikit prompt new summarize` begins one"):
        folder.load("summarize@v1")


def test_a_running_process_keeps_the_content_that_it_has_verified(made: Made) -> None:
    folder = made("one")
    before = folder.load("summarize@v1")
    folder.file("summarize", 1).write_text(text("other"))
    assert folder.load("summarize@v1") == before
    with pytest.raises(PromptChanged):
        PromptFolder(folder.path).load("summarize@v1")


def test_a_name_belongs_to_the_application_with_all_of_its_versions(made: Made, tmp_path: Path) -> None:
    own = made("one", name="summarize")
    both = with_shipped(own.path)
    assert both.load("summarize@v1").description == "one"
    with pytest.raises(PromptError, match=r"There is no prompt summarize@v2 in prompts/\. There is v1\."):
        both.load("summarize@v2")
    assert both.find("summarize", 2) is None
    assert both.load("judge@v1") == shipped().load("judge@v1")
    assert both.newest("judge") == shipped().newest("judge")
    assert PromptFolders([PromptFolder(tmp_path / "none"), shipped()]).names() == shipped().names()


def test_what_ships_is_the_kit_s_own_and_no_example() -> None:
    assert shipped().names() == sorted(OWN)
    assert shipped().find("summarize", 1) is None


def test_the_prompts_that_ship_are_locked_and_good() -> None:
    folder = PromptFolder(CHECKOUT)
    assert checked(folder).problems == ()
    assert checked(folder).drafts == ()
    assert folder.names() == ["claims", "judge", "setup_agent", "summarize", "verdict"]
    for name in folder.names():
        for version in folder.versions(name):
            found = folder.load(f"{name}@v{version}")
            assert found.inputs["additionalProperties"] is False
            calls_tools = (name, version) == ("setup_agent", 2)
            assert found.output is not None or name == "summarize" or calls_tools
