"""Secrets are found in all the forms that they come in, and called by their names."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from aikit.setup.agent.redacting import Redactor
from aikit.setup.model import Choices
from support.agent_sessions import place_at

KEY = "k/3+9=canary&Zq8 'x\""


@pytest.mark.parametrize(
    "form",
    [KEY, quote(KEY, safe=""), quote(KEY), json.dumps(KEY)[1:-1], base64.b64encode(KEY.encode()).decode()],
)
def test_a_known_secret_is_replaced_in_every_form(form: str) -> None:
    redactor = Redactor()
    redactor.learn("THE_KEY", KEY)
    assert "[THE_KEY]" in redactor.clean(f"before {form} after")
    assert form.rstrip("=") not in redactor.clean(f"before {form} after")


def test_it_knows_the_environment_the_env_file_the_settings_and_what_was_typed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SHOP_PASSWORD='from-the-file-77'\nPLAIN=x9-also-here-31\n")
    choices = Choices(database_url="postgresql://me:typed-pass-5@h/x", keys={"OPENAI_API_KEY": "typed-key-42-abc"})
    environ = {
        "MY_TOKEN": "from-the-environment-1",
        "DATABASE_URL": "postgresql://u:url-pass-8@host/db",
        "CONN_DSN": "host=h password='dsn-pass-6' user=x",
    }
    redactor = Redactor()
    redactor.learn_place(place_at(tmp_path, environ, choices))
    for value in (
        "from-the-file-77",
        "x9-also-here-31",
        "from-the-environment-1",
        "url-pass-8",
        "typed-pass-5",
        "typed-key-42-abc",
        "dsn-pass-6",
    ):
        assert value not in redactor.known(f"a {value} b"), value


def test_settings_that_cant_be_read_do_not_keep_it_from_knowing_the_rest(tmp_path: Path) -> None:
    place = place_at(tmp_path, {"MY_TOKEN": "from-the-environment-1"})
    (tmp_path / "aikit.toml").write_text("not toml")
    (tmp_path / ".env").write_bytes(b"A_KEY=\xff\xfe")
    redactor = Redactor()
    redactor.learn_place(place)
    assert redactor.known("from-the-environment-1") == "[MY_TOKEN]"


def test_the_longest_secret_goes_first_and_short_values_are_no_secrets() -> None:
    redactor = Redactor()
    redactor.learn("SHORT", "abc")
    redactor.learn("PART", "abcdefgh")
    redactor.learn("WHOLE", "abcdefgh-ijkl")
    assert redactor.known("abcdefgh-ijkl abc") == "[WHOLE] abc"


def test_lines_of_a_key_block_are_known_one_by_one() -> None:
    redactor = Redactor()
    redactor.learn("PEM_KEY", "-----BEGIN X-----\nMIIBVgIBADANBgkqhkiG9w0BAQEFAASC\n-----END X-----")
    assert "MIIBVgIBADANBgkqhkiG9w0BAQEFAASC" not in redactor.known("at MIIBVgIBADANBgkqhkiG9w0BAQEFAASC end")


def test_what_looks_like_a_secret_or_a_persons_data_is_replaced_by_its_kind() -> None:
    cleaned = Redactor().clean("use sk-ant-api03-Qm3nVb7LxZ0pTr5KcW9yHd2sJf8uGa4e and write to ada@example.org")
    assert "Qm3nVb7LxZ0" not in cleaned and "ada@example.org" not in cleaned


def test_json_is_cleaned_to_its_leaves_and_its_names() -> None:
    redactor = Redactor()
    redactor.learn("THE_KEY", "abcdefgh")
    assert redactor.deep({"abcdefgh": [{"x": ("abcdefgh", 1, None)}]}) == {"[THE_KEY]": [{"x": ["[THE_KEY]", 1, None]}]}


def test_a_secret_across_the_cut_is_not_half_shown() -> None:
    redactor = Redactor()
    redactor.learn("THE_KEY", "abcdefghijklmnop")
    assert "abcdef" not in redactor.clean("x" * 19_995 + "abcdefghijklmnop")
