"""The weights of a net that nobody names: the newest that its training wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from netc.api.definition import Definition, PathLike
from netc.api.jobs import prefix_of
from netc.errors import Code, Diagnostic, NetError
from netc.solve.stages import stages_of

NO_WEIGHTS = Code(
    "RUN055",
    "no weights are named, and the net's training has left none",
    why="Without `--weights`, the newest snapshot of the net's training is taken: PREFIX_iter_N.caffemodel, where "
    "PREFIX is the solver's snapshot_prefix, or the net file's name without its ending. With early_stop it is "
    "PREFIX_best.caffemodel, if it is there. None of them is.",
    example="netc predict nets/alexnet.net cat.jpg  # never trained here",
    fix="Train the net (`netc train FILE`), or name a file: `--weights model.caffemodel`.",
)
_ENDINGS = ("", ".h5")


def newest_weights(definition: Definition) -> Path:
    """The newest snapshot of a net that trains: of the last run, and of that the last iteration.

    Prefixes are looked for as training writes them, from the current directory, and beside the net's file.
    Raises NetError(RUN055).
    """
    places = list(dict.fromkeys(_places(definition)))
    for prefix in places:
        best = [path for end in _ENDINGS if (path := Path(f"{prefix}_best.caffemodel{end}")).is_file()]
        if best and definition.solver is not None and stages_of(definition.solver)[-1].has("early_stop"):
            return best[0]
        if found := _snapshots(prefix):
            return max(found, key=lambda path: (path.stat().st_mtime_ns, _iteration(path)))
    looked = " or ".join(f"{prefix}_iter_N.caffemodel" for prefix in places)
    message = f"no weights are named, and there is no {looked}"
    raise NetError(Diagnostic(NO_WEIGHTS, message, help=NO_WEIGHTS.fix))


def _places(definition: Definition) -> Iterable[Path]:
    if definition.solver is None:
        yield definition.path.with_suffix("")
        return
    span = definition.solver.span
    prefix = Path(prefix_of(definition.solver, Path(span.source.path) if span else definition.path))
    yield prefix
    yield definition.path.parent / prefix


def _snapshots(prefix: PathLike) -> list[Path]:
    """`PREFIX_iter_N.caffemodel`, and `.h5`; whatever characters the prefix has."""
    prefix = Path(prefix)
    name = re.compile(re.escape(prefix.name) + r"_iter_\d+\.caffemodel(\.h5)?")
    try:
        return [path for path in prefix.parent.iterdir() if name.fullmatch(path.name) and path.is_file()]
    except OSError:
        return []


def _iteration(path: Path) -> int:
    return int(path.name.rpartition("_iter_")[2].partition(".")[0])
