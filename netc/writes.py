"""Where the layers of a net may write files: a net may come from anybody, and a path in it may name anything."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from netc.errors import Code, Diagnostic

MAY_NOT_WRITE = Code(
    "LAY115",
    "a layer may not write this file",
    why="A net may come from anybody, and the path in it may name anything. So a layer writes only while the net is "
    "trained, tested or run by a program that opened it (`netc time`, `gradcheck`, `predict`, `check` and the sanity "
    "checks write nothing), only inside the working folder, and never in place of a file of another kind.",
    example='hdf5_output_param { file_name: "/home/somebody/.bashrc" }',
    fix="Name a file in the working folder; or, if you know the net, allow others: --allow-writes "
    "(`allow_writes=True` from Python).",
)
Where = Literal["nowhere", "here", "anywhere"]


@dataclass
class Writes:
    """What a net that runs may write.

    "nowhere": layers that write do nothing (a net that is timed or checked is not run for its files). "here": files in
    the working folder and those below it, links followed. "anywhere": the user has said so.
    """

    where: Where = "nowhere"

    def path(self, name: str) -> Path | None:
        """The file to write, links followed; None to write none. Raises OSError for one that may not be written."""
        if self.where == "nowhere":
            return None
        path = Path(os.path.realpath(name))
        if self.where == "here" and not path.is_relative_to(os.path.realpath(os.curdir)):
            raise PermissionError(errno.EACCES, "it is outside the working folder", name)
        if path.exists() and not path.is_file():
            raise PermissionError(errno.EACCES, "it is no regular file", name)
        return path

    @contextmanager
    def nothing(self) -> Iterator[None]:
        """Within `with`, nothing is written: the net runs to be looked at."""
        before, self.where = self.where, "nowhere"
        try:
            yield
        finally:
            self.where = before


def refused(record: Any, p: Any, field: str, error: OSError) -> Diagnostic:
    """LAY115 for a layer's record, at the field of `p` that names the file."""
    said = f'may not write "{getattr(p, field)}": {error.strerror or error}'
    return Diagnostic.of_layer(record, MAY_NOT_WRITE, said, p.span_of(field), help=MAY_NOT_WRITE.fix, field=field)
