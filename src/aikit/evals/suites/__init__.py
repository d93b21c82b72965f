"""Suites and their cases, read from files strictly: everything that is wrong is told by file, line and field."""
