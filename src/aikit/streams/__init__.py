"""Streams under way: accounted for as they pass, leased bit by bit, read on for a while when their callers leave."""
