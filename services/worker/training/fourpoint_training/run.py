"""One training run: scenes in, weights out, everything said in a log, and resumable at any moment."""

import json
import platform
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fourpoint_training.chance import Chance
from fourpoint_training.losses import overlaps, scene_loss
from fourpoint_training.network import CompactNet
from fourpoint_training.objects import Bank
from fourpoint_training.prompting import Prompts, corrected, exact_prompts, human_prompts
from fourpoint_training.recipes import Recipe
from fourpoint_training.scenes import Scenes, draw_scenes, plain_scenes
from fourpoint_training.training_state import TrainingState, load_average

STATE, LOG = "state.pt", "log.jsonl"
_CHECK_BATCH = 32


@dataclass(frozen=True)
class Pace:
    """How a run behaves on its machine; none of it decides the answers' quality, but that it may be cut short.

    save_seconds, check_samples: between two checkpoints, and two looks at the objects held back.
    minutes: after which it stops, resumable. compiled: whether the network is compiled first.
    """

    save_seconds: float = 60.0
    check_samples: int = 10_000
    log_steps: int = 50
    minutes: float | None = None
    compiled: bool = False


class Run:
    """A folder with a state and a log."""

    def __init__(self, folder: Path, recipe: Recipe, seed: int, device: torch.device, pace: Pace | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.recipe, self.device = folder, recipe, device
        self._pace = pace or Pace()
        self.state = TrainingState(recipe, seed, device)
        if self.state_path.exists():
            self.state.load(self.state_path)
        self._teachers: list[CompactNet] = []

    @property
    def state_path(self) -> Path:
        """Where the checkpoint lies."""
        return self.folder / STATE

    def begin_with(self, other: Path) -> None:
        """Take another run's weights, unless this run has begun already."""
        if not self.state_path.exists():
            self.state.start_from(other)

    def learn_from(self, teachers: Sequence[Path]) -> None:
        """Answer as the mean of these runs' networks does, which must look at the same grid."""
        for path in teachers:
            network, recipe = load_average(path, self.device)
            if recipe.rule != self.recipe.rule:
                raise ValueError(f"the teacher {path} looks at another grid: {recipe.rule}")
            self._teachers.append(network)

    def train(self, bank: Bank, held_back: Bank | None = None) -> bool:
        """Until the recipe's last scene, or the time is over; True when it is the former.

        held_back: objects that are only looked at, now and then. Raises ValueError where the run has begun with
        other objects than `bank`.
        """
        self.state.learn_only_from(bank.digest)
        began = saved = time.monotonic()
        bank, held_back = bank.to(self.device), held_back and held_back.to(self.device)
        weights = bank.draw_weights(self.recipe.domain_power).to(self.device)
        self.say("started", **self._circumstances(bank, held_back))
        network: Any = torch.compile(self.state.network) if self._pace.compiled else self.state.network
        meter = _Meter(self.state)
        while self.state.progress < 1 and not self._time_is_over(began):
            meter.add(self._step(network, bank, weights))
            if self.state.step % self._pace.log_steps == 0:
                self.say("step", **meter.read())
            if held_back is not None and self._passed(self._pace.check_samples):
                self.check(held_back)
            if time.monotonic() - saved > self._pace.save_seconds:
                self.state.save(self.state_path)
                saved = time.monotonic()
        self.state.save(self.state_path)
        done = self.state.progress >= 1
        if held_back is not None:
            self.check(held_back)
        seconds = round(time.monotonic() - began, 1)
        self.say("ended" if done else "paused", samples=self.state.samples, seconds=seconds)
        return done

    def check(self, held_back: Bank) -> float:
        """Mean IoU on the grid, after exact clicks, of the averaged network; logged per domain."""
        ious = torch.cat(
            [
                overlaps(self._answer(scenes), scenes.truth)
                for scenes in (
                    plain_scenes(held_back, chosen, self.recipe.rule)
                    for chosen in torch.arange(len(held_back), device=self.device).split(_CHECK_BATCH)
                )
            ]
        ).cpu()
        domains = {
            name: round(float(ious[[other == name for other in held_back.domains]].mean()), 4)
            for name in sorted(set(held_back.domains))
        }
        mean = round(float(ious.mean()), 4)
        self.say("checked", samples=self.state.samples, grid_iou=mean, domains=domains)
        return mean

    def say(self, event: str, **facts: Any) -> None:
        """One line of the log."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **facts})
        with (self.folder / LOG).open("a") as log:
            log.write(line + "\n")
        print(line, flush=True)

    @torch.no_grad()
    def _answer(self, scenes: Scenes) -> Tensor:
        with self._half_precision():
            logits, _ = self.state.average(scenes.image, exact_prompts(scenes.truth))
        return logits.float()

    def _step(self, network: Any, bank: Bank, weights: Tensor) -> Tensor:
        state, recipe = self.state, self.recipe
        chance = Chance(state.seed, state.step, self.device)
        with torch.no_grad():
            scenes = draw_scenes(bank, weights, recipe.batch, recipe.rule, recipe.mix, chance)
            prompts = human_prompts(scenes.truth, scenes.slips, recipe.rule, recipe.mix, chance)
            if bool(chance.happens(recipe.mix.corrections, 1)):
                prompts = self._after_a_look(network, scenes, prompts, chance)
            wanted = self._taught(scenes, prompts)
        for group in state.optimiser.param_groups:
            group["lr"] = state.rate()
        network.train()
        with self._half_precision():
            logits, coarse = network(scenes.image.contiguous(memory_format=torch.channels_last), prompts)
        loss = scene_loss(logits.float(), coarse.float(), scenes.truth, scenes.image[:, 3:], wanted)
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 2.0)
        state.optimiser.step()
        state.stepped()
        return loss.detach()

    def _after_a_look(self, network: Any, scenes: Scenes, prompts: Prompts, chance: Chance) -> Prompts:
        network.eval()
        with self._half_precision():
            logits, _ = network(scenes.image, prompts)
        return corrected(prompts, logits.float(), scenes.truth, chance)

    def _taught(self, scenes: Scenes, prompts: Prompts) -> Tensor | None:
        """Half of what the teachers say and half of the truth."""
        if not self._teachers:
            return None
        said = torch.stack(
            [torch.sigmoid(teacher(scenes.image, prompts)[0].float()) for teacher in self._teachers]
        )
        return (said.mean(0) + scenes.truth.float()) / 2

    def _half_precision(self) -> AbstractContextManager[Any]:
        """bfloat16 where the device is faster with it."""
        if self.device.type == "cuda" or (self.device.type == "cpu" and _has_bfloat16()):
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def _time_is_over(self, began: float) -> bool:
        return self._pace.minutes is not None and time.monotonic() - began >= self._pace.minutes * 60

    def _passed(self, every: int) -> bool:
        return self.state.samples // every > (self.state.samples - self.recipe.batch) // every

    def _circumstances(self, bank: Bank, held_back: Bank | None) -> dict[str, Any]:
        domains = {name: bank.domains.count(name) for name in sorted(set(bank.domains))}
        return {
            "recipe": asdict(self.recipe),
            "seed": self.state.seed,
            "samples": self.state.samples,
            "objects": domains,
            "data_digest": bank.digest,
            "held_back": 0 if held_back is None else len(held_back),
            "parameters": sum(p.numel() for p in self.state.network.parameters()),
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else platform.machine(),
            "threads": torch.get_num_threads(),
        }


class _Meter:
    """Mean loss and pace since it was last read; the device is asked only then."""

    def __init__(self, state: TrainingState):
        self._state = state
        self._losses: list[Tensor] = []
        self._samples, self._time = state.samples, time.monotonic()

    def add(self, loss: Tensor) -> None:
        self._losses.append(loss)

    def read(self) -> dict[str, float]:
        """What the log says."""
        state, now = self._state, time.monotonic()
        loss = float(torch.stack(self._losses).mean())
        pace = (state.samples - self._samples) / max(1e-9, now - self._time)
        self._losses, self._samples, self._time = [], state.samples, now
        return {
            "step": state.step,
            "samples": state.samples,
            "loss": round(loss, 5),
            "rate": round(state.rate(), 7),
            "samples_per_second": round(pace, 1),
        }


def _has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself; emulated it would be slower than float32."""
    about = Path("/proc/cpuinfo")
    return about.exists() and " avx512_bf16 " in about.read_text()
