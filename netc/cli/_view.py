"""The page that `netc train --view` starts: another process, which neither ends the run nor ends with it at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netc.cli import _output


@contextmanager
def page_of(metrics: Path) -> Iterator[None]:
    """Within `with`, `netc watch` serves the page of a metrics file; its address is said on stderr.

    It is told of the end of the run by the end of its stdin, however the run ends, and stays while somebody looks. A
    page that cannot be started, or is killed, costs nothing but the page. Ctrl-C of the terminal is the run's.
    """
    command = [sys.executable, "-m", "netc", "watch", str(metrics.absolute()), "--with-run"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    _output.say(f"the run is shown at {address}" if address else "the page of the run could not be started", "bold")
    try:
        yield
    finally:
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
