"""Losses whose third bottom weighs each value: netc's own addition to Caffe's."""

from __future__ import annotations

from math import prod

from netc.layer import BAD_BOTTOM_SHAPE, Site, format_shape


def check_weights(site: Site) -> None:
    """Refuse a third bottom that has not one weight for each value of the first."""
    if len(site.bottoms) > 2 and prod(site.bottoms[2]) != prod(site.bottoms[0]):
        shapes = f"{format_shape(site.bottoms[2])}, and the values {format_shape(site.bottoms[0])}"
        site.refuse(BAD_BOTTOM_SHAPE, f"needs a weight for each value, but weights are {shapes}", "bottom", index=2)
