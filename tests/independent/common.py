"""What the parts of the check share."""

import hashlib


class Wrong(Exception):
    """Something is not as docs/spec/ says."""


def must(condition: object, text: str) -> None:
    if not condition:
        raise Wrong(text)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
