"""Rules: what a tenant may spend, and over which windows."""
