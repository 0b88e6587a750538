"""What is said after weights have been loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from netc.cli import _output
from netc.run import Loaded


def show_loaded(loaded: Mapping[Path, Loaded]) -> None:
    """Per file: how many layers were loaded, which start fresh, which the net does not have, which did not fit."""
    for path, result in loaded.items():
        parts = [f"{len(result.loaded)} layers loaded"]
        for names, what in ((result.fresh, "not in the file"), (result.ignored, "not in the net")):
            if names:
                more = f" and {len(names) - 6} more" if len(names) > 6 else ""
                parts.append(f"{what}: {', '.join(names[:6])}{more}")
        _output.say(f"{path}: {'; '.join(parts)}")
        _output.show((*result.mismatched, *result.warnings))
