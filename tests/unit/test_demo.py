"""What the demo decides without starting anything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikit.demo.crew import environment
from aikit.demo.sdks import SDKS, roster


@given(st.integers(1, 16))
def test_every_process_has_an_sdk_and_every_sdk_a_process(processes: int) -> None:
    dealt = roster(processes)
    assert len(dealt) == processes
    assert all(dealt)
    assert {name for names in dealt for name in names} == set(SDKS)


def test_with_enough_processes_each_imports_one_sdk_only() -> None:
    assert all(len(names) == 1 for names in roster(3) + roster(4))


def test_the_processes_see_no_key_provider_proxy_or_database_of_the_user() -> None:
    foreign = {
        "OPENAI_API_KEY": "secret",
        "ANTHROPIC_BASE_URL": "https://elsewhere",
        "GOOGLE_API_KEY": "secret",
        "https_proxy": "http://elsewhere",
        "DATABASE_URL": "postgresql://elsewhere",
        "AIKIT_DATA_DIR": "/elsewhere",
    }
    seen = environment({"PATH": "/bin", "LANG": "C"} | foreign)
    assert seen["PATH"] == "/bin"
    assert not {"secret", *foreign.values()} & set(seen.values())
    assert seen["OPENAI_API_KEY"] == "simulated"
