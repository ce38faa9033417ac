"""Forgetting: keys that another node destroyed are used no more on this one.

Listens to the broker. What a key sealed is erased before the key is; this takes away the means to
read a copy. Invariant: nothing waits for it, and no key is looked up on the event loop.
"""

from __future__ import annotations

import asyncio

from server.channels.outcome import Publication
from storage.keyring import Keyring


class Forgetting:
    """Lets go of destroyed keys."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def deliver(self, publication: Publication) -> None:
        """Have them forgotten, on a thread: the keyring may be waiting for its database."""
        keys = publication.destroyed_keys
        if keys:
            asyncio.get_running_loop().run_in_executor(None, self._keyring.forget, keys)
