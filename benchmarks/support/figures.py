"""Figures of many times."""

from collections.abc import Sequence
from statistics import quantiles


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    cuts = quantiles(times, n=20)
    return round(cuts[9], 2), round(cuts[18], 2)
