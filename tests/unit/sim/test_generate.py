"""The simulated model: the same request has the same answer, and limits and wishes are kept to the token."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from aikit.sim.api import Ask
from aikit.sim.generate import MAX_PIECES, generate, words_of
from aikit.sim.wish import NO_WISH, Wish
from aikit.types import Usage

ASK = Ask(model="m", body={}, prompt="hello", last_user_text="hello", input=Usage(input=1))
TOKENS = st.integers(0, 3_000)


@given(prompt=st.text(), model=st.text(min_size=1), reasons=st.booleans())
def test_the_answer_is_a_function_of_the_request_and_says_that_it_is_simulated(
    prompt: str, model: str, reasons: bool
) -> None:
    ask = replace(ASK, prompt=prompt, model=model, reasons=reasons)
    made = generate(ask, NO_WISH)
    assert made == generate(ask, NO_WISH)
    assert "simulated" in made.text
    assert not made.cut
    assert made.usage.output == len(words_of(made.text))
    assert (made.usage.reasoning > 0) is reasons


@given(limit=st.integers(1, 200), reasons=st.booleans(), choices=st.integers(1, 3))
def test_the_output_limit_is_never_exceeded_and_cutting_is_said(limit: int, reasons: bool, choices: int) -> None:
    ask = replace(ASK, reasons=reasons, choices=choices)
    free, limited = generate(ask, NO_WISH), generate(replace(ask, max_tokens=limit), NO_WISH)
    assert limited.usage.output_tokens == min(free.usage.output_tokens, limit * choices)
    assert limited.cut is (free.usage.output_tokens > limit * choices)
    assert free.text.startswith(limited.text)


@given(output=TOKENS, reasoning=TOKENS)
def test_dictated_usage_is_kept_and_its_text_is_as_long_as_its_output(output: int, reasoning: int) -> None:
    usage = Usage(input=5, output=output, reasoning=reasoning)
    made = generate(replace(ASK, max_tokens=1), Wish(usage=usage))
    assert made.usage == usage
    assert len(words_of(made.text)) == output
    assert made.cut is (output + reasoning >= 1)


@given(text=st.text(max_size=300))
def test_dictated_text_comes_word_for_word(text: str) -> None:
    assert generate(ASK, Wish(text=text)).text == text


@given(output=TOKENS)
def test_usage_grows_with_each_piece_from_the_input_alone_to_the_whole(output: int) -> None:
    made = generate(ASK, Wish(usage=Usage(input=9, output=output, reasoning=4)))
    assert len(made.pieces) <= MAX_PIECES
    steps = [made.usage_after(pieces) for pieces in range(len(made.pieces) + 1)]
    assert [step.output for step in steps] == sorted(step.output for step in steps)
    assert steps[-1] == made.usage
    if made.pieces:
        assert steps[0] == Usage(input=9, reasoning=4)
