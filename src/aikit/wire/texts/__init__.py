"""The texts on the wire: where they stand in the requests, responses and streams of each API, found and put back."""
