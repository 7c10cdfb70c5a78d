"""Fuzz the readers of foreign files: `python -m tests.fuzz.run --help`, and docs/security.md.

Every target runs in a process of its own, with bounds on its address space, and on the memory and seconds of
each input. It begins with our own exports and with `corpus/`, where all lies that was ever found; what is found
goes to `build/fuzz/`. Put it into the corpus once it is mended. From one seed come the same inputs every time.
"""

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz import seeds
from tests.fuzz.child import SECONDS_AN_INPUT
from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
MEMORY_BYTES = 2 * 2**30
MAX_INPUT_BYTES = 64 * 1024
_ADDR_NO_RANDOMIZE = 0x0040000


def main() -> int:
    """Exit status 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--inputs", type=int, default=5000, help="for each of them")
    parser.add_argument("--seconds", type=int, help="for all of them together, instead")
    parser.add_argument("--seed", type=int, default=1, help="where chance begins; 0 for anywhere")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        # It comes ready for Linux on x86-64 only.
        print("Nothing was fuzzed: there is no atheris for this machine.")
        return 1
    chosen = options.targets or list(TARGETS)
    found = HERE.parents[1] / "build" / "fuzz"
    found.mkdir(parents=True, exist_ok=True)
    # libFuzzer's seconds are those of the clock, of which a busy machine takes more.
    until = f"-runs={options.inputs}"
    if options.seconds:
        until = f"-max_total_time={max(1, round(options.seconds / len(chosen)))}"
    failed = [each for each in chosen if not _fuzz(each, until, options.seed, found)]
    for name in failed:
        print(f"{name}: something was found, see above and {found.relative_to(Path.cwd())}.")
    return 1 if failed else 0


def _fuzz(target: str, until: str, seed: int, found: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix="fourpoint-fuzz-") as made:
        for number, data in enumerate(seeds.of(target)):
            (Path(made) / f"{number:03}").write_bytes(data)
        beginnings = [*sorted(Path(made).iterdir()), *sorted(CORPUS.glob(f"{target}/*"))]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.child", target, until, f"-seed={seed}"),
                # By name: a folder gives them in whatever order it likes.
                f"-seed_inputs={','.join(map(str, beginnings))}",
                *(f"-timeout={3 * SECONDS_AN_INPUT}", f"-rss_limit_mb={MEMORY_BYTES >> 20}"),
                *(f"-max_len={MAX_INPUT_BYTES}", f"-artifact_prefix={found}/{target}-"),
                *("-print_final_stats=1", "-verbosity=0"),
            ],
            preexec_fn=_bounded_and_repeatable,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    count = next((line.split()[-1] for line in done.stdout.splitlines() if "number_of_executed" in line), "?")
    print(f"{target:<32} {count:>8} inputs", flush=True)
    if done.returncode:
        print(done.stdout[-6000:])
    return done.returncode == 0


def _bounded_and_repeatable() -> None:
    bounded()
    # libFuzzer tells comparisons apart by their addresses. Where the machine forbids this, inputs differ.
    ctypes.CDLL(None).personality(_ADDR_NO_RANDOMIZE)


def bounded() -> None:
    """Bound the memory of the process that is about to begin."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
