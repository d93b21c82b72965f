"""The page: it needs nothing else, runs nothing, and shows text of others as text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from aikit.evals.model import GateRule
from aikit.evals.reporting.html.page import page
from support.eval_reports import HOSTILE, failing, hostile, outcome_of, passing, unrecorded

VOID = {"meta", "input", "br"}


class Tree(HTMLParser):
    """Which elements there are, how they are nested, and what text is in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_everything_that_is_opened_is_closed() -> None:
    for outcome in (failing(), passing(), unrecorded(), hostile(), outcome_of({}, gates={}, before=None)):
        assert Tree(page([outcome], {})).open == []


def test_it_loads_nothing_and_runs_nothing() -> None:
    tree = Tree(page([failing(), passing()], {"summarize": [failing().run, passing().run]}))
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & {tag for tag, _ in tree.tags}
    for _, attributes in tree.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
        assert (attributes.get("href") or "#").startswith("#")
    style = next(text for tag, text in tree.text if tag == "style")
    assert not re.search(r"url\(|@import", style)
    assert {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"} in (
        tree.all("meta")
    )


def test_text_of_others_is_text() -> None:
    text = page([hostile()], {})
    assert "<script" not in text
    assert "<b>[bold]" not in text
    assert "\x1b" not in text
    assert "\x00" not in text
    answers = [data for tag, data in Tree(text).text if tag == "pre"]
    assert answers[0] == HOSTILE.replace("\x1b", "\ufffd").replace("\x00", "\ufffd")


def test_plots_and_tables_have_names_for_those_who_do_not_see_them() -> None:
    tree = Tree(page([failing()], {"summarize": [passing().run, failing().run]}))
    assert all(svg.get("role") == "img" for svg in tree.all("svg"))
    assert len(tree.all("svg")) == 1 + 2 + 2
    names = [data for tag, data in tree.text if tag == "title"]
    assert "Means: faithfulness 0.71, length 0.99" in names
    assert "faithfulness over 2 runs" in names
    assert len(tree.all("caption")) == 1
    assert {th.get("scope") for th in tree.all("th")} == {"col", "row"}


def test_cases_can_be_found_by_what_they_are() -> None:
    mixed = outcome_of({"faithfulness": [0.2, None, 0.81, *[0.9] * 9], "length": 0.97}, mode="live")
    tree = Tree(page([mixed], {}))
    classes = [str(case["class"]).split()[1] for case in tree.all("details")]
    assert classes == ["failed", "error", "worse", *["fine"] * 9]
    values = [radio["value"] for radio in tree.all("input")]
    assert values == ["all", "failed", "error", "worse", "fine"]


def test_answers_stand_beside_those_of_the_baseline() -> None:
    answers = [data for tag, data in Tree(page([failing()], {})).text if tag == "pre"]
    assert answers[:2] == ["c00 by summarize@v2, trial 0", "c00 by summarize@v3, trial 0"]
    without = [data for tag, data in Tree(page([replace(failing(), then={})], {})).text if tag == "pre"]
    assert without[0] == "c00 by summarize@v3, trial 0"


def test_dollars_have_a_scale_of_their_own() -> None:
    gates = {"faithfulness": GateRule(min=0.8), "cost": GateRule(max_drop=0.0005)}
    before = {"faithfulness": 0.9, "cost": 0.002}
    outcome = outcome_of({"faithfulness": 0.9, "cost": 0.0021}, gates=gates, before=before)
    suite = outcome.suite
    priced = tuple(replace(spec, use=spec.name) if spec.name == "cost" else spec for spec in suite.scorers)
    text = page([replace(outcome, suite=replace(suite, scorers=priced))], {})
    assert "cost $0.0021" in text
    assert "largest rise allowed $0.0025" in text
