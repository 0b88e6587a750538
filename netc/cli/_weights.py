"""How weights are named on the command line, and what is said after they have been loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from netc.api.definition import Definition
from netc.api.newest import newest_weights
from netc.cli import _output
from netc.run import Loaded

F = TypeVar("F", bound=Callable[..., Any])


class NameOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """`old=new`: a layer's name in the weight file, and in the net."""

    name = "OLD=NEW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        old, equals, new = str(value).partition("=")
        if not (old and equals and new):
            self.fail(f"{value!r} is not of the form old=new", param, ctx)
        return old, new


def loading_options(function: F) -> F:
    """--reshape and --map: which layers of a weight file go where."""
    for option in (
        click.option(
            "--map", "names", type=NameOption(), multiple=True, help="Load the file's layer OLD into layer NEW."
        ),
        click.option("--reshape", is_flag=True, help="Layers that do not fit start fresh, instead of an error."),
    ):
        function = option(function)
    return function


weights_option = click.option(
    "--weights",
    help=".caffemodel files (separated by commas), by layer name (default: the newest snapshot of the net).",
)
"""--weights, of a command that takes the newest snapshot where it is not given."""


def chosen_weights(weights: str | None, definition: Definition) -> list[Path]:
    """The files that --weights names, or the net's newest snapshot. Raises NetError(RUN055)."""
    return [Path(name) for name in weights.split(",")] if weights else [newest_weights(definition)]


def show_loaded(loaded: Mapping[Path, Loaded]) -> None:
    """Per file: which layers were loaded, which the net does not have, which did not fit; then what starts fresh."""
    for path, result in loaded.items():
        parts = [f"{len(result.loaded)} layers loaded"]
        if result.ignored:
            parts.append(f"ignored, not in the net: {_some(result.ignored)}")
        if result.mismatched:
            parts.append(f"{len(result.mismatched)} of another shape start fresh")
        _output.say(f"{path}: {'; '.join(parts)}")
        for diagnostic in result.mismatched:
            _output.say(f"  {diagnostic.message}")
        _output.show(result.warnings)
    fresh = _fresh(loaded.values())
    if fresh:
        _output.say(f"fresh, not in {'the file' if len(loaded) == 1 else 'any file'}: {_some(fresh)}")


def _fresh(results: Iterable[Loaded]) -> tuple[str, ...]:
    """The layers that no file had."""
    found = list(results)
    return tuple(n for n in found[0].fresh if all(n in r.fresh for r in found)) if found else ()


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
