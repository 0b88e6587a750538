"""What is said about records that were left out."""

from __future__ import annotations

from collections.abc import Iterable

from netc.cli import _output
from netc.run import Net

_SHOWN = 10


def show_left_out(nets: Iterable[Net]) -> None:
    """Name the bad records that the sources of these nets left out."""
    bad: dict[str, str] = {}
    for net in nets:
        for feed in net.feeds.values():
            bad |= getattr(feed, "bad", {})
    for name, reason in list(bad.items())[:_SHOWN]:
        _output.say(f"left out {name}: {reason}", "yellow")
    if len(bad) > _SHOWN:
        _output.say(f"left out {len(bad) - _SHOWN:,} more bad records", "yellow")
