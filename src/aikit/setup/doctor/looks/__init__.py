"""What the doctor looks at, a module a part: each look returns how that stands, with the facts and the remedy."""
