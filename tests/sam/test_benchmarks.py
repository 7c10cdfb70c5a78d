"""What the benchmarks count, and that they still fit the code."""

import sys

import pytest
from benchmarks import sam_speed
from benchmarks.support import click_steps
from benchmarks.support.sam_networks import decoder_flops, encoder_flops

from fourpoint_worker.segmenter.sam.settings import SamSettings
from fourpoint_worker.settings import EmbeddingsPlace, WorkerSettings


@pytest.mark.parametrize(("model", "tera"), [("vit_b", 0.97), ("vit_l", 2.99), ("vit_h", 5.96)])
def test_the_operations_of_an_official_encoder_are_those_that_are_known(model: str, tera: float) -> None:
    assert encoder_flops(model) == pytest.approx(tera * 1e12, rel=0.01)
    assert decoder_flops(model) == pytest.approx(3.6e9, rel=0.05)


def test_without_a_gpu_every_row_of_one_says_that_it_was_not_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the CPU is measured with: here with nothing."""
    monkeypatch.setattr(sam_speed.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sam_speed, "matrix_rate", lambda device, kind: 1.0)
    monkeypatch.setattr(sam_speed, "_measure", lambda *arguments: [])
    monkeypatch.setattr(sys, "argv", ["sam_speed.py"])
    sam_speed.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if "cuda" in line]
    # Three networks; encoder and decoder at three batch sizes each, and the warm click.
    assert len(lines) == 3 * 7
    assert all("not measured" in line for line in lines)


@pytest.mark.parametrize("name", click_steps.SWITCHES)
def test_the_worker_understands_what_keeps_nothing(name: str) -> None:
    needed = {
        "DATABASE_URL": "postgresql://here/db",
        "REDIS_URL": "redis://here",
        "STORAGE_URL": "file:///here",
    }
    variables = {f"FOURPOINT_{key}": value for key, value in needed.items()} | click_steps.SWITCHES[name]
    kept = name == "kept"
    assert (WorkerSettings.from_mapping(variables).embeddings is not EmbeddingsPlace.NOWHERE) == kept
    # An embedding has megabytes.
    assert (SamSettings.from_mapping(variables).memory_bytes > 2**20) == kept
