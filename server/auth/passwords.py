"""Passwords: Argon2id hashes, computed off the loop, a few at a time.

Decides how many hashes run and wait, and under which parameters; policies are not its business. A
hash costs a tenth of a second of processor and tens of megabytes on purpose, so the pool is small,
what waits is bounded, and its threads yield to the one that carries messages. Invariant: checking a
password against no account costs what checking it against one costs.

A hash made under former parameters still costs what those cost, until its owner signs in again.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from server import errors
from server.domain.policy import normalise

T = TypeVar("T")

#: How long to come back after a refusal: by then half a full queue is done, on one thread.
RETRY_AFTER_MS = 5_000
#: How far the pool's threads stand back, where the system can tell threads apart.
_NICENESS = 10


class Passwords:
    """Hashes and verifies: ``hashers_max`` at once, ``hashes_waiting_max`` more waiting.

    Parameters below OWASP's floor are the settings' to refuse; tests may go lower.
    """

    def __init__(
        self,
        *,
        memory_kib: int,
        time: int,
        lanes: int,
        hashers_max: int = 1,
        hashes_waiting_max: int = 64,
    ) -> None:
        self._argon2 = PasswordHasher(time_cost=time, memory_cost=memory_kib, parallelism=lanes)
        self._pool = ThreadPoolExecutor(
            hashers_max, thread_name_prefix="cloison-hasher", initializer=_STAND_BACK
        )
        self._places = threading.BoundedSemaphore(hashers_max + hashes_waiting_max)
        self._closed = False
        self._nobody = _of_nobody(memory_kib=memory_kib, time=time, lanes=lanes)

    async def hash(self, password: str) -> str:
        """Return the hash to store of ``password``. Raises Busy, GoingAway."""
        return await self.run(lambda: self._argon2.hash(normalise(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether ``password`` is the one behind the hash: never, when there is none.

        What is no Argon2id hash stands for none: it locks an account to passwords. The work is
        the same in every case. Raises Busy, GoingAway.
        """
        if password_hash is None or not password_hash.startswith("$argon2id$"):
            password_hash = self._nobody
        against = password_hash
        return await self.run(lambda: self._matches(against, normalise(password)))

    def needs_rehash(self, password_hash: str) -> bool:
        """Say whether a hash was made under other parameters than the present ones."""
        return self._argon2.check_needs_rehash(password_hash)

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the pool, in its turn. Raises Busy, GoingAway, and what it raises."""
        if not self._places.acquire(blocking=False):
            raise errors.Busy(retry_after_ms=RETRY_AFTER_MS)
        future = self._pool.submit(self._unless_closed, work)
        # The place is free when the work is over, not when whoever asked has lost interest.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Refuse what waits; what runs comes to its end. Nothing may be asked afterwards."""
        self._closed = True
        self._pool.shutdown(wait=False)

    def _unless_closed(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise errors.GoingAway
        return work()

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return False


def _of_nobody(*, memory_kib: int, time: int, lanes: int) -> str:
    """Return what stands for the hash of nobody: drawn, for to compute one would delay the start.

    It costs what a hash under these parameters costs, and no password is known to match it.
    """
    salt, tag = (b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (16, 32))
    return f"$argon2id$v=19$m={memory_kib},t={time},p={lanes}${salt}${tag}"


def _stand_back() -> None:
    """Lower the priority of this thread, and of the threads that Argon2's lanes start from it."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


#: Linux alone gives each thread a priority of its own; elsewhere it would be the process's.
_STAND_BACK = _stand_back if sys.platform == "linux" else None
