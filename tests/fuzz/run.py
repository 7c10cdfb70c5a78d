"""Fuzz the readers of foreign files: `python -m tests.fuzz.run --help`, and docs/security.md.

Every target runs in a process of its own, with bounds on its address space, and on the memory and seconds of
each input. It begins with our own exports and with `corpus/`, where all lies that was ever found; what is found
goes to `build/fuzz/`. Put it into the corpus once it is mended.
"""

import argparse
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


def main() -> int:
    """Exit status 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for all of them together")
    parser.add_argument("--seed", type=int, default=1, help="where chance begins; 0 for anywhere")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        # It comes ready for Linux on x86-64 only.
        print("Nothing was fuzzed: there is no atheris for this machine.")
        return 1
    chosen = options.targets or list(TARGETS)
    found = HERE.parents[1] / "build" / "fuzz"
    found.mkdir(parents=True, exist_ok=True)
    failed = [each for each in chosen if not _fuzz(each, options.seconds / len(chosen), options.seed, found)]
    for name in failed:
        print(f"{name}: something was found, see above and {found.relative_to(Path.cwd())}.")
    return 1 if failed else 0


def _fuzz(target: str, seconds: float, seed: int, found: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix="fourpoint-fuzz-") as beginnings:
        for number, data in enumerate(seeds.of(target)):
            (Path(beginnings) / str(number)).write_bytes(data)
        folders = [beginnings, str(CORPUS / target)] if (CORPUS / target).is_dir() else [beginnings]
        done = subprocess.run(
            # libFuzzer's seconds are those of the clock, of which a busy machine takes more.
            [
                *(sys.executable, "-m", "tests.fuzz.child", target, *folders, f"-seed={seed}"),
                *(f"-max_total_time={max(1, round(seconds))}", f"-timeout={3 * SECONDS_AN_INPUT}"),
                *(f"-rss_limit_mb={MEMORY_BYTES >> 20}", f"-max_len={MAX_INPUT_BYTES}"),
                *(f"-artifact_prefix={found}/{target}-", "-print_final_stats=1", "-verbosity=0"),
            ],
            preexec_fn=bounded,
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


def bounded() -> None:
    """Bound the memory of the process that is about to begin."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
