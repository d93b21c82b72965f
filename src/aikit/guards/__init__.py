"""Guards: checks on text that goes in or out. Pure; which of them apply is for policies to say.

`Screening` (`aikit.guards.screening`) is all guards of one attempt; `aikit.guards.catalogue` says which there are.
"""
