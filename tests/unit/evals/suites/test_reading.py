"""Suites are read from files whole or not at all, and every mistake is told by file, line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aikit.errors import ConfigError, Exit
from aikit.evals.model import GateRule
from aikit.evals.suites.reading import list_suites, read_suite, read_suites
from aikit.prompts.model import Ref

CASE = '{"id": "one", "vars": {"thread": "Ann paid."}, "expected": "paid", "context": "Ann paid."}'
SUITE = """
prompt: summarize@candidate
scorers:
  equals:
""".lstrip()


def written(folder: Path, suite: str = SUITE, cases: str = CASE, name: str = "talk") -> Path:
    path = folder / f"{name}.eval.yaml"
    path.write_text(suite, encoding="utf-8")
    (folder / f"{name}.cases.jsonl").write_text(cases, encoding="utf-8")
    return path


def told(folder: Path, suite: str = SUITE, cases: str = CASE) -> str:
    with pytest.raises(ConfigError) as caught:
        read_suite(written(folder, suite, cases))
    assert caught.value.exit is Exit.USAGE
    return str(caught.value)


def test_everything_that_can_be_stated_is_read(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "these.jsonl").write_text(
        '{"id": "a.b-1", "vars": {"thread": "x"}, "expected": {"a": [1]}, "context": "y", "tags": ["t"],'
        ' "critical": true}\n\n{"id": "b", "expected": 0}\n'
    )
    path = written(
        tmp_path,
        """
description: What it is for.
prompt: summarize@v2
model: openai/gpt-4.1-mini
parameters: {max_tokens: 300, temperature: 0.5, extra: {seed: 7}}
cases: more/these.jsonl
trials: 3
budget_usd: "0.10"
concurrency: 8
scorers:
  right:
    use: equals
    json: true
    gate: {min: 0.9}
  cost:
    gate: {max: 0.01, max_drop: 0.002}
  latency:
""",
    )
    suite = read_suite(path)
    assert (suite.name, suite.path, suite.cases_path) == ("talk", path, tmp_path / "more" / "these.jsonl")
    assert suite.description == "What it is for."
    assert (suite.prompt, suite.target, suite.model) == (Ref("summarize", version=2), None, "openai/gpt-4.1-mini")
    assert suite.parameters == {"max_tokens": 300, "temperature": 0.5, "extra": {"seed": 7}}
    assert (suite.trials, suite.budget_nano, suite.concurrency) == (3, 100_000_000, 8)
    assert [(spec.name, spec.use, dict(spec.options), spec.gate, spec.line) for spec in suite.scorers] == [
        ("right", "equals", {"json": True}, GateRule(min=0.9), 11),
        ("cost", "cost", {}, GateRule(max=0.01, max_drop=0.002), 15),
        ("latency", "latency", {}, None, 17),
    ]
    first, second = suite.cases
    assert (first.id, first.vars, first.expected, first.context) == ("a.b-1", {"thread": "x"}, {"a": [1]}, "y")
    assert (first.tags, first.critical, first.line, second.line) == (("t",), True, 1, 3)
    assert (second.expected, second.critical, second.context) == (0, False, None)


def test_what_is_not_stated_has_its_default(tmp_path: Path) -> None:
    suite = read_suite(written(tmp_path))
    assert (suite.trials, suite.budget_nano, suite.concurrency, suite.model, dict(suite.parameters)) == (
        1,
        None,
        None,
        None,
        {},
    )
    assert suite.prompt == Ref("summarize", label="candidate")


def test_what_is_stated_of_a_scorer_can_be_written_as_json(tmp_path: Path) -> None:
    """It is hashed: whoever compares runs must be able to write it down."""
    scorer = "  j: {use: llm_judge, model: a/b, task: t, rubric: [x, {criterion: y, weight: 2}], prompt: own@v2}\n"
    (spec,) = read_suite(written(tmp_path, f"prompt: summarize@v1\nscorers:\n{scorer}")).scorers
    assert json.loads(json.dumps(spec.options)) == {
        "model": "a/b",
        "task": "t",
        "rubric": [{"criterion": "x", "weight": 1.0}, {"criterion": "y", "weight": 2.0}],
        "prompt": "own@v2",
    }


HEAD = "prompt: summarize@v1\nscorers:\n"
MISTAKES = {
    "no mapping": ("- a", "talk.eval.yaml line 1: the suite has no fields. Write prompt: NAME@candidate"),
    "no YAML": ("prompt: [", "line 1: the suite is not YAML"),
    "an unknown field": (
        "promt: a@v1\n" + SUITE,
        "line 1, promt: is not a field here. Did you mean prompt? Known: description, prompt, target",
    ),
    "a field twice": (SUITE + "prompt: a@v1", "line 4: prompt is there twice, first in line 1. Keep one of them."),
    "a scorer twice": (SUITE + "  equals: {}", "line 4: scorers.equals is there twice, first in line 3."),
    "an alias": (HEAD + "  equals: &x {}\n  b: *x", "line 4: scorers.b is an alias (*)."),
    "neither prompt nor target": ("scorers: {cost: }", "line 1: it names neither a prompt nor a target."),
    "both": (SUITE + "target: a:b", "line 4, target: is there beside `prompt`."),
    "a bare prompt": ("prompt: summarize\nscorers: {cost: }", "line 1, prompt: can't be used: 'summarize' names a"),
    "latest": ("prompt: a@latest\nscorers: {cost: }", "line 1, prompt: can't be used: a@latest: there is no latest"),
    "a prompt that is no text": ("prompt: 3\nscorers: {cost: }", "line 1, prompt: is 3. Write NAME@vN"),
    "a target without a function": ("target: a.b\nscorers: {cost: }", 'target: is "a.b". Write module:function'),
    "a model without a provider": (SUITE + "model: gpt", 'line 4, model: is "gpt". Write provider/model'),
    "no scorers": ("prompt: a@v1", "line 1, scorers: is missing."),
    "empty scorers": ("prompt: a@v1\nscorers: {}", "line 2, scorers: is empty. State at least one scorer. Known: eq"),
    "scorers as a list": ("prompt: a@v1\nscorers: [equals]", "line 2, scorers: is a list. Write its fields under it"),
    "an unknown scorer": (
        HEAD + "  levenstein:",
        "line 3, scorers.levenstein: is no kind of scorer, and has no `use`. Did you mean levenshtein? Known: equals,",
    ),
    "an unknown kind": (HEAD + "  a: {use: judge}", "line 3, scorers.a.use: is no kind of scorer. Did you mean llm_j"),
    "a bad scorer name": (HEAD + "  Judge: {use: cost}", 'line 3, scorers.Judge: is "Judge". A name has a to z'),
    "an unknown option": (
        HEAD + "  contains:\n    terms: [a]\n    ignorecase: true",
        "line 5, scorers.contains.ignorecase: is not a field here. Did you mean ignore_case? Known: use, gate, terms",
    ),
    "an option of another type": (HEAD + "  equals: {strip: 1}", "scorers.equals.strip: is 1. Write true or false"),
    "a word that is not among them": (
        HEAD + "  contains: {match: every}",
        'scorers.contains.match: is "every". Known: all, any, none.',
    ),
    "a missing option": (HEAD + "  json_schema:", "line 3, scorers.json_schema.schema: is missing. A JSON Schema"),
    "a bad expression": (HEAD + "  regex: {pattern: '('}", "scorers.regex.pattern: is no regular expression: missing"),
    "a bad schema": (
        HEAD + "  json_schema: {schema: {type: texts}}",
        "scorers.json_schema.schema: can't be used at type: it is no JSON Schema",
    ),
    "an empty gate": (HEAD + "  equals:\n    gate: {}", "line 4, scorers.equals.gate: states nothing. State at least"),
    "a gate above 1": (HEAD + "  equals: {gate: {min: 80}}", "scorers.equals.gate.min: is 80. It must be from 0 to 1."),
    "a gate in words": (HEAD + "  equals: {gate: {min: 80%}}", 'gate.min: is "80%". Write a number from 0 to 1'),
    "an unknown bound": (
        HEAD + "  equals: {gate: {maxdrop: 0.1}}",
        "scorers.equals.gate.maxdrop: is not a field here. Did you mean max_drop? Known: min, max_drop.",
    ),
    "a minimum of cost": (HEAD + "  cost: {gate: {min: 1}}", "scorers.cost.gate.min: is not a field here."),
    "no trials": (SUITE + "trials: 0", "line 4, trials: is 0. It must be from 1 to 20."),
    "too many trials": (SUITE + "trials: 21", "trials: is 21. It must be from 1 to 20."),
    "trials in parts": (SUITE + "trials: 1.5", "trials: is 1.5. Write a whole number from 1 to 20"),
    "truth as a number": (SUITE + "trials: true", "trials: is true. Write a whole number"),
    "a budget as a number": (SUITE + "budget_usd: 1.10", 'budget_usd: is 1.1. Put it in quotes: "1.1".'),
    "a budget in words": (SUITE + "budget_usd: a lot", 'budget_usd: is "a lot". Write dollars as digits'),
    "no concurrency": (SUITE + "concurrency: 0", "concurrency: is 0. It must be from 1"),
    "an unknown parameter": (
        SUITE + "parameters: {maxtokens: 1}",
        "parameters.maxtokens: is not a field here. Did you mean max_tokens? Known: max_tokens, temperature, extra.",
    ),
    "cases elsewhere": (SUITE + "cases: /etc/a.jsonl", 'cases: is "/etc/a.jsonl". Write a path beside this file'),
    "cases that are not there": (
        SUITE + "cases: other.jsonl",
        "/other.jsonl, the cases of ",
    ),
    "a judge without a rubric": (
        HEAD + "  llm_judge: {model: a/b, task: t}",
        "line 3, scorers.llm_judge: has no rubric. State `rubric`, which judge@v1 asks for, or a `prompt` of your own.",
    ),
    "a scale upside down": (
        HEAD + "  llm_judge: {model: a/b, prompt: p@v1, scale: {from: 5, to: 1}}",
        "scorers.llm_judge: has a scale that does not rise. Write scale: {from: 1, to: 5}.",
    ),
    "a criterion without a text": (
        HEAD + "  llm_judge: {model: a/b, task: t, rubric: [x, {weight: 2}]}",
        "scorers.llm_judge.rubric[1].criterion: is missing.",
    ),
    "a value that is no text": (HEAD + "  equals: {value: 3}", "scorers.equals: has a value that is no text. Add `js"),
    "a source that is no var": (HEAD + "  grounding: {source: thread}", 'source: is "thread". Write context, or vars.'),
}


@pytest.mark.parametrize(("suite", "wanted"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_suite_is_told(tmp_path: Path, suite: str, wanted: str) -> None:
    assert wanted in told(tmp_path, suite)


CASE_MISTAKES = {
    "nothing": ("", "talk.cases.jsonl line 1: there are no cases. Write one a line"),
    "blank lines": ("\n \n\n", "line 1: there are no cases."),
    "no JSON": (
        CASE + "\n{",
        "line 2: this is not JSON: Expecting property name enclosed in double quotes (col",
    ),
    "several lines": ('{"id": "a",\n"vars": {}}', "line 1: this is not JSON"),
    "no object": ("[1]", "line 1: this is no JSON object."),
    "a comment": ("// first\n" + CASE, "line 1: this is a comment, and JSON has none. Say it in `tags`"),
    "no id": ('{"vars": {}}', "line 1, id: is missing. The case's name"),
    "a bad id": ('{"id": "Late Fee"}', 'line 1, id: is "Late Fee". An id has a to z'),
    "an id that is no text": ('{"id": 7}', "line 1, id: is 7."),
    "an id twice": (f"{CASE}\n\n{CASE}", "line 3, id: one is also in line 1. Give it an id of its own."),
    "a key twice": ('{"id": "a", "vars": {"x": 1, "x": 2}}', "line 1: x is there twice."),
    "an unknown field": (
        '{"id": "a", "expect": 1}',
        "line 1, expect: is not a field here. Did you mean expected? Known: id, vars, expected, context, tags, crit",
    ),
    "vars that are no object": ('{"id": "a", "vars": "x"}', 'line 1, vars: is "x".'),
    "a context that is no text": ('{"id": "a", "context": 1}', "line 1, context: is 1."),
    "an empty context": ('{"id": "a", "context": " "}', "line 1, context: is empty."),
    "tags that are no list": ('{"id": "a", "tags": "x"}', 'line 1, tags: is "x". Write a list of words'),
    "a tag that is no word": ('{"id": "a", "tags": ["ok", "a b"]}', 'line 1, tags[1]: is "a b".'),
    "critical in words": ('{"id": "a", "critical": "yes"}', 'line 1, critical: is "yes". Write true or false'),
    "no number": ('{"id": "a", "expected": NaN}', "line 1: NaN is no number that JSON has."),
    "half a character": ('{"id": "a", "expected": "\\ud800"}', "line 1: there is half of a character"),
    "endless nesting": ('{"id": "a", "vars": {"x": ' + "[" * 100_000 + "]" * 100_000 + "}}", "line 1: this can't be"),
}


@pytest.mark.parametrize(("cases", "wanted"), CASE_MISTAKES.values(), ids=CASE_MISTAKES)
def test_a_mistake_in_a_case_is_told(tmp_path: Path, cases: str, wanted: str) -> None:
    assert wanted in told(tmp_path, cases=cases)


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_suite(written(tmp_path, "trials: 0\nprompt: a\nmodle: x\nscorers: {}\n"))
    lines = [problem.split(", ")[0].rpartition(" ")[2] for problem in caught.value.facts["problems"]]
    assert lines == ["1", "2", "3", "4"]
    assert "has 4 problems:" in str(caught.value)


def test_many_mistakes_are_counted_and_not_all_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_suite(written(tmp_path, cases="\n".join(["{}"] * 30)))
    assert len(caught.value.facts["problems"]) == 30
    assert "and 20 more" in str(caught.value)


NEEDS = {
    "equals": ("  equals:", {"expected": 3}, "`expected` as a text"),
    "equals as JSON": ("  equals: {json: true}", {}, "`expected`"),
    "levenshtein": ("  levenshtein:", {"expected": None}, "`expected` as a text"),
    "similarity": ("  similarity:", {}, "`expected` as a text"),
    "contains": ("  contains:", {"expected": ["a", ""]}, "`expected` as a text or a list of texts"),
    "regex": ("  regex:", {"expected": "("}, "`expected` as a regular expression"),
    "grounding": ("  grounding:", {}, "`context`"),
    "grounding in a var": ("  grounding: {source: vars.t}", {"vars": {"t": ["x"]}}, "`vars.t` as a text"),
    "faithfulness": ("  faithfulness: {model: a/b}", {}, "`context`"),
}


@pytest.mark.parametrize(("scorer", "case", "need"), NEEDS.values(), ids=NEEDS)
def test_a_case_without_what_a_scorer_needs_is_told_before_anything_runs(
    tmp_path: Path, scorer: str, case: dict[str, object], need: str
) -> None:
    cases = CASE + "\n" + json.dumps({"id": "short", **case})
    message = told(tmp_path, f"# first\n{HEAD}{scorer}", cases)
    name = scorer.strip().split(":")[0]
    wanted = f"talk.eval.yaml line 4, scorers.{name}: needs {need}, which is not in "
    assert wanted in message
    assert "short (line 2)" in message


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"prompt: a@v1\n\xff")
    with pytest.raises(ConfigError, match=r"talk\.eval\.yaml line 2: this is not UTF-8"):
        read_suite(path)


def test_a_suite_with_windows_line_ends_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + SUITE.replace("\n", "\r\n").encode())
    (tmp_path / "talk.cases.jsonl").write_bytes((CASE + "\r\n").encode())
    assert [spec.line for spec in read_suite(path).scorers] == [3]


class TestFolder:
    def test_suites_are_listed_by_name(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            written(tmp_path, name=name)
        (tmp_path / "notes.md").write_text("")
        assert list(list_suites(tmp_path)) == ["a", "b"]
        assert [suite.name for suite in read_suites(tmp_path)] == ["a", "b"]
        assert [suite.name for suite in read_suites(tmp_path, ["b", "b"])] == ["b"]

    def test_an_unknown_suite_is_told_with_the_nearest_one(self, tmp_path: Path) -> None:
        written(tmp_path)
        with pytest.raises(ConfigError, match=r"There is no suite 'talks' in .*Did you mean talk\? Known: talk\."):
            read_suites(tmp_path, ["talks"])

    def test_a_folder_without_suites_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="There are no suites in"):
            read_suites(tmp_path / "none")

    @pytest.mark.parametrize("name", ["talk.eval.yml", "talk.EVAL.YML", "talk.evals.yaml", "talk.eval.json"])
    def test_a_file_that_looks_like_a_suite_is_never_passed_over(self, tmp_path: Path, name: str) -> None:
        written(tmp_path)
        (tmp_path / name).write_text(SUITE)
        with pytest.raises(ConfigError, match=r"is no suite: their names end in \.eval\.yaml\. Call it talk\."):
            list_suites(tmp_path)

    def test_a_suite_whose_name_can_not_be_written_on_a_command_line_is_told(self, tmp_path: Path) -> None:
        written(tmp_path, name="My talk")
        with pytest.raises(ConfigError, match="'My talk' can't be the name of a suite"):
            list_suites(tmp_path)
