"""One codec per provider API."""
