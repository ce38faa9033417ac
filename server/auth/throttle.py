"""Throttle: how often a password may be tried, and from where.

Three token buckets, none of which can shut an owner out:

- by source, for every attempt: one network address cannot fill the queue of hashes;
- by address and source, for failures: guessing one person's password from one place is slow;
- by address alone, for failures from anywhere. It blocks nobody. When it runs dry the person is
  under attack from many places, and a failure then costs a place from which they never signed in
  all it has: one attempt, then a wait. Places from which they did sign in notice nothing.

A place is an IPv4 address or an IPv6 network of 64 bits (what one subscriber is given). Knows of
places and addresses only keyed digests, whose key dies with the process, or is shared by nodes that
tell each other what they took: each counts for all, and by itself when it hears nobody. Whether an
address has an account is not known here, so no answer depends on it. Invariant: memory is bounded;
what is forgotten first is what was used least recently.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable
from enum import IntEnum
from hashlib import blake2b

import msgspec

from server import errors
from server.clock import Clock
from storage.accounts import normalise_address

MINUTE = 60_000
#: Places at full rate against one address before it counts as under attack.
PLACES_BEFORE_ALARM = 5


class Bucket(IntEnum):
    """What is counted, as nodes tell each other."""

    SOURCE = 0
    PAIR = 1
    ADDRESS = 2
    KNOWN = 3  #: a place from which an owner did sign in


class _Bucket(msgspec.Struct):
    level: float
    at: int


class Buckets:
    """Token buckets by key: ``per_minute`` steadily, a minute's worth at once.

    A forgotten bucket is a full one: of ``keys_max``, the least recently used is forgotten.
    """

    def __init__(self, *, per_minute: float, keys_max: int) -> None:
        self.size = per_minute
        self._per_ms = per_minute / MINUTE
        self._keys_max = keys_max
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._buckets)

    def wait_ms(self, key: bytes, cost: float, now: int) -> int:
        """Return how long until ``cost`` can be taken: 0 when it can be now."""
        lacking = min(cost, self.size) - self._level(key, now)
        return 0 if lacking <= 0 else int(lacking / self._per_ms) + 1

    def take(self, key: bytes, cost: float, now: int) -> None:
        """Take up to ``cost``; a negative cost gives it back."""
        level = self._level(key, now) - cost
        self._buckets[key] = _Bucket(min(max(level, 0.0), self.size), now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)

    def _level(self, key: bytes, now: int) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return self.size
        return min(self.size, bucket.level + max(0, now - bucket.at) * self._per_ms)


class Attempt(msgspec.Struct, frozen=True):
    """One password about to be tried: what it was charged, and to whom."""

    pair: bytes
    address: bytes
    cost: float


class Throttle:
    """Admits attempts, and learns what came of them."""

    def __init__(
        self,
        clock: Clock,
        *,
        attempts_per_minute: float = 60,
        failures_per_minute: float = 10,
        keys_max: int = 50_000,
        secret: bytes | None = None,
    ) -> None:
        self._clock = clock
        self._secret = secret or secrets.token_bytes(32)
        #: Tells the other nodes, who have the same secret, what was taken; None: there are none.
        self.tell: Callable[[int, bytes, float], None] | None = None
        self._sources = Buckets(per_minute=attempts_per_minute, keys_max=keys_max)
        self._pairs = Buckets(per_minute=failures_per_minute, keys_max=keys_max)
        self._addresses = Buckets(
            per_minute=failures_per_minute * PLACES_BEFORE_ALARM, keys_max=keys_max
        )
        self._buckets = {
            Bucket.SOURCE: self._sources,
            Bucket.PAIR: self._pairs,
            Bucket.ADDRESS: self._addresses,
        }
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._keys_max = keys_max

    def admit(self, address: str, source: str | None) -> Attempt:
        """Charge an attempt as if it were to fail, so that many at once pay each.

        ``source`` is the peer of the socket; None for one without a network address. Raises
        TooFast, with the time to wait, and charges nothing then.
        """
        now = self._clock.now()
        place = place_of(source)
        attempt = self._attempt(place, normalise_address(address).encode(), now)
        from_place = self._key(place)
        wait_ms = max(
            self._sources.wait_ms(from_place, 1, now),
            self._pairs.wait_ms(attempt.pair, attempt.cost, now),
        )
        if wait_ms:
            raise errors.TooFast(retry_after_ms=wait_ms)
        self._take(Bucket.SOURCE, from_place, 1, now)
        self._take(Bucket.PAIR, attempt.pair, attempt.cost, now)
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """Give back what a right password was charged; remember the place as one of its owner."""
        self.not_tried(attempt)
        self._know(attempt.pair)
        if self.tell is not None:
            self.tell(Bucket.KNOWN, attempt.pair, 0)

    def failed(self, attempt: Attempt) -> None:
        """Count a wrong password against its address, from wherever it came."""
        self._take(Bucket.ADDRESS, attempt.address, 1, self._clock.now())

    def not_tried(self, attempt: Attempt) -> None:
        """Give back what was charged for a password that was not looked at in the end."""
        self._take(Bucket.PAIR, attempt.pair, -attempt.cost, self._clock.now())

    def spent(self, bucket: int, key: bytes, cost: float) -> None:
        """Count what another node took; what no node of this version counts is left alone."""
        if bucket == Bucket.KNOWN:
            self._know(key)
        elif bucket in self._buckets:
            self._buckets[Bucket(bucket)].take(key, cost, self._clock.now())

    def _take(self, bucket: Bucket, key: bytes, cost: float, now: int) -> None:
        self._buckets[bucket].take(key, cost, now)
        if self.tell is not None:
            self.tell(bucket, key, cost)

    def _know(self, pair: bytes) -> None:
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > self._keys_max:
            self._known.popitem(last=False)

    def _attempt(self, place: bytes, address: bytes, now: int) -> Attempt:
        pair = self._key(place, address)
        of_address = self._key(b"", address)
        alarm = self._addresses.wait_ms(of_address, 1, now) > 0
        cost = self._pairs.size if alarm and pair not in self._known else 1
        return Attempt(pair=pair, address=of_address, cost=cost)

    def _key(self, *parts: bytes) -> bytes:
        return blake2b(b"\0".join(parts), key=self._secret, digest_size=16).digest()


def place_of(source: str | None) -> bytes:
    """Return what one subscriber's addresses have in common."""
    if source is None:
        return b"local"
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source.encode()
    if isinstance(address, ipaddress.IPv4Address):
        return address.packed
    return address.ipv4_mapped.packed if address.ipv4_mapped else address.packed[:8]
