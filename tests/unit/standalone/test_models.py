"""`fourpoint models`, with a server of our own in the place of the publisher."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.unit.segmenter.test_sam_checkpoints import DATA, DIGEST, Server, server

from fourpoint_standalone import models
from fourpoint_standalone.cli import main
from fourpoint_standalone.model_commands import MODELS
from fourpoint_worker.segmenter.sam.checkpoints import OFFICIAL

__all__ = ["server"]
Command = Callable[..., Result]


@pytest.fixture
def command(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`fourpoint models ...` on an empty directory, where vit_b is a file of five megabytes."""
    small = replace(OFFICIAL["vit_b"], url=server.url, sha256=DIGEST, size_bytes=len(DATA))
    monkeypatch.setitem(models.OFFICIAL, "vit_b", small)
    options = [f"--models-directory={tmp_path}"]
    return lambda *arguments: CliRunner().invoke(main, ["models", *arguments, *options])


def test_the_commands_know_the_models_that_there_are() -> None:
    assert set(MODELS) == OFFICIAL.keys()


def test_a_checkpoint_is_listed_pulled_and_verified(command: Command, tmp_path: Path) -> None:
    assert command("list").output.splitlines()[0].split()[:1] == ["vit_b"]
    pulled = command("pull", "vit_b")
    assert pulled.exit_code == 0, pulled.output
    assert hashlib.sha256((tmp_path / "tiny.pth").read_bytes()).hexdigest() == DIGEST
    assert str(tmp_path / "tiny.pth") in command("list").output
    assert "as published" in command("verify", "vit_b").output


def test_progress_is_shown(command: Command) -> None:
    assert "5.1/5.1 MB" in command("pull", "vit_b").output


def test_a_broken_download_is_listed_and_gone_on_with(command: Command, server: Server) -> None:
    server.dies_after = 2_000_000
    broken = command("pull", "vit_b")
    assert (broken.exit_code, "Try again" in broken.output) == (1, True)
    assert "% fetched" in command("list").output
    server.dies_after = None
    assert command("pull", "vit_b").exit_code == 0
    assert server.ranges[-1] is not None


def test_a_damaged_checkpoint_is_told_and_not_taken(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tiny.pth").write_bytes(b"cut short")
    for verb in ("verify", "pull"):
        refused = command(verb, "vit_b")
        assert (refused.exit_code, "Remove it, and pull it again" in refused.output) == (1, True)


def test_a_model_that_nobody_publishes_is_refused(command: Command) -> None:
    assert command("pull", "vit_x").exit_code == 2
