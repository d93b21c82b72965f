"""`python -m aikit` is `aikit`."""

from aikit.cli import main

main()
