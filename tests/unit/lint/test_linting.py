"""What is found where, what is allowed, and what can't be read."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aikit.lint.linting import Report, lint
from aikit.lint.model import Finding, Project

CLIENT = "import openai\nclient = openai.OpenAI()"


def look(folder: Path, text: str | bytes, name: str = "app.py", **project: Any) -> tuple[Finding, ...]:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return lint([file], folder, replace(Project(), **project)).findings


def open_codes(findings: tuple[Finding, ...]) -> list[str]:
    return [one.code for one in findings if one.reason is None]


def test_a_finding_says_where_in_characters_and_what_to_do(tmp_path: Path) -> None:
    (found,) = look(tmp_path, "import openai\né = 'ü', openai.OpenAI(\n)\n")
    assert (found.where, found.end_line, found.end_column) == ("app.py:2:10", 3, 2)
    assert found.message == "openai.OpenAI(…) makes a client that is not metered."
    assert "kit.wrap(client, tenant=…)" in found.remedy


@pytest.mark.parametrize(
    "comment",
    [
        "# aikit: allow AK001 lists models only",
        "#aikit:allow ak001 lists models only",
        "# aikit: allow AK001, AK003 lists models only",
        "# noqa: E501  # aikit: allow AK001 lists models only # type: ignore",
        "# aikit: allow AK001: lists models only",
    ],
)
def test_a_comment_with_a_reason_allows_it(tmp_path: Path, comment: str) -> None:
    text = f"import os, openai\nclient = openai.OpenAI(api_key=os.environ['OPENAI_API_KEY'])  {comment}"
    findings = look(tmp_path, text)
    client = next(one for one in findings if one.code == "AK001")
    assert client.reason == "lists models only"
    assert ("AK003" in open_codes(findings)) is ("AK003" not in comment)
    assert "AK000" not in open_codes(findings)


def test_a_comment_for_the_file_allows_it_wherever_it_is(tmp_path: Path) -> None:
    findings = look(tmp_path, f"# aikit: allow-file AK001 a script of the operators\n{CLIENT}\nopenai.OpenAI()\n")
    assert [one.reason for one in findings] == ["a script of the operators"] * 2


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        ("# aikit: allow AK001", "it gives no reason"),
        ("# aikit: allow", "it names no rule"),
        ("# aikit: allow everything", "it names no rule"),
        ("# aikit: allow AK123 there is no such rule", "there is no rule AK123"),
        ("# aikit: allow AK002 another rule", "AK002 is not found here"),
        ("# aikit: allow AK000 of itself", "AK000 is not found here"),
    ],
)
def test_a_comment_that_allows_nothing_is_found_itself(tmp_path: Path, comment: str, why: str) -> None:
    findings = look(tmp_path, f"{CLIENT}  {comment}\n")
    assert open_codes(findings) == ["AK001", "AK000"]
    assert findings[1].message == f"This comment allows nothing: {why}."


def test_a_comment_in_a_text_is_none(tmp_path: Path) -> None:
    assert look(tmp_path, 'text = """\n# aikit: allow AK001\n"""\n') == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"def (\n", "invalid syntax"),
        (b"print 'as in Python 2'\n", "Missing parentheses"),
        (b"\xff\xfe\x00", "it is no text"),
        (b"x = '\xe4'\n", "it is no text"),
        (b"# coding: nonsense\n", "it is no text"),
        (b"x = 1\0\n", "null bytes"),
        (b"import openai\nx = " + b"(" * 5000 + b")" * 5000, ""),
        (b"import openai\nx = " + b"-" * 200_000 + b"1", ""),
        (b"import openai\nx = " + b"1" + b"+1" * 3_000, ""),
    ],
    ids=["syntax", "python2", "utf16", "latin1", "coding", "nul", "brackets", "signs", "sums"],
)
def test_a_file_that_cant_be_read_is_a_finding_and_no_crash(tmp_path: Path, data: bytes, why: str) -> None:
    findings = look(tmp_path, data)
    if why:
        assert [one.code for one in findings] == ["AK009"]
        assert why in findings[0].message
    else:
        assert {one.code for one in findings} <= {"AK009"}


def test_a_file_is_decoded_as_python_does(tmp_path: Path) -> None:
    coded = b"# -*- coding: latin-1 -*-\nimport openai\nname = '\xe4', openai.OpenAI()\n"
    assert open_codes(look(tmp_path, coded)) == ["AK001"]
    assert open_codes(look(tmp_path, b"\xef\xbb\xbf" + CLIENT.encode().replace(b"\n", b"\r\n"))) == ["AK001"]


def notebook(*cells: list[str]) -> str:
    code = [{"cell_type": "code", "source": lines} for lines in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# openai.OpenAI()"]}, *code]})


def test_cells_of_a_notebook_are_read_as_one_and_named(tmp_path: Path) -> None:
    text = notebook(["%pip install openai\n", "import openai\n", "!ls"], ["x = 1\n", "client = openai.OpenAI()"])
    (found,) = look(tmp_path, text, "app.ipynb")
    assert found.where == "app.ipynb:cell 3:2:10"


def test_other_languages_in_a_notebook_are_left_out_and_mistakes_are_found(tmp_path: Path) -> None:
    assert look(tmp_path, notebook(["%%bash\n", "for x in 1 2; do echo $x; done"]), "app.ipynb") == ()
    (found,) = look(tmp_path, notebook(["x = 1"], ["def (\n"]), "app.ipynb")
    assert (found.code, found.cell, found.line) == ("AK009", 3, 1)
    assert open_codes(look(tmp_path, "[]", "app.ipynb")) == ["AK009"]
    assert open_codes(look(tmp_path, "{", "app.ipynb")) == ["AK009"]


@pytest.mark.parametrize("name", ["config.py", "app/settings.py", "app/config/keys.py"])
def test_configuration_may_read_keys(tmp_path: Path, name: str) -> None:
    text = "import os\nkey = os.environ['OPENAI_API_KEY']\n"
    assert look(tmp_path, text, name) == ()
    assert open_codes(look(tmp_path, text, "app/main.py")) == ["AK003"]
    assert look(tmp_path, text, "app/main.py", configuration=("app/*.py",)) == ()


def test_variables_and_hosts_of_configured_providers_count(tmp_path: Path) -> None:
    text = 'import os, httpx\nkey = os.environ["MY_KEY"]\nhttpx.get("http://llm.example:8000/v1")\n'
    assert look(tmp_path, text) == ()
    more = {"key_names": frozenset({"MY_KEY"}), "hosts": frozenset({"llm.example:8000"})}
    assert open_codes(look(tmp_path, text, **more)) == ["AK003", "AK002"]


@pytest.mark.parametrize(
    "text",
    [
        "try: import openai\nexcept ImportError: pass\nopenai.OpenAI()",
        "x = 1; from openai import (\n    OpenAI,\n)\nOpenAI()",
        "if True:\n\timport json, openai as o\n\to.OpenAI()",
        "import importlib\nimportlib.import_module('openai').OpenAI()",
        "__import__('openai').OpenAI()",
        "from google import (\n    genai,\n)\ngenai.Client()",
    ],
)
def test_an_import_is_seen_wherever_it_stands(tmp_path: Path, text: str) -> None:
    assert open_codes(look(tmp_path, text)) == ["AK001"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('import httpx\nhttpx.post("https://api." + "openai.com/v1")', ["AK002"]),
        ('import httpx\nBASE = "https://api." + "anthropic.com"\nhttpx.Client(base_url=BASE)', ["AK002"]),
        ('import httpx\nU = {"a": "https://api.openai.com", "b": "https://b.example"}\nhttpx.post(U["a"])', ["AK002"]),
        ('import httpx\nU = {"a": "https://api.openai.com", "b": "https://b.example"}\nhttpx.post(U["b"])', []),
        ('import httpx\nU = {"a": "https://api.openai.com", "b": "https://b.example"}\nhttpx.post(U[name])', ["AK002"]),
        ('from openai import OpenAI\nmade = {"openai": OpenAI, "none": None}[name]()', ["AK001"]),
        ('from openai import OpenAI\nkit.wrap({"openai": OpenAI}[name](), tenant="a")', []),
    ],
)  # fmt: skip
def test_a_url_or_a_class_is_followed_through_a_sum_and_a_dict(tmp_path: Path, text: str, codes: list[str]) -> None:
    assert open_codes(look(tmp_path, text)) == codes


def test_a_default_tenant_can_be_stated(tmp_path: Path) -> None:
    text = 'def f(kit):\n    kit.complete("Hello")\n'
    assert open_codes(look(tmp_path, text)) == ["AK004"]
    assert look(tmp_path, text, default_tenant_ok=True) == ()


@pytest.mark.parametrize("name", ["tests/test_app.py", "evals/run.py", "app/test_it.py"])
def test_tests_and_evals_may_use_candidates(tmp_path: Path, name: str) -> None:
    text = 'def f(kit):\n    kit.prompt("summarize@candidate")\n'
    assert look(tmp_path, text, name) == ()
    assert open_codes(look(tmp_path, text, "app/main.py")) == ["AK007"]


def test_a_package_of_the_project_that_is_called_agents_is_its_own(tmp_path: Path) -> None:
    text = "from agents import Runner\nRunner.run_sync(1)\n"
    assert open_codes(look(tmp_path, text, "app/main.py")) == ["AK008"]
    (tmp_path / "agents").mkdir()
    assert look(tmp_path, text, "app/main.py") == ()


def test_rules_are_selected_after_allowing(tmp_path: Path) -> None:
    findings = look(tmp_path, f"{CLIENT}  # aikit: allow AK001 lists models only\n")
    report = Report(findings, 1)
    assert report.only(frozenset({"AK000"}), frozenset()).findings == ()
    assert report.only(frozenset(), frozenset({"AK001"})).findings == ()


def test_a_thousand_files_take_less_than_two_seconds_of_work(tmp_path: Path) -> None:
    body = "def f{n}(x):\n    return [y + {n} for y in x if y]\n\n\n"
    plain = "import json\nimport logging\n\n\n" + "".join(body.format(n=n) for n in range(25))
    using = f'{plain}\n\ndef ask(kit, text):\n    return kit.complete(text, tenant="acme")\n'
    files = []
    for number in range(1000):
        files.append(tmp_path / f"module{number}.py")
        files[-1].write_text(using if number % 5 == 0 else plain)
    begun = time.process_time()
    report = lint(files, tmp_path, Project())
    assert (report.files, report.findings) == (1000, ())
    assert time.process_time() - begun < 2
