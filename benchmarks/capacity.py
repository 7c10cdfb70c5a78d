"""From people and images to machines: how many processors each part needs, and what is full first.

Each part is a queue with several servers (M/M/c). How long work waits is Erlang's formula, and a discrete
simulation of the same people checks it. Real work varies less than exponential times: real waits are shorter.
What an operation costs is measured by the other benchmarks: `COSTS` says by which, and what is only derived.

Usage: python benchmarks/capacity.py [--labelers 1000,100000] [--images 400] [--objects 3] [--simulate SECONDS]
       [--click-ms MS] [--image-ms MS]

With --click-ms and --image-ms inference is another engine's or device's: what it takes for a click, and once
for each image before. Its processors are then GPUs, if that is what was measured.
"""

import argparse
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import simpy


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one processor that an operation takes of each part."""

    api: float = 0.0
    database: float = 0.0
    inference: float = 0.0


# Of one processor of the machine in docs/load.md, docs/speed.md and docs/saves-and-lists.md.
COSTS = {
    # Inference of the engine `compact`, images read and decoded included: what 200 people take of it a click.
    # What the service adds to one click, 14.3 ms, is divided between two parts: derived.
    "click": Cost(api=6.0, database=8.0, inference=54.0),
    # 2.5 ms of the API's processor; the transaction that leaves the same rows, 659 a second on two cores.
    "save": Cost(api=2.5, database=3.0),
    # The next image under a lease, its annotations, the file itself and the preparing of three images: what
    # is left of the 31 and 20 ms that 200 people take of these parts for one click, one save and one of this.
    "open": Cost(api=23.0, database=9.0),
}
PARTS = ("api", "database", "inference")
# Nobody notices a tenth of a second in front of a click; the API and the database have several turns in one.
PATIENCE_SECONDS = {"api": 0.01, "database": 0.005, "inference": 0.1}


@dataclass(frozen=True, slots=True)
class Demand:
    """What people do in a working day; the busiest minutes have `peak` times the mean."""

    labelers: int
    images: float = 400.0
    objects: float = 3.0
    hours: float = 8.0
    peak: float = 1.5

    def rates(self) -> dict[str, float]:
        """Operations a second at the peak."""
        images = self.labelers * self.images / (self.hours * 3600) * self.peak
        return {"click": images * self.objects, "save": images, "open": images}


@dataclass(frozen=True, slots=True)
class Station:
    """One part: arrivals a second, seconds of one server for each, and servers."""

    rate: float
    seconds: float
    servers: int

    @property
    def load(self) -> float:
        """Share of the servers' time that is used."""
        return self.rate * self.seconds / self.servers

    def wait(self, percentile: float = 0.95) -> float:
        """Seconds that this share of the arrivals wait at most, by Erlang's C; infinite at full load."""
        if self.load >= 1:
            return math.inf
        delayed = _erlang_c(self.rate * self.seconds, self.servers)
        if delayed <= 1 - percentile:
            return 0.0
        return math.log(delayed / (1 - percentile)) * self.seconds / (self.servers * (1 - self.load))


def _erlang_c(offered: float, servers: int) -> float:
    """Probability of having to wait. Erlang's B by its recursion, which no factorial overflows."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def costs_of(click_ms: float | None, image_ms: float) -> dict[str, Cost]:
    """`COSTS`, where inference takes that long for a click, if that is given, and for a new image."""
    if click_ms is None:
        return COSTS
    return {
        **COSTS,
        "click": replace(COSTS["click"], inference=click_ms),
        "open": replace(COSTS["open"], inference=image_ms),
    }


def station(part: str, demand: Demand, costs: Mapping[str, Cost] = COSTS) -> Station:
    """The fewest servers with which 95 of 100 wait no longer than `PATIENCE_SECONDS`."""
    rates = {name: rate for name, rate in demand.rates().items() if getattr(costs[name], part)}
    rate = sum(rates.values())
    seconds = sum(each * getattr(costs[name], part) / 1000 for name, each in rates.items()) / rate
    servers = max(1, math.ceil(rate * seconds))
    while (found := Station(rate, seconds, servers)).wait() > PATIENCE_SECONDS[part]:
        servers += 1
    return found


def simulated_wait(one: Station, seconds: float, percentile: float = 0.95, seed: int = 1) -> float:
    """The same percentile, of people who come at random for so long; the first tenth does not count."""
    world, chance, waits = simpy.Environment(), random.Random(seed), []
    servers = simpy.Resource(world, one.servers)

    def served() -> Iterator[simpy.Event]:
        came = world.now
        with servers.request() as turn:
            yield turn
            if came > seconds / 10:
                waits.append(world.now - came)
            yield world.timeout(chance.expovariate(1 / one.seconds))

    def people() -> Iterator[simpy.Event]:
        while True:
            yield world.timeout(chance.expovariate(one.rate))
            world.process(served())

    world.process(people())
    world.run(until=seconds)
    return sorted(waits)[int(len(waits) * percentile)]


def first_full(stations: Mapping[str, Station], demand: Demand) -> tuple[str, int]:
    """The part that is full first when more people come, and at how many."""
    labelers = Counter[str]()
    for part, one in stations.items():
        labelers[part] = int(demand.labelers / one.load)
    return labelers.most_common()[-1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelers", default="100,1000,100000")
    parser.add_argument("--images", type=float, default=400.0, help="a day and labeler")
    parser.add_argument("--objects", type=float, default=3.0, help="clicked on each")
    parser.add_argument("--click-ms", type=float, help="of inference, for a click")
    parser.add_argument(
        "--image-ms", type=float, default=0.0, help="of inference, for an image, with --click-ms"
    )
    parser.add_argument("--simulate", type=float, default=60.0, help="seconds of people's time")
    chosen = parser.parse_args()
    costs = costs_of(chosen.click_ms, chosen.image_ms)
    print("| labelers | part | a second | processors | load | 95 % wait, ms: formula | simulation |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count in map(int, chosen.labelers.split(",")):
        demand = Demand(count, chosen.images, chosen.objects)
        found = {part: station(part, demand, costs) for part in PARTS}
        for part, one in found.items():
            simulated = simulated_wait(one, chosen.simulate)
            print(
                f"| {count:,} | {part} | {one.rate:,.1f} | {one.servers:,} | {one.load:.0%} "
                f"| {one.wait() * 1000:.1f} | {simulated * 1000:.1f} |"
            )
        part, most = first_full(found, demand)
        print(f"full first with these: {part}, at {most:,} labelers")


if __name__ == "__main__":
    main()
