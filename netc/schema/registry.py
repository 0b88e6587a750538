"""The messages that every net may have."""

from __future__ import annotations

from functools import cache

from netc.schema.bvlc import ENUMS, MESSAGES
from netc.schema.record import Schema


@cache
def base_schema() -> Schema:
    """BVLC Caffe's messages with netc's own fields and those forks' fields that netc knows."""
    return Schema(MESSAGES, ENUMS)
