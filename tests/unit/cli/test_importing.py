"""Imports are not looked through for garbage, and all is looked through again afterwards."""

from __future__ import annotations

import gc

import pytest

from aikit.cli.importing import importing


def test_within_there_are_no_looks_for_garbage_and_afterwards_there_are() -> None:
    with importing():
        assert not gc.isenabled()
        made: list[object] = [[]]
    assert gc.isenabled()
    assert not any(each is made for generation in range(3) for each in gc.get_objects(generation))


def test_a_failure_within_turns_them_on_again() -> None:
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_who_had_turned_them_off_finds_them_off() -> None:
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
