"""Grounding: copies stand in their source wholly, invented sentences do not."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.evals.model import Case
from aikit.evals.scorers.grounding import grounded, words_of
from support.scoring import score

SOURCE = (
    "The invoice 4471 shows a late fee of $35. It was paid on 3 June. "
    "The payment of $420 was booked to invoice 4417 by mistake! Billing has moved it, and the fee is cancelled."
)
INVENTED = "Penguins enjoy marvellous sunshine throughout Antarctica."


def mean(answer: str, source: str = SOURCE) -> float:
    return fmean(share for _, share in grounded(answer, source))


@pytest.mark.parametrize(
    ("answer", "low", "high"),
    [
        (SOURCE, 1, 1),
        ("The fee is cancelled", 1, 1),
        ("the INVOICE 4471 shows a late fee", 1, 1),
        ("It was paid on 3 June. The invoice 4471 shows a late fee of $35.", 1, 1),
        (INVENTED, 0, 0),
        ("The invoice 4471 shows a late fee of $95.", 0.7, 0.95),
        ("June 3 on paid was it", 0.05, 0.5),
        ("Fee", 1, 1),
        ("June fee", 0.2, 0.8),
    ],
)
def test_an_answer_is_grounded_as_far_as_its_words_stand_in_the_source(answer: str, low: float, high: float) -> None:
    assert low <= mean(answer) <= high


def test_each_invented_sentence_lowers_the_score() -> None:
    copies = ["It was paid on 3 June."] * 4
    means = [mean(" ".join(copies[made:] + [INVENTED] * made)) for made in range(5)]
    assert means == pytest.approx([1, 0.75, 0.5, 0.25, 0])


def test_words_from_all_over_the_source_are_no_sentence_of_it() -> None:
    """What stands apart by more than two sentences is not put together."""
    source = "Ann paid the fee. Bob was late. Carl called twice. Dora sent the form to the bank."
    assert mean("Ann paid the form to the bank", source) < 0.8
    assert mean("Ann paid the fee. Bob was late", source) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's $1,250.00, isn't it?", ["it's", "1,250.00", "isn't", "it"]),
        ("Straße ΣΊΣΥΦΟΣ", ["strasse", "σίσυφοσ"]),
        ("東京は大きい。", ["東", "京", "は", "大", "き", "い"]),
        ("ｆｕｌｌ　ｗｉｄｔｈ", ["full", "width"]),
        ("- ... ! 😀", []),
    ],
)
def test_words_are_what_people_take_for_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_an_answer_may_join_two_neighbouring_sentences() -> None:
    source = "Ann paid the fee. Bob was late. Carl called twice."
    joined, apart = "Ann paid the fee Bob was late", "Ann paid the fee Carl called twice"
    assert mean(joined, source) == 1
    assert mean(apart, source) < 0.9


async def test_the_score_is_the_mean_over_the_sentences() -> None:
    found = await score("grounding", f"It was paid on 3 June. {INVENTED}", case=Case("one", context=SOURCE))
    assert found.value == pytest.approx(0.5)


async def test_a_text_without_spaces_is_grounded_by_its_letters() -> None:
    case = Case("one", context="会議は火曜日の午後三時に始まります。場所は大阪です。")
    copied = await score("grounding", "場所は大阪です。", case=case)
    invented = await score("grounding", "全員が笑顔で喜んだ。", case=case)
    assert copied.value == 1
    assert invented.value is not None and invented.value < 0.4


async def test_an_answer_without_words_is_worth_nothing_and_a_source_without_words_is_an_error() -> None:
    assert (await score("grounding", " … ", case=Case("one", context=SOURCE))).value == 0
    assert (await score("grounding", "x", case=Case("one", context="…"))).error == "the source has no words"


async def test_the_source_can_be_one_of_the_vars_and_the_answer_a_field() -> None:
    case = Case("one", vars={"thread": SOURCE}, context=INVENTED)
    found = await score(
        "grounding",
        '{"summary": "It was paid on 3 June."}',
        options={"source": "vars.thread", "field": "summary"},
        case=case,
    )
    assert found.value == 1


async def test_the_sentence_that_stands_least_in_the_source_is_shown() -> None:
    found = await score("grounding", f"It was paid on 3 June. {INVENTED}", case=Case("one", context=SOURCE))
    assert found.why == f"lowest 0.00: {INVENTED}"


WORDS = ["ann", "bob", "paid", "sent", "fee", "form", "bank", "twice", "late", "35", "3,50"]
sentence = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(lambda words: " ".join(words) + ".")
sentences = st.lists(sentence, min_size=1, max_size=8)


@given(sentences, st.data())
@settings(deadline=None)
def test_sentences_of_the_source_are_grounded_wholly(source: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(source), min_size=1, max_size=5))
    assert mean(" ".join(chosen), " ".join(source)) == pytest.approx(1)


@given(sentences, sentences)
@settings(deadline=None)
def test_a_share_is_a_share_and_an_invented_sentence_never_helps(answer: list[str], source: list[str]) -> None:
    whole = " ".join(source)
    before = mean(" ".join(answer), whole)
    assert 0 <= before <= 1
    assert mean(" ".join([*answer, INVENTED]), whole) <= before
