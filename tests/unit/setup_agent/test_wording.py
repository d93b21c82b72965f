"""Plain texts, questions for keys, answers that are keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.setup.agent.wording import asks_for_a_key, looks_like_a_key, plain


@given(st.text(max_size=200))
def test_what_is_shown_is_printable_but_for_line_breaks(text: str) -> None:
    assert all(line.isprintable() for line in plain(text, 100).split("\n"))


def test_lines_stay_lines_and_what_is_too_long_is_cut() -> None:
    assert plain("a\r\nb\tc\n\n\n\nd \x1b[31m", 100) == "a\nb    c\n\nd \ufffd[31m"
    assert plain("abcdef", 3) == "abc … (cut)"


@pytest.mark.parametrize(
    "question",
    [
        "Please paste your API key.",
        "What is the PASSWORD of the database?",
        "Your secret, please",
        "access token?",
        "What stands in .env?",
        "Wie lautet dein Schlüssel?",
        "Quel est votre mot de passe ?",
        "¿Cuál es la contraseña?",
        "пароль?",
        "你的密码是什么？",
    ],
)
def test_questions_for_keys_are_recognised(question: str) -> None:
    assert asks_for_a_key(question)


@pytest.mark.parametrize("question", ["What is the project for?", "Which provider do you use?", "How many users?"])
def test_other_questions_are_none(question: str) -> None:
    assert not asks_for_a_key(question)


@pytest.mark.parametrize(
    "answer",
    [
        "sk-live-91Kd82mXq0LpZw",
        "it is sk-abcdefgh12",
        "AIzaSyA-0123456789abcdefghijklmnopqrstuv",
        "8b1a9953-c461-4296-a827-abf8c47804d7",
        "d41d8cd98f00b204e9800998ecf8427e",
        "postgresql://me:Pw0rdPw0rd@host/db",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ],
)
def test_answers_that_look_like_keys_are_recognised(answer: str) -> None:
    assert looks_like_a_key(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "a shop in Lisbon, 40 users",
        "claude-haiku-4-5-20251001",
        "anthropic/claude-sonnet-4-5",
        "use port 5432 on db1.internal",
        "no, I'd rather keep it at $5 a day",
        "gemini-2.5-flash",
    ],
)
def test_ordinary_answers_are_none(answer: str) -> None:
    assert not looks_like_a_key(answer)


def test_after_a_question_for_a_key_a_shorter_one_is_recognised_too() -> None:
    assert looks_like_a_key("hunter2hunter2", asked=True) and not looks_like_a_key("hunter2hunter2")
    assert not looks_like_a_key("I would rather not", asked=True)
