"""Which net a command is about: --phase, --level, --stage, --batch, and whatever planning is told."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import click

from netc.api import planning
from netc.api.definition import Definition
from netc.api.memory import Planned
from netc.cli._options import F, compose, planning_options, state_options
from netc.language import Setting
from netc.layer import Phase, Shape


class Options(TypedDict):
    """Keywords of `planning.plan` and of `netc.Net`, but for the phase."""

    level: int
    stages: tuple[str, ...]
    batch: int | None
    inputs: dict[str, Shape]


@dataclass(frozen=True)
class Which:
    """One of a file's nets: the state that it is in, its sizes, and whose code it may run."""

    phase: Phase
    chosen: bool
    """Whether --phase was given; else the phase is the command's default."""
    options: Options
    settings: tuple[Setting, ...]
    layers: tuple[Path, ...]

    def load(self, file: Path) -> Definition:
        """As `planning.load`."""
        return planning.load(file, layers=self.layers, settings=self.settings)

    def plan(self, definition: Definition, **more: Any) -> Planned:
        """As `planning.plan`."""
        return planning.plan(definition, self.phase, **self.options, **more)


def net_options(default: Phase, default_help: str = "") -> Callable[[F], F]:
    """Options that say which net FILE means, and `planning_options`; the command gets them as `which`.

    default_help: what the help says of the phase that is taken without --phase, where that is not always the default.
    """
    options = compose(
        click.option(
            "--phase",
            type=click.Choice(["TRAIN", "TEST"], case_sensitive=False),
            help=f"Which of the file's nets.  [default: {default_help or default}]",
        ),
        state_options,
        click.option("--batch", type=click.IntRange(min=1), help="Batch size instead of the file's."),
        planning_options,
    )

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(
            *args: Any,
            phase: Phase | None,
            level: int,
            stages: tuple[str, ...],
            batch: int | None,
            inputs: tuple[tuple[str, Shape], ...],
            settings: tuple[Setting, ...],
            layers: tuple[Path, ...],
            **rest: Any,
        ) -> Any:
            state: Options = {"level": level, "stages": stages, "batch": batch, "inputs": dict(inputs)}
            which = Which(phase or default, phase is not None, state, settings, layers)
            return function(*args, which=which, **rest)

        return options(command)  # type: ignore[return-value]

    return decorate
