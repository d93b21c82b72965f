"""The doctor knows every variable that the code reads, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import aikit
from aikit.setup.doctor.looks.settings import VARIABLES

READ = re.compile(r'"(AIKIT_[A-Z_]*[A-Z])"')
HERE = Path(aikit.__file__).parent
LEFT_OUT = {"lint", "setup"}
"""These name variables to speak of them."""


def test_the_variables_that_are_known_are_those_that_are_read() -> None:
    read = {
        name
        for path in HERE.rglob("*.py")
        if path.relative_to(HERE).parts[0] not in LEFT_OUT
        for name in READ.findall(path.read_text("utf-8"))
    }
    assert read == VARIABLES
