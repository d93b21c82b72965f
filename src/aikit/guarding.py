"""One attempt under its guards: what is sent and what is handed on, checked at the wire. No I/O."""
