"""The pictures of the console fetch nothing, tell nothing of the machine that they were taken on, and are small."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.pictures import MOST_BYTES, PICTURES

FOLDER = Path(__file__).parents[2] / "docs/pictures"
FILES = sorted(FOLDER.glob("*.svg"))


def test_they_are_those_that_the_script_takes() -> None:
    assert {file.stem for file in FILES} == {picture.name for picture in PICTURES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_picture_fetches_nothing_and_is_small(file: Path) -> None:
    text = file.read_text("utf-8")
    assert "@font-face" not in text and "href" not in text and "<script" not in text
    assert text.count("://") == 1, "the name of the format, which nobody fetches"
    assert "/tmp/" not in text and "/home/" not in text
    assert len(text.encode()) < MOST_BYTES
