"""Locks as a forger changes them."""

import hashlib


def relocked(lock, change):
    """The text of a lock with something changed, and a digest line that fits again: what a forger
    can do."""
    head, body = lock.split("\n", 3)[:2], change(lock.split("\n", 3)[3])
    return "\n".join([*head, f'digest = "{hashlib.sha256(body.encode()).hexdigest()}"', body])
