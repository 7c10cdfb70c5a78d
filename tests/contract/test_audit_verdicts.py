"""What `make audit` makes of pip-audit's answers: silence is no good news."""

import subprocess

import pytest
from tests.audit import run

FINE = {"name": "click", "version": "8.3.0", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "not found"}
HOLED = {"name": "pillow", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.0"]}]}


@pytest.fixture(autouse=True)
def unaudited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    noted: list[str] = []
    monkeypatch.setattr(run, "UNAUDITED", noted)
    return noted


def test_a_package_with_a_known_hole_is_a_failure() -> None:
    (problem,) = run.judged("a.lock", [FINE, HOLED])
    assert "pillow 1.0 has PYSEC-1" in problem


def test_one_package_that_was_skipped_is_a_failure() -> None:
    (problem,) = run.judged("a.lock", [FINE, SKIPPED])
    assert "torch was skipped" in problem


def test_where_no_source_answers_nothing_counts_as_audited(unaudited: list[str]) -> None:
    assert run.judged("a.lock", [SKIPPED, SKIPPED]) == []
    assert unaudited == ["a.lock"]


def test_every_lock_file_is_audited() -> None:
    written = subprocess.run(
        ["git", "ls-files", "*.lock"], cwd=run.ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(written) == set(run.LOCKS)
