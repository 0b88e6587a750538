"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from netc import language
from netc.cli._files import STDOUT
from netc.cli._output import take_stdout
from netc.fast.precision import PRECISIONS
from netc.layer import Shape

F = TypeVar("F", bound=Callable[..., Any])


class ShapeOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """`blob=1x3x224x224` (commas work too)."""

    name = "BLOB=SHAPE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Shape]:
        blob, equals, text = str(value).partition("=")
        try:
            shape = tuple(int(size) for size in text.replace(",", "x").split("x"))
        except ValueError:
            shape = ()
        if not equals or not shape or min(shape) < 1:
            self.fail(f"{value!r} is not of the form blob=1x3x224x224", param, ctx)
        return blob, shape


class SettingOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """`width=64`, `solver.base_lr=0.01`."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> language.Setting:
        return value if isinstance(value, language.Setting) else language.setting(str(value))


class OutputPath(click.Path):  # type: ignore[type-arg, unused-ignore]
    """A file to write (or a folder for it); `-` is stdout, and what a person would read there goes to stderr then."""

    def __init__(self, folder: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=folder)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        if path == STDOUT:
            take_stdout()
        return path


OUTPUT = OutputPath()
OUTPUT_OR_FOLDER = OutputPath(folder=True)

# Not click.Path(exists=True): a missing file, a directory or an unreadable one is a diagnostic, exit 1.
file_argument = click.argument("file", type=click.Path(path_type=Path))


def compose(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator for several options, which help shows in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _allow_python(context: click.Context, _param: click.Parameter, value: bool) -> None:
    """Python layers may run until the command ends."""
    if value:
        from netc.layers import python  # noqa: PLC0415 - few nets need it

        before = python.allowed()
        python.allow()
        context.call_on_close(lambda: python.allow(before))


layers_option = click.option(
    "--layers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="A Python file with layer types of your own; its code runs.",
)
code_options = compose(
    layers_option,
    click.option(
        "--allow-python",
        is_flag=True,
        expose_value=False,
        callback=_allow_python,
        help="Let Python layers run the code of the modules that the net names.",
    ),
)
"""--layers and --allow-python: whose code a net may run."""
input_option = click.option(
    "--input",
    "inputs",
    type=ShapeOption(),
    multiple=True,
    help="Shape of an input or data blob; may be repeated.",
)
settings_option = click.option(
    "--set",
    "settings",
    type=SettingOption(),
    multiple=True,
    help="A value for a constant of the file (width=64) or a field (solver.base_lr=0.01); may be repeated.",
)
planning_options = compose(settings_option, input_option, code_options)
"""--set, --input, --layers and --allow-python: what every command that plans a net may be told."""


state_options = compose(
    click.option("--level", type=int, default=0, help="Level of the net's state, for min_level/max_level rules."),
    click.option("--stage", "stages", multiple=True, help="A stage of the net's state; may be repeated."),
)
"""--level and --stage: the net's state, but for its phase."""


def _set_precision(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    """The fast executor reads the variable when it lowers a plan."""
    if value is not None:
        os.environ["NETC_PRECISION"] = value


def executor_options(function: F) -> F:
    """--executor, --precision and --threads: how the net is run."""
    for option in (
        click.option("--threads", type=click.IntRange(min=1), help="Threads to use (default: all cores)."),
        click.option(
            "--executor",
            type=click.Choice(["reference", "fast"]),
            default="fast",
            show_default=True,
            help="How the net is run: the compiled step, or each layer's own kernels.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            expose_value=False,
            callback=_set_precision,
            help="exact: no Winograd, sums in the documented order; bf16: products of bfloat16 numbers, where the "
            "processor has instructions for them (default: $NETC_PRECISION, else fast).",
        ),
    ):
        function = option(function)
    return function


def budget_option(function: F) -> F:
    """--budget: how much memory training may take."""
    option = click.option(
        "--budget",
        metavar="SIZE",
        help="Memory that training may take (500MB): layers run again in backward until it fits; the numbers stay.",
    )
    return option(function)


def writes_option(function: F) -> F:
    """--allow-writes: what the net's layers may write."""
    option = click.option(
        "--allow-writes", is_flag=True, help="Let layers (HDF5Output) write files outside the working folder."
    )
    return option(function)


def bad_record_option(function: F) -> F:
    """--on-bad-record: what a damaged record of the data means."""
    option = click.option(
        "--on-bad-record",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help="A record of the data that cannot be used stops the run, or the next one is taken instead.",
    )
    return option(function)
