"""One target, fuzzed in this process until something is found or time is over; or files shown to it once each.

`python -m tests.fuzz.child TARGET ...arguments of libFuzzer...`
`python -m tests.fuzz.child --once FILE...`, each in a folder that is named after its target

Bounded in memory and time by whoever starts it, see `run`.
"""

import random
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

SECONDS_AN_INPUT = 20


def main(arguments: list[str]) -> None:
    """Status 0 where nothing was found."""
    if arguments[0] == "--once":
        _once(map(Path, arguments[1:]))
    else:
        _fuzz(arguments[0], arguments[1:])


def _once(files: Iterable[Path]) -> None:
    from tests.fuzz.targets import TARGETS

    for file in files:
        print(file, flush=True)
        # Of the processor, however busy the machine is; nothing that is tested can catch the signal.
        signal.setitimer(signal.ITIMER_PROF, SECONDS_AN_INPUT)
        TARGETS[file.parent.name](file.read_bytes())
        signal.setitimer(signal.ITIMER_PROF, 0)


def _fuzz(target: str, rest: list[str]) -> None:
    import atheris
    from tests.fuzz.mutations import mutated

    with atheris.instrument_imports(include=["fourpoint_core", "fourpoint_worker.formats", "zipfile", "PIL"]):
        from tests.fuzz.targets import TARGETS

    def one_input(data: bytes) -> None:
        TARGETS[target](data)

    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.4:
            data = atheris.Mutate(data, len(data))
        return mutated(target, data, chance)[:max_size]

    atheris.Setup([sys.argv[0], *rest], one_input, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
