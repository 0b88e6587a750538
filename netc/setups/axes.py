"""Fields that name an axis."""

from __future__ import annotations

from netc.layer import BAD_FIELD, Site


def either_axis(site: Site, old: str) -> int:
    """The axis that `axis` names, or the field that it had before (`concat_dim`); refuses both."""
    p = site.p
    if not p.has(old):
        return site.axis(p.axis)
    if p.has("axis"):
        site.refuse(BAD_FIELD, f"axis and {old} say the same; give only one", old)
    return site.axis(getattr(p, old), name=old)
