"""Figures of many times."""

from collections.abc import Sequence
from statistics import quantiles


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    cuts = quantiles(times, n=20)
    return round(cuts[9], 2), round(cuts[18], 2)


def numbers(text: str) -> list[int]:
    """Of an option such as `1,4,8`."""
    return [int(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    """Of an option such as `vit_b,vit_h`."""
    return text.split(",")
