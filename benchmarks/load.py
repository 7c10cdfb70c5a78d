"""Hundreds of people label at once, for minutes, while the system is left alone or while it is broken.

Starts the whole system on this machine with empty data and lets simulated labelers work in it: each asks for
the next image, opens it, has it prepared, clicks four times, waits for the outline, saves, and goes on.
`--pace` is what a person takes for an object; what the service takes comes on top, so that a service that is
full is seen as people who wait, as in life. Afterwards all that people were told is read back: every save that
was accepted is there once, every job has ended, and nothing is there that nobody saved. What does not fit ends
the program with 1.

    one number of labelers     a table of the steps, the memory of each process, the processors of each service
    several                    one row each: where the machine is full
    --faults                   the same while inference workers are killed and Redis is restarted

Usage: python benchmarks/load.py [--labelers 200] [--pace 20] [--seconds 300] [--faults] [--save docs/load.md]
       python benchmarks/load.py --labelers 100,200,300,400 --seconds 60 [--save docs/load.md]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where a file would hide the library `click` from httpx.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack

from benchmarks.support import load_pages
from benchmarks.support.crowds import Person, dataset_of_photographs, hire, let_in
from benchmarks.support.faults import Faults, Plan
from benchmarks.support.figures import numbers
from benchmarks.support.labelers import Labeler, Ledger, World
from benchmarks.support.load_pages import Run
from benchmarks.support.memory_watch import MemoryWatch
from benchmarks.support.processes import busy_seconds
from benchmarks.support.reckoning import reckon

from fourpoint_standalone.stack import Stack, StackOptions

# As much of the image cache as is full before the measuring begins: what grows then is a leak.
SETTINGS = {"FOURPOINT_IMAGE_CACHE_BYTES": str(48 * 2**20)}
# More images than can be labeled, for people who are quicker than the average.
_SPARE = 1.25


def main() -> None:
    """Run, print, save, and end with everything stopped. Raises SystemExit where anything was lost or wrong."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fourpoint-load-") as directory:
        Path(directory).chmod(0o711)
        with Stack(StackOptions(Path(directory), api_port=0, environment=SETTINGS), _say) as stack:
            _say(f"hiring {max(options.labelers)} people")
            crowd = hire(stack, max(options.labelers))
            runs = [_run(stack, crowd[:count], options) for count in options.labelers]
    print(load_pages.text(runs))
    if options.save:
        load_pages.save(Path(options.save), runs, options.faults, _command())
    if wrong := [sentence for run in runs for sentence in run.wrong]:
        raise SystemExit("\n".join(["NOT AS IT SHOULD BE:", *wrong[:20], f"{len(wrong)} in all"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelers", type=numbers, default=[200], help="at once, e.g. 200 or 100,200")
    parser.add_argument("--pace", type=float, default=20.0, help="seconds that an object takes a person")
    parser.add_argument("--seconds", type=float, default=300.0, help="that are measured, when all have come")
    parser.add_argument("--faults", action="store_true", help="kill workers and restart Redis meanwhile")
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds; 0: never")
    parser.add_argument("--redis-every", type=float, default=60.0, help="seconds; 0: never")
    parser.add_argument("--save", help="a page whose block of figures is replaced, and whose picture is drawn")
    return parser.parse_args()


def _run(stack: Stack, crowd: list[Person], options: argparse.Namespace) -> Run:
    arrival = 2 * options.pace
    count = int(len(crowd) * (1 + (options.seconds + arrival) / options.pace * _SPARE))
    _say(f"adding {count} images")
    world = dataset_of_photographs(stack, f"load-{len(crowd)}", count)
    let_in(stack, world, crowd)
    return asyncio.run(_work(stack, world, crowd, arrival, options))


async def _work(
    stack: Stack, world: World, crowd: list[Person], arrival: float, options: argparse.Namespace
) -> Run:
    ledger, stop = Ledger(), asyncio.Event()
    people = [
        asyncio.create_task(Labeler(number, person.token, world, options.pace, ledger).work(stop))
        for number, person in enumerate(crowd)
    ]
    _say(f"{len(crowd)} people come, within {arrival:.0f} s")
    await asyncio.sleep(arrival)
    began, used, busy = time.monotonic(), time.process_time(), busy_seconds()
    plan = Plan(options.kill_every, options.redis_every) if options.faults else Plan(0, 0)
    with ExitStack() as meanwhile:
        watch = meanwhile.enter_context(MemoryWatch(stack, options.seconds))
        faults = meanwhile.enter_context(Faults(stack, plan))
        while (left := began + options.seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(10, left))
            passed = time.monotonic() - began
            _say(f"{passed:4.0f} s: {len(ledger.saves)} saves, {len(ledger.unexpected)} wrong answers")
        ended, client, busy = time.monotonic(), time.process_time() - used, busy_seconds() - busy
        # Joining the threads would hold the people up.
        await asyncio.to_thread(meanwhile.pop_all().close)
    stop.set()
    await asyncio.gather(*people)
    _say("reading everything back")
    reckoning = await reckon(world, stack.admin_token, ledger)
    processors = watch.processors | {"labelers": client / (ended - began)}
    return Run(
        len(crowd),
        options.pace,
        began,
        ended,
        ledger,
        reckoning,
        watch.series,
        processors,
        busy / (ended - began),
        faults.happened,
        may_refuse=options.faults or len(options.labelers) > 1,
    )


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _command() -> str:
    return " ".join([".venv/bin/python", "benchmarks/load.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
