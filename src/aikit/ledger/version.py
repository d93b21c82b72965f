"""The migration that this version of aikit works on. A test holds it against the newest migration file."""

HEAD = "0010"
