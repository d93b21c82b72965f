"""Signs what is sent to a webhook, as Standard Webhooks does: its libraries check it."""

from __future__ import annotations

import base64
import hashlib
import hmac


def signed(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message. `timestamp` is in Unix seconds."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
