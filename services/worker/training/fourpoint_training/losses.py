"""What a mask is wrong by: cell by cell, more beside the border, and as a whole."""

import torch
from torch import Tensor
from torch.nn import functional

_BAND = 5
_BAND_WEIGHT = 3.0
_COARSE_SHARE = 0.4
# Beyond the photo nothing is asked, but something must be answered.
_OUTSIDE_WEIGHT = 0.05


def border_band(truth: Tensor) -> Tensor:
    """bool like `truth` (n, 1, h, w): cells within two of its border."""
    soft = truth.float()
    high = functional.max_pool2d(soft, _BAND, 1, _BAND // 2)
    low = -functional.max_pool2d(-soft, _BAND, 1, _BAND // 2)
    return high > low


def mask_loss(logits: Tensor, truth: Tensor, seen: Tensor, wanted: Tensor | None = None) -> Tensor:
    """Mean over masks of weighted cross entropy and soft Jaccard distance.

    truth: bool, the true mask. seen: float, 1 where the photo is. wanted: float, what to answer instead of
    `truth` where a teacher says so. All (n, 1, h, w).
    """
    target = truth.float() if wanted is None else wanted
    weight = (1 + _BAND_WEIGHT * border_band(truth)) * (seen + (1 - seen) * _OUTSIDE_WEIGHT)
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = (each * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    answer = torch.sigmoid(logits) * seen
    shared = (answer * target).sum((1, 2, 3))
    union = (answer + target * seen).sum((1, 2, 3)) - shared
    return (entropy + 1 - (shared + 1) / (union + 1)).mean()


def scene_loss(
    logits: Tensor, coarse: Tensor, truth: Tensor, seen: Tensor, wanted: Tensor | None = None
) -> Tensor:
    """`mask_loss` of the answer, and some of the coarse answer's, so that its recount starts well."""
    factor = truth.shape[-1] // coarse.shape[-1]
    small_truth = functional.avg_pool2d(truth.float(), factor) > 0.5
    small_seen = functional.avg_pool2d(seen, factor)
    return mask_loss(logits, truth, seen, wanted) + _COARSE_SHARE * mask_loss(coarse, small_truth, small_seen)


def overlaps(logits: Tensor, truth: Tensor) -> Tensor:
    """(n,): intersection over union of what is answered and what is true; 0 when both are empty."""
    answer = logits > 0
    shared = (answer & truth).sum((1, 2, 3)).float()
    return shared / (answer | truth).sum((1, 2, 3)).float().clamp_min(1)
