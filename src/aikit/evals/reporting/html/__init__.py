"""One HTML page about runs: self-contained, without scripts, for light and dark, that opens from disk."""
