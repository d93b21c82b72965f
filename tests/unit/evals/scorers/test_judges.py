"""Judges: what they are asked, what is taken from their answers, and that nonsense is an error and never a score."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from aikit.errors import AIError, SpendCapExceeded
from aikit.evals.model import Case, ModelCall, Role, Score
from aikit.prompts.model import Prompt, Ref
from aikit.prompts.reading import read_prompt
from aikit.prompts.shipped import shipped
from support.scoring import Judges, as_text, score

JUDGE = {
    "model": "openai/judge",
    "task": "Answer the customer.",
    "rubric": ({"criterion": "It is polite.", "weight": 1.0},),
}
FAITHFUL = {"model": "openai/judge"}
CASE = Case("one", vars={"thread": "Ann paid $35."}, context="Ann paid $35. Bob was late.")


class MissingRecording(Exception):
    pass


class Own:
    """A folder with one prompt of the suite's own."""

    def __init__(self, source: str) -> None:
        self.prompt = read_prompt(source, "own", 2)

    def load(self, ref: Ref | str) -> Prompt:
        assert str(ref) == "own@v2"
        return self.prompt


def claims_and(verdict: Any, *claims: str) -> Judges:
    """Judges that list these claims, and say of each what `verdict` does."""

    def say(call: ModelCall) -> Any:
        assert call.prompt is not None
        if call.prompt.id == "claims@v1":
            return as_text({"claims": list(claims)})
        claim = json.loads(call.messages[-1].text.rpartition("Claim: ")[2])
        said = verdict(claim)
        return (
            said
            if isinstance(said, BaseException | str) and said not in WORDS
            else as_text({"verdict": said, "quote": None, "reason": "x"})
        )

    return Judges(say)


WORDS = ("supported", "not_supported", "contradicted")


async def test_a_judge_is_asked_with_the_task_the_rubric_and_the_answer() -> None:
    judges = Judges(lambda call: as_text({"score": 0.75, "reason": "Polite enough."}))
    case = Case("one", vars={"thread": "Hi"}, expected="Good day.")
    found = await score("llm_judge", "Hello.", options={**JUDGE, "parameters": {"temperature": 0.0}}, case=case,
                        judges=judges, trial=2)  # fmt: skip
    assert found == Score(0.75, "Polite enough.")
    (call,) = judges.calls
    assert (call.role, call.model, call.trial) == (Role.JUDGE, "openai/judge", 2)
    assert call.prompt is not None and call.prompt.id == "judge@v1"
    assert call.parameters == {"max_tokens": 500, "temperature": 0.0}
    assert call.schema is not None and call.schema["required"] == ["score", "reason"]
    told = call.messages[-1].text
    assert "It is polite." in told
    assert told.endswith('Answer: "Hello."')
    task = told.partition("Task: ")[2].partition("\n")[0]
    assert json.loads(task) == 'Answer the customer.\n\nIt was given, as JSON: {"thread": "Hi"}'
    assert 'Reference: "Good day."' in told


@pytest.mark.parametrize(("said", "value"), [(1, 0.0), (3, 0.5), (5, 1.0), (4.5, 0.875)])
async def test_a_score_on_a_scale_of_its_own_becomes_a_share(said: float, value: float) -> None:
    own = Own("---\ndescription: d\ninput:\n  answer: string\n---\n{% role 'user' %}\nRate: {{ answer|tojson }}")
    options = {"model": "a/b", "prompt": "own@v2", "scale": {"from": 1.0, "to": 5.0}}
    judges = Judges(lambda call: as_text({"score": said, "reason": "r"}))
    assert (await score("llm_judge", "x", options=options, judges=judges, prompts=own)).value == value


NONSENSE = {
    "no JSON": "I'd say 8 out of 10.",
    "nothing": "",
    "a number alone": "0.8",
    "no reason": '{"score": 0.8}',
    "no score": '{"reason": "good"}',
    "a score in words": '{"score": "0.8", "reason": "good"}',
    "true as a score": '{"score": true, "reason": "good"}',
    "null as a score": '{"score": null, "reason": "good"}',
    "a score above the scale": '{"score": 8, "reason": "good"}',
    "a score below the scale": '{"score": -0.1, "reason": "bad"}',
    "no number": '{"score": NaN, "reason": "good"}',
    "endless": '{"score": Infinity, "reason": "good"}',
    "more than was asked for": '{"score": 1, "reason": "good", "also": 1}',
    "JSON and talk": '{"score": 1, "reason": "good"} Hope that helps!',
    "two answers": '{"score": 1, "reason": "a"}{"score": 0, "reason": "b"}',
    "cut": '{"score": 0.8, "rea',
    "a list": '[{"score": 1, "reason": "good"}]',
    "nested without end": "[" * 100_000,
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
async def test_a_judge_that_answers_nonsense_is_an_error_and_no_low_score(said: str) -> None:
    found = await score("llm_judge", "x", options=JUDGE, judges=Judges(lambda call: said))
    assert found.value is None
    assert found.error is not None and found.error.startswith("judge@v1")


FREE = "---\ndescription: d\ninput: {answer: string}\n---\n{% role 'user' %}\nRate: {{ answer|tojson }}"


@pytest.mark.parametrize("said", [value for name, value in NONSENSE.items() if name != "more than was asked for"])
async def test_nonsense_is_an_error_where_a_prompt_of_ones_own_states_no_schema(said: str) -> None:
    options = {"model": "a/b", "prompt": "own@v2"}
    found = await score("llm_judge", "x", options=options, judges=Judges(lambda call: said), prompts=Own(FREE))
    assert found.value is None
    assert found.error is not None and found.error.startswith("own@v2")


@pytest.mark.parametrize("said", ["{}", '{"verdict": "yes"}', '{"verdict": ["supported"]}', '{"verdict": null}', "[]"])
async def test_a_verdict_by_a_prompt_of_ones_own_is_one_of_three_words(said: str) -> None:
    class Folder(Own):
        def load(self, ref: Ref | str) -> Prompt:
            return self.prompt if str(ref) == "own@v2" else shipped().load(ref)

    source = "---\ndescription: d\ninput: {claim: string}\n---\n{% role 'user' %}\n{{ claim|tojson }}"

    def say(call: ModelCall) -> str:
        assert call.prompt is not None
        return '{"claims": ["a"]}' if call.prompt.id == "claims@v1" else said

    options = {"model": "a/b", "verdict": "own@v2"}
    found = await score("faithfulness", "x", options=options, case=CASE, judges=Judges(say), prompts=Folder(source))
    assert found.value is None
    assert (found.error or "").startswith("own@v2 answered what it may not")


async def test_an_answer_in_one_code_block_is_taken() -> None:
    judges = Judges(lambda call: '```json\n{"score": 1, "reason": "good"}\n```\n')
    assert (await score("llm_judge", "x", options=JUDGE, judges=judges)).value == 1


@pytest.mark.parametrize(
    "raised",
    [
        TimeoutError("no answer in 60 s"),
        AIError(provider="openai", code="OVERLOADED"),
        SpendCapExceeded(),
        ValueError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_judge_that_can_not_be_asked_is_an_error(raised: Exception) -> None:
    for use, options in (("llm_judge", JUDGE), ("faithfulness", FAITHFUL)):
        found = await score(use, "x", options=options, case=CASE, judges=Judges(lambda call: raised))
        assert (found.value, bool(found.error)) == (None, True)


async def test_what_concerns_the_run_as_a_whole_goes_through() -> None:
    for use, options in (("llm_judge", JUDGE), ("faithfulness", FAITHFUL)):
        judges = Judges(lambda call: MissingRecording())
        with pytest.raises(MissingRecording):
            await score(use, "x", options=options, case=CASE, judges=judges, through=(MissingRecording,))
    judges = claims_and(lambda claim: MissingRecording(), "a", "b")
    with pytest.raises(MissingRecording):
        await score("faithfulness", "x", options=FAITHFUL, case=CASE, judges=judges, through=(MissingRecording,))


async def test_a_cancelled_score_is_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        await score("llm_judge", "x", options=JUDGE, judges=Judges(lambda call: asyncio.CancelledError()))


async def test_a_prompt_that_lacks_an_input_is_an_error() -> None:
    own = Own("---\ndescription: d\ninput:\n  other: string\n---\n{% role 'user' %}\n{{ other }}")
    found = await score("llm_judge", "x", options={"model": "a/b", "prompt": "own@v2"}, prompts=own)
    assert "PROMPT_INPUT_INVALID: own@v2 can't be filled in: other is missing" in (found.error or "")


class TestFaithfulness:
    async def test_the_share_of_supported_claims_is_the_score(self) -> None:
        said = {"a": "supported", "b": "not_supported", "c": "contradicted", "d": "supported"}
        judges = claims_and(said.__getitem__, *said)
        found = await score("faithfulness", "a b c d", options=FAITHFUL, case=CASE, judges=judges)
        assert found == Score(0.5, "2 of 4 claims supported; not supported: b; contradicted: c")

    async def test_each_claim_is_held_against_the_source_and_nothing_else(self) -> None:
        judges = claims_and(lambda claim: "supported", "a", "b")
        await score("faithfulness", "the answer", options=FAITHFUL, case=CASE, judges=judges, trial=1)
        claims, *verdicts = judges.calls
        assert 'Text: "the answer"' in claims.messages[-1].text
        assert [call.messages[-1].text for call in verdicts] == [
            f'Source: "Ann paid $35. Bob was late."\nClaim: "{claim}"' for claim in ("a", "b")
        ]
        assert {call.trial for call in judges.calls} == {1}

    async def test_the_source_can_be_one_of_the_vars(self) -> None:
        judges = claims_and(lambda claim: "supported", "a")
        await score("faithfulness", "x", options={**FAITHFUL, "source": "vars.thread"}, case=CASE, judges=judges)
        assert 'Source: "Ann paid $35."' in judges.calls[-1].messages[-1].text

    async def test_verdicts_are_asked_for_at_once(self) -> None:
        judges = claims_and(lambda claim: "supported", *map(str, range(9)))
        await score("faithfulness", "x", options=FAITHFUL, case=CASE, judges=judges)
        assert judges.most_at_once == 9

    async def test_no_claims_are_an_error_unless_abstention_is_allowed(self) -> None:
        for output in ("I can't tell.", "  "):
            found = await score("faithfulness", output, options=FAITHFUL, case=CASE, judges=claims_and(None))
            assert (found.value, "makes no claims" in (found.error or "")) == (None, True)
            allowed = {**FAITHFUL, "abstention": "allow"}
            found = await score("faithfulness", output, options=allowed, case=CASE, judges=claims_and(None))
            assert found == Score(1.0, "it makes no claims")

    async def test_a_claim_that_is_listed_twice_counts_once(self) -> None:
        judges = claims_and(lambda claim: "supported" if claim == "a" else "contradicted", "a", "a", "a", "b")
        assert (await score("faithfulness", "x", options=FAITHFUL, case=CASE, judges=judges)).value == 0.5

    async def test_more_claims_than_may_be_are_an_error(self) -> None:
        judges = claims_and(lambda claim: "supported", *map(str, range(4)))
        found = await score("faithfulness", "x", options={**FAITHFUL, "most_claims": 3}, case=CASE, judges=judges)
        assert "listed 4 claims; 3 are the most" in (found.error or "")
        assert "at most 3;" in judges.calls[0].messages[0].text

    @pytest.mark.parametrize(
        "said",
        ["supported", '{"verdict": "yes", "quote": null, "reason": ""}', '{"verdict": "supported"}', "{}", "null"],
    )
    async def test_one_verdict_that_is_nonsense_is_an_error_of_the_whole(self, said: str) -> None:
        def say(call: ModelCall) -> str:
            if call.prompt is not None and call.prompt.id == "claims@v1":
                return '{"claims": ["a", "b"]}'
            return said if call.messages[-1].text.endswith('"b"') else SUPPORTED

        found = await score("faithfulness", "x", options=FAITHFUL, case=CASE, judges=Judges(say))
        assert found.value is None
        assert (found.error or "").startswith("verdict@v1")

    @pytest.mark.parametrize("said", ['{"claims": "a"}', '{"claims": [""]}', '{"claims": [1]}', '["a"]', "none"])
    async def test_claims_that_are_nonsense_are_an_error(self, said: str) -> None:
        found = await score("faithfulness", "x", options=FAITHFUL, case=CASE, judges=Judges(lambda call: said))
        assert found.value is None
        assert (found.error or "").startswith("claims@v1")


SUPPORTED = '{"verdict": "supported", "quote": null, "reason": "x"}'
