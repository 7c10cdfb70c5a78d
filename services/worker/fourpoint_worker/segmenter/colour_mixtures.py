"""Mixtures of Gaussians over colours: how likely a colour is on the object, and off it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
"""Shape (n, d)."""


@dataclass(frozen=True)
class ColourMixture:
    """`k` weighted Gaussians over `d` channels.

    log_weight: (k,); mean: (k, d); whiten: (k, d, d) with (x - mean) @ whiten of unit covariance;
    log_scale: (k,), the log of each Gaussian's normalising factor.
    """

    log_weight: Samples
    mean: Samples
    whiten: Samples
    log_scale: Samples

    def log_density(self, samples: Samples) -> Samples:
        """Log likelihood of each sample: (n, d) to (n,)."""
        joint = self.joint_log_densities(samples)
        highest = joint.max(axis=0)
        return np.asarray(highest + np.log(np.exp(joint - highest).sum(axis=0)), np.float32)

    def joint_log_densities(self, samples: Samples) -> Samples:
        """Log of weight times likelihood under each Gaussian: (n, d) to (k, n)."""
        return np.stack(
            [
                weight + scale - 0.5 * np.square((samples - mean) @ whiten).sum(axis=1)
                for weight, scale, mean, whiten in zip(
                    self.log_weight, self.log_scale, self.mean, self.whiten, strict=True
                )
            ]
        )


def fit_mixture(samples: Samples, weights: Samples, components: int, steps: int, floor: float) -> ColourMixture:
    """Fit by expectation maximisation from a deterministic start.

    weights: (n,) how much each sample counts; floor: variance added to every channel, so that a flat
    region does not become a spike.
    """
    share = _split_by_colour(samples, weights, components)
    mixture = _from_shares(samples, share * weights, floor)
    for _ in range(steps):
        mixture = _from_shares(samples, _responsibilities(mixture, samples) * weights, floor)
    return mixture


def _split_by_colour(samples: Samples, weights: Samples, components: int) -> Samples:
    """Hard memberships (k, n): the widest cluster is cut at its mean until there are enough.

    Source: Orchard and Bouman, "Color quantization of images", 1991; GrabCut starts the same way.
    """
    label = np.zeros(len(samples), np.intp)
    for new in range(1, components):
        spreads = [_widest_axis(samples, weights * (label == cluster)) for cluster in range(new)]
        widest = max(range(new), key=lambda cluster: spreads[cluster][0])
        _, axis, mean = spreads[widest]
        label[(label == widest) & ((samples - mean) @ axis > 0)] = new
    return np.asarray(label == np.arange(components)[:, None], np.float32)


def _widest_axis(samples: Samples, weights: Samples) -> tuple[float, Samples, Samples]:
    """Weighted variance along the principal axis times the weight, that axis, and the mean."""
    mass, mean, covariance = _moments(samples, weights)
    values, vectors = np.linalg.eigh(covariance)
    return float(values[-1] * mass), np.asarray(vectors[:, -1], np.float32), mean


def _moments(samples: Samples, weights: Samples) -> tuple[float, Samples, Samples]:
    mass = float(weights.sum()) + 1e-6
    mean = weights @ samples / mass
    offset = samples - mean
    return mass, mean, (offset * weights[:, None]).T @ offset / mass


def _from_shares(samples: Samples, shares: Samples, floor: float) -> ColourMixture:
    channels = samples.shape[1]
    moments = [_moments(samples, share) for share in shares]
    mass = np.array([m for m, _, _ in moments])
    covariance = np.stack([c for _, _, c in moments]) + floor * np.eye(channels)
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    log_scale = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1) - channels / 2 * np.log(2 * np.pi)
    return ColourMixture(
        np.log(mass / mass.sum()).astype(np.float32),
        np.stack([m for _, m, _ in moments]).astype(np.float32),
        root.astype(np.float32),
        log_scale.astype(np.float32),
    )


def _responsibilities(mixture: ColourMixture, samples: Samples) -> Samples:
    joint = mixture.joint_log_densities(samples)
    share = np.exp(joint - joint.max(axis=0))
    return np.asarray(share / share.sum(axis=0), np.float32)
