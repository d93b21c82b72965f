"""Settings: the environment goes before .env, .env before aikit.toml; each value says where it came from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from aikit.breaker.model import TUNING
from aikit.breaker.tuning import tuned
from aikit.config import BUILT_IN, Settings, load
from aikit.errors import ConfigError


def written(folder: Path, text: str = "", env: str | None = None, **environ: str) -> Settings:
    """The settings of a folder with this aikit.toml and .env."""
    (folder / "aikit.toml").write_text(text)
    if env is not None:
        (folder / ".env").write_text(env)
    return load(folder / "aikit.toml", environ)


def test_without_anything_there_are_defaults(tmp_path: Path) -> None:
    settings = written(tmp_path)
    assert (settings.environment, settings.database_url) == ("dev", None)
    assert list(settings.providers) == list(BUILT_IN) == ["openai", "anthropic", "gemini"]
    assert not any(provider.configured for provider in settings.providers.values())
    assert set(settings.sources.values()) == {"default"}


def test_each_source_goes_before_the_next(tmp_path: Path) -> None:
    toml = '[database]\nurl = "postgresql://toml/x"'
    assert written(tmp_path, toml).database_url == "postgresql://toml/x"
    dotenv = "DATABASE_URL=postgresql://dotenv/x"
    settings = written(tmp_path, toml, dotenv)
    assert (settings.database_url, settings.sources["database.url"]) == (
        "postgresql://dotenv/x",
        "DATABASE_URL (.env)",
    )
    settings = written(tmp_path, toml, dotenv, DATABASE_URL="postgresql://environ/x")
    assert (settings.database_url, settings.sources["database.url"]) == (
        "postgresql://environ/x",
        "DATABASE_URL (environment)",
    )


def test_how_long_streams_are_drained_is_stated_in_seconds(tmp_path: Path) -> None:
    assert written(tmp_path).drain_seconds == 5
    settings = written(tmp_path, "[streams]\ndrain_seconds = 0")
    assert (settings.drain_seconds, settings.sources["streams.drain_seconds"]) == (0, "aikit.toml")
    assert written(tmp_path, "[streams]\ndrain_seconds = 0", AIKIT_DRAIN_SECONDS="300").drain_seconds == 300


@pytest.mark.parametrize("stated", ["-1", "301", "1.5", "five", "٣", "9" * 5000])
def test_another_time_to_drain_is_refused(tmp_path: Path, stated: str) -> None:
    with pytest.raises(ConfigError, match="AIKIT_DRAIN_SECONDS") as refused:
        written(tmp_path, AIKIT_DRAIN_SECONDS=stated)
    assert "from 0 to 300" in refused.value.remedy
    with pytest.raises(ConfigError, match="drain_seconds"):
        written(tmp_path, f"[streams]\ndrain_seconds = {stated if stated in ('-1', '301', '1.5') else repr(stated)}")


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    settings = written(tmp_path, '[database]\nurl = "postgresql://toml/x"', DATABASE_URL="", OPENAI_API_KEY="")
    assert settings.database_url == "postgresql://toml/x"
    assert not settings.provider("openai").configured


def test_a_key_says_where_it_came_from(tmp_path: Path) -> None:
    settings = written(tmp_path, env="OPENAI_API_KEY=k1\n", ANTHROPIC_API_KEY="k2")
    assert settings.provider("openai").source == "OPENAI_API_KEY (.env)"
    assert settings.provider("anthropic").source == "ANTHROPIC_API_KEY (environment)"
    assert (settings.provider("openai").api_key, settings.provider("openai").configured) == ("k1", True)


def test_a_dollar_in_a_key_is_a_dollar(tmp_path: Path) -> None:
    assert written(tmp_path, env="OPENAI_API_KEY=a$b${c}\n").provider("openai").api_key == "a$b${c}"


def test_secrets_do_not_show(tmp_path: Path) -> None:
    settings = written(tmp_path, '[database]\nurl = "postgresql://joe:hush@db/x"', OPENAI_API_KEY="hush-key")
    assert "hush" not in repr(settings)


SELF_HOSTED = """
[providers.vllm]
kind = "openai"
base_url = "http://127.0.0.1:8000/v1/"
model = "qwen"
[providers.router]
kind = "openai"
base_url = "https://router.example/v1"
api_key_env = "ROUTER_KEY"
"""


def test_a_provider_of_ones_own_needs_a_key_only_if_it_says_so(tmp_path: Path) -> None:
    settings = written(tmp_path, SELF_HOSTED)
    vllm, router = settings.provider("vllm"), settings.provider("router")
    assert (vllm.base_url, vllm.configured, vllm.native) == ("http://127.0.0.1:8000/v1", True, False)
    assert not router.configured
    assert written(tmp_path, SELF_HOSTED, ROUTER_KEY="k").provider("router").configured


def test_a_built_in_provider_can_be_changed_in_part(tmp_path: Path) -> None:
    openai = written(tmp_path, '[providers.openai]\nmodel = "gpt-5"').provider("openai")
    assert (openai.model, openai.base_url, openai.native) == ("gpt-5", "https://api.openai.com/v1", True)


def test_an_unknown_provider_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'openia'.*anthropic, gemini, openai"):
        written(tmp_path).provider("openia")


WRONG = {
    "no TOML": ("providers = [", "is not TOML"),
    "an unknown table": ("[databse]\nurl = 'x'", "databse"),
    "an unknown field": ("[database]\nurll = 'x'", "database.urll"),
    "a wrong type": ("[database]\nurl = 4096", "database.url"),
    "a setting that policies have now": ("[defaults]\noutput_tokens = 4096", r"\[defaults\] output_tokens"),
    "an unknown kind": ("[providers.x]\nkind = 'cohere'\nbase_url = 'http://x'", r"providers\.x.*kind"),
    "no base_url": ("[providers.x]\nkind = 'openai'", r"providers\.x.*base_url"),
    "another scheme": ("[providers.x]\nkind = 'openai'\nbase_url = 'ftp://x'", "ftp://x"),
    "an unknown environment": ("environment = 'production'", "environment"),
}


@pytest.mark.parametrize(("text", "names"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(ConfigError, match=names) as refused:
        written(tmp_path, text)
    assert "aikit.toml" in str(refused.value)
    assert refused.value.remedy


def test_the_output_limit_is_sent_to_the_policies(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        written(tmp_path, "[defaults]\noutput_tokens = 4096")
    assert refused.value.remedy
    for place in ("default_output_tokens", "[default]", "policies.toml"):
        assert place in refused.value.remedy


def test_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        written(tmp_path, "[database]\nurl = ['postgresql://joe:hush@db/x']")
    assert "hush" not in f"{refused.value} {refused.value.facts}"


def test_a_wrong_environment_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AIKIT_ENV is 'production'"):
        written(tmp_path, AIKIT_ENV="production")


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path / "nowhere.toml", {})
    (tmp_path / "aikit.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path / "aikit.toml", {})


def test_the_nearest_file_above_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aikit.toml").write_text('environment = "staging"')
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert load(environ={}).environment == "staging"
    other = tmp_path / "other.toml"
    other.write_text('environment = "prod"')
    assert load(environ={"AIKIT_CONFIG": str(other)}).environment == "prod"


def test_a_breaker_works_by_the_figures_that_are_written(tmp_path: Path) -> None:
    assert tuned(written(tmp_path).breaker) == TUNING
    table = "[breaker]\nwindow_seconds = 30\nslow_seconds = 5\nopen_seconds = 2\nlongest_seconds = 60\nenabled = false"
    assert tuned(written(tmp_path, table).breaker) == TUNING._replace(
        window=timedelta(seconds=30),
        slow=timedelta(seconds=5),
        open_first=timedelta(seconds=2),
        open_longest=timedelta(seconds=60),
        enabled=False,
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("failed_percent = 0", "breaker.failed_percent: Input should be greater than or equal to 1"),
        ("failed_percent = 50.5", "breaker.failed_percent: Input should be a valid integer"),
        ("window_seconds = 3600", "breaker.window_seconds: Input should be less than or equal to 300"),
        ('enabled = "no"', "breaker.enabled: Input should be a valid boolean"),
        ("probe = 2", "breaker.probe: Extra inputs are not permitted"),
        ("longest_seconds = 10", "longest_seconds (10) must not be less than open_seconds (15)"),
    ],
)
def test_a_figure_that_a_breaker_can_not_work_by_is_named(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"aikit\.toml") as raised:
        written(tmp_path, f"[breaker]\n{line}")
    assert words in str(raised.value)


def test_an_address_that_is_no_url_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[providers.own\]: base_url is"):
        written(tmp_path, '[providers.own]\nkind = "openai"\nbase_url = "http://[::1/v1"')


def test_a_dotenv_that_is_no_text_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=sk-\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"\.env can't be read: it is not UTF-8") as caught:
        written(tmp_path, "")
    assert "sk-" not in str(caught.value)


def test_a_line_of_dotenv_that_can_not_be_read_is_told_of_once_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    env = "A B C\nDATABASE_URL='postgresql://dotenv/$x'  # ours\nEMPTY\n"
    for _ in range(2):
        assert written(tmp_path, "", env).database_url == "postgresql://dotenv/$x"
    assert caplog.messages == [".env line 1 can't be read, and is passed over: it should be NAME=value."]
