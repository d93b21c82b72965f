"""What Enter opens: a page about one thing, read anew when it is asked for. Each module reads one kind of thing."""
