"""A run learns, can be interrupted at any time, and ends in a file that answers as its network does."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fourpoint_training.command_line import main
from fourpoint_training.export import export
from fourpoint_training.losses import overlaps, scene_loss
from fourpoint_training.objects import Bank
from fourpoint_training.prompting import exact_prompts
from fourpoint_training.recipes import Mix, Recipe, recipe_called
from fourpoint_training.run import LOG, STATE, Pace, Run
from fourpoint_training.scenes import plain_scenes
from fourpoint_training.training_state import load_average
from fourpoint_worker.segmenter.compact.model_file import INPUTS, ModelFile

CPU = torch.device("cpu")


def log_of(folder: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


@pytest.fixture(scope="module")
def trained(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run = Run(folder, recipe_called("smoke", 480), 1, CPU, Pace(log_steps=10))
    assert run.train(bank, bank)
    return folder


@pytest.fixture(scope="module")
def model(trained: Path, bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "model.onnx"
    export(trained / STATE, file, bank)
    return file


def test_a_short_run_ends_with_a_lower_loss(trained: Path) -> None:
    losses = [line["loss"] for line in log_of(trained, "step")]
    assert np.mean(losses[-2:]) < 0.85 * np.mean(losses[:2])


def test_the_log_says_what_was_trained_on_what(trained: Path, bank: Bank) -> None:
    (started,) = log_of(trained, "started")
    assert (started["seed"], started["data_digest"]) == (1, bank.digest)
    assert started["recipe"]["samples"] == 480
    assert log_of(trained, "checked")[-1]["domains"].keys() == {"bites"}


def test_the_file_answers_as_the_network_does(trained: Path, model: Path, bank: Bank) -> None:
    network, recipe = load_average(trained / STATE, CPU)
    scenes = plain_scenes(bank, torch.arange(6), recipe.rule)
    prompts = exact_prompts(scenes.truth)
    with torch.no_grad():
        wanted = network(scenes.image, prompts)[0][:, 0]
    parts = (scenes.image, prompts.clicks, prompts.clicked, prompts.box, prompts.corrections, prompts.earlier)
    file = ModelFile(model, threads=1)
    found = file.logits({name: part.numpy() for name, part in zip(INPUTS, parts, strict=True)})
    assert np.abs(found - wanted.numpy()).max() < 0.05
    assert file.rule == recipe.rule


def test_the_file_holds_its_weights_in_two_bytes_each(trained: Path, model: Path) -> None:
    network, _ = load_average(trained / STATE, CPU)
    assert model.stat().st_size < 2 * sum(p.numel() for p in network.parameters()) + 100_000


def test_a_network_that_the_file_does_not_match_is_not_written(
    trained: Path, bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourpoint_training.export._answers", lambda model, cases: np.zeros((16, 1, 64, 64)))
    with pytest.raises(ValueError, match="does not answer"):
        export(trained / STATE, tmp_path / "model.onnx", bank)
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_two_pieces_ends_where_one_piece_would(bank: Bank, tmp_path: Path) -> None:
    recipe = recipe_called("smoke", 64)
    whole = Run(tmp_path / "whole", recipe, 5, CPU)
    whole.train(bank)
    Run(tmp_path / "pieces", recipe, 5, CPU, Pace(minutes=0)).train(bank)
    pieces = Run(tmp_path / "pieces", recipe, 5, CPU, Pace(minutes=0.02))
    while not pieces.train(bank):
        pieces = Run(tmp_path / "pieces", recipe, 5, CPU, Pace(minutes=0.02))
    for one, other in zip(whole.state.average.parameters(), pieces.state.average.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_run_that_is_killed_goes_on_from_its_last_checkpoint(
    folder: Path, bank: Bank, tmp_path: Path
) -> None:
    program = (
        "from pathlib import Path; import torch; torch.set_num_threads(1);"
        "from fourpoint_training.objects import build_bank, read_rows;"
        "from fourpoint_training.recipes import recipe_called; from fourpoint_training.run import Pace, Run;"
        f"bank = build_bank(read_rows([Path({str(folder)!r})]), 96);"
        f"Run(Path({str(tmp_path)!r}), recipe_called('smoke', 80000), 5, torch.device('cpu'),"
        " Pace(save_seconds=0)).train(bank)"
    )
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (tmp_path / STATE).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    again = Run(tmp_path, recipe_called("smoke", 80000), 5, CPU, Pace(minutes=0.01))
    assert again.state.samples > 0
    assert not again.train(bank)


def test_weights_of_one_grid_begin_a_run_on_another(trained: Path, bank: Bank, tmp_path: Path) -> None:
    run = Run(tmp_path, recipe_called("smoke", cells=96), 1, CPU)
    run.begin_with(trained / STATE)
    assert run.check(bank) > 0.5


def test_a_state_of_another_shape_is_refused(trained: Path) -> None:
    with pytest.raises(ValueError, match="another shape"):
        Run(trained, recipe_called("quick"), 1, CPU)


@pytest.mark.parametrize(
    ("recipe", "seed"),
    [
        pytest.param(recipe_called("smoke", 480), 2, id="seed"),
        pytest.param(recipe_called("smoke", 480, batch=16), 1, id="batch"),
        pytest.param(replace(recipe_called("smoke", 480), mix=Mix(pasted=0.9)), 1, id="mix"),
    ],
)
def test_a_run_does_not_go_on_as_another(trained: Path, recipe: Recipe, seed: int) -> None:
    with pytest.raises(ValueError, match="another recipe or seed"):
        Run(trained, recipe, seed, CPU)


def test_a_run_does_not_go_on_with_other_objects(trained: Path, bank: Bank) -> None:
    with pytest.raises(ValueError, match="other objects"):
        Run(trained, recipe_called("smoke", 960), 1, CPU).train(replace(bank, digest="another"))


def test_teachers_are_listened_to(trained: Path, bank: Bank, tmp_path: Path) -> None:
    def loss_of_first_steps(folder: Path, teachers: list[Path]) -> float:
        run = Run(folder, recipe_called("smoke", 80), 1, CPU, Pace(log_steps=10))
        run.learn_from(teachers)
        run.train(bank)
        return float(log_of(folder, "step")[-1]["loss"])

    assert loss_of_first_steps(tmp_path / "one", []) != loss_of_first_steps(tmp_path / "two", [trained / STATE])


def test_a_perfect_answer_costs_next_to_nothing(bank: Bank) -> None:
    scenes = plain_scenes(bank, torch.arange(4), recipe_called("smoke").rule)
    seen = scenes.image[:, 3:]
    sure = torch.where(scenes.truth, 20.0, -20.0)
    coarse = torch.nn.functional.avg_pool2d(sure, 4)
    assert scene_loss(sure, coarse, scenes.truth, seen) < 0.05 < scene_loss(-sure, -coarse, scenes.truth, seen)
    assert overlaps(sure, scenes.truth).min() == 1


def test_the_command_line_trains_and_exports(folder: Path, tmp_path: Path) -> None:
    common = ["--data", str(folder)]
    run = [*common, "--out", str(tmp_path / "run"), "--recipe", "smoke", "--samples", "32", "--device", "cpu"]
    assert main(["train", *run, "--minutes", "0"]) == 3
    assert main(["train", *run, "--dev", str(folder)]) == 0
    assert main(["export", str(tmp_path / "run"), *common, "--out", str(tmp_path / "model.onnx")]) == 0
    assert ModelFile(tmp_path / "model.onnx", threads=1).rule.cells == 64
