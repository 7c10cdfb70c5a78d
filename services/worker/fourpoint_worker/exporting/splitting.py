"""Deals images out to train, val and test."""

import random
from collections import Counter
from collections.abc import Iterator

from fourpoint_core.domain.transfers import USAGES, Split
from fourpoint_worker.exporting.snapshot import Snapshot
from fourpoint_worker.formats.values import Notes


def deal(split: Split, source: Snapshot, notes: Notes) -> None:
    """Give every image its part. Notes: `split_attribute_missing`, `split_attribute_differs`."""
    if split.ratios is not None:
        source.deal(_parts(split.ratios), _by_ratio(split.ratios, split.seed, source))
    elif split.attribute is not None:
        usages = list(_by_attribute(split.attribute, source, notes))
        found = set(usages)
        source.deal([usage for usage in USAGES if usage in found] or [USAGES[0]], iter(usages))


def _parts(ratios: tuple[float, float, float]) -> list[str]:
    return [usage for usage, ratio in zip(USAGES, ratios, strict=True) if ratio > 0]


def _by_ratio(ratios: tuple[float, float, float], seed: int, source: Snapshot) -> Iterator[str]:
    """Of each stratum, the images go to whichever part lacks the most; the seed decides between equals.

    The stratum of an image is its rarest label: what is rare is what a part could miss altogether.
    """
    given: dict[int, Counter[str]] = {}
    total: Counter[str] = Counter()
    shares = {usage: ratio for usage, ratio in zip(USAGES, ratios, strict=True) if ratio > 0}
    for sample_id, labels in source.label_sets():
        stratum = min(labels, key=lambda index: (source.label_counts[index], index), default=0)
        here = given.setdefault(stratum, Counter())
        # Of its own for every image, so that one more image changes nothing for those before it.
        chance = random.Random(f"{seed} {sample_id}")  # noqa: S311 - nobody is to be kept from guessing
        lacking = {
            usage: (
                round(share * (here.total() + 1) - here[usage], 9),
                round(share * (total.total() + 1) - total[usage], 9),
                chance.random(),
            )
            for usage, share in shares.items()
        }
        usage = max(lacking, key=lambda one: lacking[one])
        here[usage] += 1
        total[usage] += 1
        yield usage


def _by_attribute(attribute: str, source: Snapshot, notes: Notes) -> Iterator[str]:
    for image in source.images():
        said = [str(each.traits.attributes.get(attribute, "")).strip().lower() for each in image.objects]
        found = [usage for usage in said if usage in USAGES]
        if not found:
            notes.add("split_attribute_missing", f"No object of {image.path} says which part it is in.")
        elif len(set(found)) > 1:
            notes.add("split_attribute_differs", f"Objects of {image.path} name several parts.")
        yield found[0] if found else USAGES[0]
