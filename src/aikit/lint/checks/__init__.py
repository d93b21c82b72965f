"""The checks: each looks at calls for one kind of unmetered path."""
