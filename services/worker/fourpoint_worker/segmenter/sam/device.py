"""Where the network runs, and in which numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import torch

from fourpoint_core.errors import DeviceExhaustedError, SettingsError


class Precision(StrEnum):
    """Numbers of the image encoder; the decoder is small and stays in float32.

    bf16: three times as fast on a GPU. An embedding then fits float16 without a loss, which is how it is kept.
    """

    FP32 = "fp32"
    BF16 = "bf16"

    @property
    def of_encoder(self) -> torch.dtype:
        """What the encoder computes in."""
        return torch.bfloat16 if self is Precision.BF16 else torch.float32

    @property
    def of_embedding(self) -> torch.dtype:
        """What embeddings are kept in: all that the encoder said, and no more."""
        return torch.float16 if self is Precision.BF16 else torch.float32


@dataclass(frozen=True, slots=True)
class Device:
    """A place for a network. name: as PyTorch has it, `cpu`, `cuda` or `cuda:1`."""

    name: str
    precision: Precision

    @classmethod
    def named(cls, name: str, precision: str) -> "Device":
        """The device that configuration names; without a precision, the one that suits it.

        Raises SettingsError where it is not there, or cannot compute so.
        """
        kind, _, number = name.partition(":")
        if kind not in {"cpu", "cuda"} or (number and not number.isdigit()):
            raise SettingsError(f"FOURPOINT_SAM_DEVICE: {name!r} is none of cpu, cuda, cuda:0, cuda:1 ...")
        if kind == "cuda":
            _require_gpu(name, int(number or 0))
        fitting = Precision.BF16 if kind == "cuda" else Precision.FP32
        if precision and precision not in set(Precision):
            raise SettingsError(f"FOURPOINT_SAM_PRECISION: {precision!r} is none of {', '.join(Precision)}")
        return cls(name, Precision(precision) if precision else fitting)

    @property
    def is_gpu(self) -> bool:
        """Whether work is queued on it and returns before it is done."""
        return self.name.startswith("cuda")

    def set_precision_of_matrices(self) -> None:
        """Let a GPU multiply float32 with ten bits of mantissa (TF32), unless all of them are asked for.

        That is the decoder's precision, whose answers show no more, and with fp32 the encoder's, where they do.
        """
        rounds = self.precision is Precision.BF16
        torch.set_float32_matmul_precision("high" if rounds else "highest")
        torch.backends.cudnn.allow_tf32 = rounds


@contextmanager
def out_of_memory_translated() -> Iterator[None]:
    """For threads that take from the device, or bring there, what is theirs. Raises DeviceExhaustedError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceExhaustedError(
            "The device has no memory left; try again when less is asked of it."
        ) from error


def _require_gpu(name: str, number: int) -> None:
    if not torch.cuda.is_available():
        reason = "this build of PyTorch has none" if torch.version.cuda is None else "no GPU, or no driver"
        raise SettingsError(
            f"FOURPOINT_SAM_DEVICE is {name}, and PyTorch finds no GPU ({reason}). Set it to cpu to run "
            "without one: slowly, see docs/inference.md."
        )
    if number >= torch.cuda.device_count():
        raise SettingsError(
            f"FOURPOINT_SAM_DEVICE is {name}; there are {torch.cuda.device_count()} GPUs, counted from 0."
        )
