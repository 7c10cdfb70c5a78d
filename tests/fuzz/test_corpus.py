"""What fuzzing has ever found, found no more; and that it begins with files which are taken."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz import seeds
from tests.fuzz.run import CORPUS, bounded
from tests.fuzz.targets import TARGETS


def test_whatever_was_found_is_taken_or_refused_in_bounded_memory_and_time() -> None:
    files = sorted(path for path in CORPUS.glob("*/*"))
    assert {path.parent.name for path in files} <= set(TARGETS)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.child", "--once", *map(str, files)],
        cwd=Path(__file__).parents[2],
        preexec_fn=bounded,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]}: {done.stderr[-3000:]}"
    assert len(done.stdout.splitlines()) == len(files)


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_begins_with_is_taken(target: str) -> None:
    beginnings = seeds.of(target)
    assert [TARGETS[target](data) for data in beginnings] == [True] * len(beginnings)
