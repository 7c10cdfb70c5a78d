"""Kept answers that nobody can read but who asked: neither the table nor a copy of it is enough.

What is kept goes by a digest of the client's key, and is encrypted with the service's secret and that key,
which is kept nowhere. So a secret that is shown once lies in the database in no readable form, and yet comes
again to a client that lost the answer.
"""

import base64
import hmac
import zlib
from collections.abc import Sequence
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken

# An image's mask, as CVAT has it, shrinks a hundredfold at the lowest level.
_LEVEL = 1
_PURPOSE = b"kept answer"


class Seal:
    """What one client's key closes and opens.

    name: what is kept goes by; hex. secret: the service's. parts: whose key it is, and the key.
    """

    def __init__(self, secret: str, parts: Sequence[str]):
        whose = b"".join(len(part.encode()).to_bytes(8) + part.encode() for part in parts)
        self.name = sha256(whose).hexdigest()
        self._cipher_key = hmac.digest(secret.encode(), _PURPOSE + whose, "sha256")

    def close(self, body: bytes) -> bytes:
        """The body as it may be kept."""
        return self._cipher().encrypt(zlib.compress(body, _LEVEL))

    def open(self, kept: bytes) -> bytes | None:
        """The body; None where it was closed under another secret of the service."""
        try:
            return zlib.decompress(self._cipher().decrypt(kept))
        except InvalidToken:
            return None

    def _cipher(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._cipher_key))
