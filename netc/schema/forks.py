"""Fields and layer types that exist only in forks of Caffe, and whose they are: for diagnostics that name the fork."""

from __future__ import annotations

FORK_FIELDS: dict[tuple[str, str], str] = {}
FORK_TYPES: dict[str, str] = {}
