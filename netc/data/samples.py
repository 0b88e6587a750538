"""Parts of an image that are drawn at random to train on: SSD's batch samplers (Liu et al. 2016, section 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from netc.data.draws import PICK, SAMPLES, Draws
from netc.data.moved_boxes import coverage, jaccard
from netc.layer import Array

_MEASURES: tuple[tuple[str, Callable[[Array, Array], Array]], ...] = (
    ("jaccard_overlap", jaccard),
    ("sample_coverage", coverage),
    ("object_coverage", lambda sample, objects: coverage(objects, sample)),
)
MOST_TRIALS = 10_000


def problem(sampler: Any) -> str:
    """What is wrong with a BatchSampler, or nothing."""
    s = sampler.sampler
    if not 0 < s.min_scale <= s.max_scale <= 1:
        return f"needs 0 < min_scale <= max_scale <= 1, but has {s.min_scale:g} and {s.max_scale:g}"
    if not 0 < s.min_aspect_ratio <= s.max_aspect_ratio:
        ratios = f"{s.min_aspect_ratio:g} and {s.max_aspect_ratio:g}"
        return f"needs 0 < min_aspect_ratio <= max_aspect_ratio, but has {ratios}"
    if sampler.max_trials > MOST_TRIALS:
        return f"max_trials: {sampler.max_trials:,} is more than {MOST_TRIALS:,}"
    return ""


def takes_parts(sampler: Any) -> bool:
    """Whether a sampler gives anything but the whole image."""
    return bool(sampler.sampler.min_scale < 1)


def drawn(samplers: Sequence[Any], objects: Array, draws: Draws) -> Array | None:
    """The part of an image to use, a box; None for all of it. objects: the boxes in the image, N x 4.

    Each sampler draws up to `max_trials` parts and keeps the first `max_sample` that satisfy its constraint; one of all
    kept ones is taken.
    """
    found = [_parts(s, objects, draws.uniforms(SAMPLES + i, 4 * s.max_trials)) for i, s in enumerate(samplers)]
    parts = np.concatenate(found) if found else np.empty((0, 4), np.float32)
    if not len(parts):
        return None
    part: Array = parts[int(draws.words(PICK, 1)[0] % np.uint64(len(parts)))]
    return part


def _parts(sampler: Any, objects: Array, numbers: Array) -> Array:
    if not sampler.use_original_image:
        return np.empty((0, 4), np.float32)
    parts = _boxes(sampler.sampler, numbers.reshape(-1, 4))
    fit = (i for i, part in enumerate(parts) if _satisfies(part[None], objects, sampler.sample_constraint))
    kept: Array = parts[list(islice(fit, sampler.max_sample if sampler.has("max_sample") else None))]
    return kept


def _boxes(s: Any, numbers: Array) -> Array:
    """Boxes of random scale, aspect ratio and place."""
    scale = s.min_scale + (s.max_scale - s.min_scale) * numbers[:, 0]
    aspect = s.min_aspect_ratio + (s.max_aspect_ratio - s.min_aspect_ratio) * numbers[:, 1]
    aspect = np.minimum(np.maximum(aspect, scale**2), 1 / scale**2)
    sides = np.minimum(np.stack([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], axis=1), 1)
    start = numbers[:, 2:] * (1 - sides)
    return np.concatenate([start, start + sides], axis=1).astype(np.float32)


def _satisfies(part: Array, objects: Array, constraint: Any) -> bool:
    """Whether the part and one of the objects are within the bounds.

    As in SSD only the first kind of bounds that is given decides.
    """
    for name, measure in _MEASURES:
        low, high = f"min_{name}", f"max_{name}"
        if constraint.has(low) or constraint.has(high):
            values = measure(part, objects) if len(objects) else np.empty(0, np.float32)
            fit = np.ones(values.shape, np.bool_)
            if constraint.has(low):
                fit &= values >= np.float32(getattr(constraint, low))
            if constraint.has(high):
                fit &= values <= np.float32(getattr(constraint, high))
            return bool(fit.any())
    return True
