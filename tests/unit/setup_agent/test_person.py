"""What comes from the person: a yes is a yes, keys are kept back, and leaving is possible everywhere."""

from __future__ import annotations

import pytest

from aikit.setup.agent.person import NO_KEYS_HERE, NOT_PASSED_ON, Left, Person, Verdict
from aikit.setup.agent.redacting import Redactor
from support.agent_sessions import Typist

KEY = "sk-live-91Kd82mXq0LpZw"


def person_of(ui: Typist, *, yes: bool = False) -> Person:
    return Person(ui, Redactor(), yes=yes)


@pytest.mark.parametrize("typed", ["", "y", "Y", "yes", " YES "])
def test_a_yes_is_a_yes(typed: str) -> None:
    assert person_of(Typist(typed)).agrees("go?") == Verdict(True)


@pytest.mark.parametrize(
    ("typed", "said"), [("n", ""), ("No", ""), ("yes please", "yes please"), ("why?", "why?"), ("ya", "ya"), (KEY, "")]
)
def test_anything_else_is_none(typed: str, said: str) -> None:
    assert person_of(Typist(typed)).agrees("go?") == Verdict(False, said)


def test_with_yes_nothing_is_read_and_without_anybody_nothing_is_agreed_to() -> None:
    assert person_of(Typist(), yes=True).agrees("go?") == Verdict(True)
    assert person_of(Typist(interactive=False)).agrees("go?") == Verdict(False)


def test_not_even_yes_types_an_amount() -> None:
    assert person_of(Typist("60"), yes=True).types("type 60:", "60")
    assert not person_of(Typist("y"), yes=True).types("type 60:", "60")
    assert not person_of(Typist(interactive=False), yes=True).types("type 60:", "60")


def test_q_and_the_end_of_input_leave_everywhere() -> None:
    for lines in (["q"], ["Q "], []):
        for act in (
            lambda person: person.turn(),
            lambda person: person.answer("What?"),
            lambda person: person.agrees("go?"),
            lambda person: person.types("type 60:", "60"),
        ):
            with pytest.raises(Left):
                act(person_of(Typist(*lines)))
    for hidden in (["q"], []):
        with pytest.raises(Left):
            person_of(Typist(hidden=hidden)).key("A_KEY")


def test_after_a_question_for_a_key_there_is_a_warning_and_only_then() -> None:
    ui = Typist("no", "no", "no")
    person = person_of(ui)
    person.answer("What is it for?")
    assert ui.notes == []
    person.answer("What is your password?")
    assert ui.notes == [NO_KEYS_HERE]
    person.answer("What is it for?")
    assert ui.notes == [NO_KEYS_HERE]


def test_a_demand_before_the_question_counts_too() -> None:
    ui = Typist("hunter2hunter2", "fine")
    person = person_of(ui)
    person.hear("Have your password ready.")
    assert person.answer("Ready? Type it.") == "fine"
    assert ui.notes == [NO_KEYS_HERE, NOT_PASSED_ON]


def test_three_keys_in_a_row_are_no_answer() -> None:
    assert person_of(Typist(KEY, KEY, KEY)).answer("What?") is None


def test_a_key_is_what_a_key_can_be() -> None:
    for typed in ("has blanks in it", "ünïcode-key-123", "x" * 9_000, "tab\tkey-123456"):
        assert person_of(Typist(hidden=[typed])).key("A_KEY") is None
    assert person_of(Typist(hidden=[f"  {KEY} "])).key("A_KEY") == KEY
    assert person_of(Typist(hidden=[KEY], interactive=False)).key("A_KEY") is None


def test_a_key_that_was_typed_is_known_from_then_on() -> None:
    redactor = Redactor()
    Person(Typist(hidden=["plain-words-only"]), redactor).key("A_KEY")
    assert redactor.known("plain-words-only") == "[A_KEY]"


def test_words_are_passed_on_without_secrets_or_addresses_of_people() -> None:
    words = person_of(Typist("write to ada@example.org\x1b[1m")).turn()
    assert "ada@example.org" not in words and "\x1b" not in words


def test_details_are_set_in() -> None:
    ui = Typist("")
    person_of(ui).agrees("go?", ["first", "second"])
    assert ui.notes == ["  first", "  second"]
