"""`aikit top`: draws what `aikit.console` has read, and takes keys. The only place that knows Textual."""
