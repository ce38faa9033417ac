"""Fan-out: one sphere with many members; many spheres with few; with and without prepared frames.

Measures deliveries: how many a second when as many posts are outstanding as one likes, what one
costs when posts come one by one, and how late they are at half of what the floor can carry.
Invariant: server and floor take turns under the same traffic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import plan, town
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Target
from benchmarks.generator import Load, Report
from benchmarks.processes import cloison

POSTERS = 4
#: Socket.IO's 77 k and uWebSockets.js's 510 k deliveries/s, beside a floor of 108 k: see
#: docs/performance.md. Ten times the former asks for more than the latter.
SATURATED = Target(7.1, least=True, of_ratio=True)
BURSTS = Target(0.85, least=True, of_ratio=True)
PER_DELIVERY = Target(1.2, of_ratio=True)
LATENESS = Target(1.3, of_ratio=True)
#: Socket.IO's 6.5 k posts/s in 200 rooms of 10, beside the same floor: 65 k deliveries.
ROOMS = Target(0.6, least=True, of_ratio=True)


def small(bench: Bench) -> None:
    """One sphere of 100."""
    _one_sphere(bench, 100)


def large(bench: Bench) -> None:
    """One sphere of 1,000."""
    _one_sphere(bench, 1_000)


def plain(bench: Bench) -> None:
    """One sphere of 1,000 without prepared frames: plain ASGI."""
    _one_sphere(bench, 1_000, fast=False)


@dataclass(slots=True)
class Pair:
    """A server and a floor, connected and quiet; the floor is None without a compiler."""

    bench: Bench
    server: Load
    floor: Load | None
    readers: int

    def saturate(self, window: int) -> tuple[Report, Report | None]:
        """Saturate one, then the other."""
        ours = self._saturate(self.server, window, acks=True)
        theirs = self._saturate(self.floor, window, acks=False) if self.floor else None
        return self._looked(ours, theirs)

    def rate(self, posts: float) -> tuple[Report, Report | None]:
        """Load one, then the other, at a fixed rate."""
        ours = self._rate(self.server, posts)
        theirs = self._rate(self.floor, posts) if self.floor else None
        return self._looked(ours, theirs)

    def _saturate(self, load: Load, window: int, *, acks: bool) -> Report:
        return load.saturate(
            window=window,
            readers=self.readers,
            acks=acks,
            warm=self.bench.warm,
            seconds=self.bench.seconds,
        )

    def _rate(self, load: Load, posts: float) -> Report:
        return load.rate(
            posts, readers=self.readers, warm=self.bench.warm, seconds=self.bench.seconds
        )

    def _looked(self, ours: Report, theirs: Report | None) -> tuple[Report, Report | None]:
        self.bench.looked(ours, *([theirs] if theirs else []))
        return ours, theirs


@contextmanager
def _pair(
    bench: Bench, *, spheres: int, members: int, posters: int, fast: bool = True
) -> Iterator[Pair]:
    with bench.place() as place:
        bench.say(f"preparing {spheres} x {members}")
        there = town.build(Path(place), spheres=spheres, members=members)
        mine = plan.people(there, posters=posters)
        theirs = plan.floor(groups=spheres, hearers=members, posters=posters)
        with (
            cloison(there.folder, fast_links=fast) as server,
            bench.load(server, mine, floor=False) as load,
            bench.floor_load(theirs) as floor,
        ):
            load.open()
            yield Pair(bench, load, floor, members)


def _add(figure: Figure, ours: Report, theirs: Report | None, key: str) -> None:
    figure.add(ours[key], theirs[key] if theirs else None)


def _one_sphere(bench: Bench, members: int, *, fast: bool = True) -> None:
    with _pair(bench, spheres=1, members=members, posters=POSTERS, fast=fast) as pair:
        _saturated(bench, pair, SATURATED if fast and members == 1_000 else None)
        _at_a_rate(bench, pair, aimed=fast)
        if fast:
            _bursts(bench, pair, members)


def _saturated(bench: Bench, pair: Pair, target: Target | None) -> None:
    deliveries = bench.figure("deliveries/s, 32 posts outstanding", "/s", target)
    posts = bench.figure("posts/s, the same", "/s")
    cost = bench.figure("CPU per delivery, the same", "us")
    for _ in range(bench.runs):
        ours, theirs = pair.saturate(32 // POSTERS)
        _add(deliveries, ours, theirs, "deliveries_s")
        _add(posts, ours, theirs, "posts_s")
        _add(cost, ours, theirs, "cpu_us_per_delivery")


def _at_a_rate(bench: Bench, pair: Pair, *, aimed: bool) -> None:
    """Half of what the floor carries; without a floor, a rate that any machine of today carries."""
    capacity = pair.floor and pair.floor.saturate(
        window=1, readers=pair.readers, acks=False, warm=bench.warm, seconds=bench.seconds
    )
    posts = (capacity["posts_s"] if capacity else 60_000 / pair.readers) / 2
    posts = posts if aimed else posts / 4
    half = bench.figure("p50 of deliveries at half of the floor's", "us")
    late = bench.figure("p99 of deliveries, the same", "us", LATENESS if aimed else None)
    cost = bench.figure("CPU per delivery, the same", "us", PER_DELIVERY if aimed else None)
    for _ in range(bench.runs):
        ours, theirs = pair.rate(posts)
        _add(half, ours, theirs, "p50_us")
        _add(late, ours, theirs, "p99_us")
        _add(cost, ours, theirs, "cpu_us_per_delivery")


def _bursts(bench: Bench, pair: Pair, members: int) -> None:
    """Thirty-two posts outstanding of each poster, beside a floor that coalesces as well."""
    target = BURSTS if members == 1_000 else None
    deliveries = bench.figure("bursts: deliveries/s, beside a coalescing floor", "/s", target)
    cost = bench.figure("bursts: CPU per delivery", "us")
    planned = plan.floor(groups=1, hearers=members, posters=POSTERS)
    with bench.floor_load(planned, coalescing=True) as floor:
        both = Pair(bench, pair.server, floor, members)
        for _ in range(bench.runs):
            ours, theirs = both.saturate(32)
            _add(deliveries, ours, theirs, "deliveries_s")
            _add(cost, ours, theirs, "cpu_us_per_delivery")


def rooms(bench: Bench) -> None:
    """Two hundred spheres of ten, one poster each."""
    with _pair(bench, spheres=200, members=10, posters=1) as pair:
        posts = bench.figure("posts/s, 200 outstanding", "/s", ROOMS)
        deliveries = bench.figure("deliveries/s, the same", "/s")
        cost = bench.figure("CPU per post, the same", "us")
        acks = bench.figure("p50 from post to acknowledgement", "us")
        for _ in range(bench.runs):
            ours, theirs = pair.saturate(1)
            _add(posts, ours, theirs, "posts_s")
            _add(deliveries, ours, theirs, "deliveries_s")
            cost.add(
                ours["cpu_us_per_delivery"] * 10,
                theirs["cpu_us_per_delivery"] * 10 if theirs else None,
            )
            acks.add(ours["ack_p50_us"])
