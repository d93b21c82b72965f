"""Encrypts what must not lie readable in the database: the answers that are kept for idempotency keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aikit.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

VARIABLE = "AIKIT_ENCRYPTION_KEY"
KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class Safe:
    """Fernet (AES-128-CBC with HMAC-SHA-256). The first key encrypts, all of them decrypt: so keys can be changed."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises ConfigError for a key that is none; the key is not in it."""
        for position, key in enumerate(keys, 1):
            if not KEY.fullmatch(key):
                raise ConfigError(
                    f"Key {position} in {VARIABLE} is not 32 bytes in URL-safe base64.",
                    remedy="Make one: openssl rand -base64 32 | tr '+/' '-_'. Several are separated by commas.",
                )
        self._keys = tuple(keys)
        self._made: MultiFernet | None = None

    def seal(self, text: bytes) -> bytes:
        """Encrypt."""
        return self._fernet.encrypt(text)

    def open(self, sealed: bytes) -> bytes | None:
        """Decrypt; None if it was not encrypted with one of these keys, or was changed since."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None

    @property
    def _fernet(self) -> MultiFernet:
        if self._made is None:
            from cryptography.fernet import Fernet, MultiFernet

            self._made = MultiFernet([Fernet(key) for key in self._keys])
        return self._made
