"""Fields that name an axis, and bottoms whose axes are repeated."""

from __future__ import annotations

from netc.layer import BAD_FIELD, Shape, Site, same_shape


def either_axis(site: Site, old: str) -> int:
    """The axis that `axis` names, or the field that it had before (`concat_dim`); refuses both."""
    p = site.p
    if not p.has(old):
        return site.axis(p.axis)
    if p.has("axis"):
        site.refuse(BAD_FIELD, f"axis and {old} say the same; give only one", old)
    return site.axis(getattr(p, old), name=old)


def repeated_shape(site: Site) -> Shape:
    """The shape that all bottoms have, or get where axes of size 1 are repeated; refuses bottoms that do not agree."""
    shapes = site.bottoms
    if len({len(shape) for shape in shapes}) > 1:
        return same_shape(site)
    sizes = [{size for size in axis if size != 1} for axis in zip(*shapes, strict=True)]
    return tuple(max(size, default=1) for size in sizes) if all(len(s) < 2 for s in sizes) else same_shape(site)
