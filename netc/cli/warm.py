"""`netc warm`: compile ahead."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from netc import jit
from netc.api.gallery import gallery
from netc.api.warm import warm
from netc.cli import _output
from netc.cli._options import executor_options, planning_options
from netc.language import Setting
from netc.layer import Shape


@click.command("warm")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1)
@click.option("--all", "whole_gallery", is_flag=True, help="The nets of the gallery, too.")
@click.option("--batch", type=click.IntRange(min=1), help="Batch size instead of the file's.")
@planning_options
@executor_options
def command(
    files: tuple[Path, ...],
    whole_gallery: bool,
    batch: int | None,
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    settings: tuple[Setting, ...],
    **run_options: Any,
) -> None:
    """Compile what FILES' nets need and keep it, so that their first run starts at once.

    Each net of a file makes one pass on made-up data: a solver's train and test nets with its updates, another file's
    nets of each phase. No data is read. Where kernels are kept: $NETC_CACHE_DIR, or netc's folder in the user's cache.
    """
    if whole_gallery:
        files = (*files, *(work.path for work in gallery().values()))
    if not files:
        raise click.UsageError("name FILES, or say --all")
    compiled: list[bool] = []
    jit.announce_compilation(lambda: compiled.append(True))
    try:
        for file in files:
            compiled.clear()
            start = time.perf_counter()
            nets = len(warm(file, layers=layers, batch=batch, inputs=dict(inputs), settings=settings, **run_options))
            seconds = time.perf_counter() - start
            done = f"compiled in {seconds:.1f} s" if compiled else "all kernels were there"
            _output.say(f"{file}: {nets} net{'s' * (nets != 1)}, {done}")
    finally:
        jit.announce_compilation(None)
