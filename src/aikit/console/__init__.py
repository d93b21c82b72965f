"""The operator's console without its screen: what it asks the ledger for, what comes back, and how that is put in rows.

`reader` reads one frozen `model.Snapshot` a tick, in one transaction; `tables` put it in rows; `aikit.tui` draws
those, and `aikit top --once` prints them. Nothing here knows a terminal.
"""
