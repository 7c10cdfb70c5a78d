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
    (problem,) = run.judged({"a.lock": [FINE, HOLED]})
    assert "pillow 1.0 has PYSEC-1" in problem


def test_one_package_that_was_skipped_is_a_failure() -> None:
    (problem,) = run.judged({"a.lock": [FINE, SKIPPED]})
    assert "torch was skipped" in problem


def test_a_lock_file_all_skipped_by_a_source_that_knows_others_is_a_failure(unaudited: list[str]) -> None:
    (problem,) = run.judged({"a.lock": [FINE], "small.lock": [SKIPPED]})
    assert "small.lock: torch was skipped" in problem
    assert unaudited == []


def test_where_no_source_knows_anything_nothing_counts_as_audited(unaudited: list[str]) -> None:
    assert run.judged({"a.lock": [SKIPPED, SKIPPED], "b.lock": [SKIPPED]}) == []
    assert unaudited == ["a.lock", "b.lock"]


@pytest.mark.parametrize(
    ("said", "fails"),
    [
        ("requests.exceptions.ConnectionError: Max retries exceeded with url: /pypi", False),
        ("AttributeError: 'NoneType' object has no attribute 'parse'", True),
        ("", True),
    ],
)
def test_only_a_source_that_cannot_be_reached_is_forgiven(
    said: str, fails: bool, monkeypatch: pytest.MonkeyPatch, unaudited: list[str]
) -> None:
    monkeypatch.setattr(run, "LOCKS", ("a.lock",))
    monkeypatch.setattr(run, "_run", lambda *command: subprocess.CompletedProcess(command, 1, "", said))
    assert bool(run.dependencies()) is fails
    assert (unaudited == ["a.lock"]) is not fails


def test_every_lock_file_is_audited() -> None:
    written = subprocess.run(
        ["git", "ls-files", "*.lock"], cwd=run.ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(written) == set(run.LOCKS)
