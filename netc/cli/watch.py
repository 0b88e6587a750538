"""`netc watch`: a page that follows a run."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api import history
from netc.cli import _output, _streams
from netc.errors import Code, Diagnostic, NetError
from netc.pages.watch import HOST, WatchServer

NO_PORT = Code(
    "CLI016",
    "the page cannot be served",
    why="The port is taken by another program, or this account may not use it (below 1024).",
    example="netc watch digits --port 80",
    fix="Leave `--port` out: a free one is taken then.",
)

PATIENCE = 60.0
"""Seconds that the page of `netc train --view` stays after the run, or after the browser has last asked."""


@click.command("watch")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to serve on (default: a free one).")
@click.option("--with-run", is_flag=True, hidden=True, help="End after stdin does: what `netc train --view` starts.")
def command(run: Path, port: int, with_run: bool) -> None:
    """Follow RUN on a page: losses, tests, rates, throughput, and what `netc train --inspect` sees, as they come.

    RUN is a metrics file (PREFIX.metrics.jsonl), which may not be there yet, its prefix, the net's file, or a folder.
    The address that is printed holds a secret; only this machine can ask, and the run is only read: either may end
    without harm to the other. Ctrl-C ends it.
    """
    path = run if with_run else history.find(run)
    if path.name.endswith(history.SEARCH):
        raise history.of_a_search(path)
    try:
        server = WatchServer(path.absolute(), port)
    except OSError as error:
        message = f"{HOST}:{port} cannot be served on: {(error.strerror or str(error)).lower()}"
        raise NetError(Diagnostic(NO_PORT, message, help=NO_PORT.fix)) from None
    with server:
        _output.line(server.address)
        if with_run:
            server.end_after(_streams.read_to_end, PATIENCE)
        _output.say(f"following {path}; Ctrl-C ends it")
        server.serve_forever()
