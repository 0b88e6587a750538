"""How a run went: its losses, rates and tests over iterations, from its metrics or while it runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from netc.api.jobs import load_job
from netc.errors import Code, Diagnostic, NetError, visible
from netc.files import read_regular, write_bytes
from netc.report import curve_files
from netc.report.curves import Chart, Curve, svg

NO_RUN = Code(
    "RUN056",
    "no metrics of a run can be read",
    why="A run is known by the lines of JSON that `netc train` writes: PREFIX.metrics.jsonl beside the snapshots, or "
    "the file that `--metrics` names. A prefix or a folder stands for the file.",
    example="netc plot digits_iter_600.caffemodel  # the weights, not the metrics",
    fix="netc plot digits.metrics.jsonl",
)
ENDING, SEARCH = ".metrics.jsonl", ".search.jsonl"
NETS = (".net", ".prototxt")
_MOST_BYTES = 1 << 30


@dataclass
class History:
    """How a run went, as plain lists that hold a dictionary for each report: `pandas.DataFrame(history.train)`.

    train: `iteration` (counted from 0), `loss`, `average_loss`, `lr`, and outputs of the net that are one number; of a
    run from its metrics also rates. test: `iteration` (updates so far), `net` (which test net), outputs that are one
    number, `loss` where test_compute_loss asks for it. Values that are not finite are left out.
    """

    name: str
    train: list[dict[str, float]] = field(default_factory=list)
    test: list[dict[str, float]] = field(default_factory=list)

    def __repr__(self) -> str:
        losses = self.losses
        last = f", loss {losses[-1][1]:.4g} at {losses[-1][0]}" if losses else ""
        tests = "".join(f", {name} {values[-1][1]:.4g}" for name, values in self.tests.items() if values)
        return f"<run {self.name}: {len(losses)} losses{last}{tests}>"

    def _repr_html_(self) -> str:
        said = escape(visible(repr(self)[1:-1]))
        return f"<p>{said}</p>{self.plot().svg}" if self.train or self.test else f"<p>{said}</p>"

    @property
    def losses(self) -> list[tuple[int, float]]:
        """(iteration, averaged loss)."""
        return _column(self.train, "average_loss") or _column(self.train, "loss")

    @property
    def rates(self) -> list[tuple[int, float]]:
        """(iteration, learning rate)."""
        return _column(self.train, "lr")

    @property
    def tests(self) -> dict[str, list[tuple[int, float]]]:
        """(iteration, value) by the name of an output; those of the second test net are called `test 1 NAME`."""
        found: dict[str, list[tuple[int, float]]] = {}
        for row in self.test:
            head = f"test {int(row['net'])} " if row.get("net") else ""
            for name, value in row.items():
                if name not in ("iteration", "net"):
                    found.setdefault(head + name, []).append((int(row["iteration"]), value))
        return found

    def plot(self, path: str | Path | None = None) -> Plot:
        """The curves, as `netc plot` draws them: shown by a notebook, written to `path` (.svg, .png) if there is one.

        Raises NetError(CLI027) for another ending, and for PNG without Pillow.
        """
        made = Plot(charts([self]), self.name)
        if path is not None:
            made.save(path)
        return made

    def add(self, line: Mapping[str, Any]) -> None:
        """Take a line of metrics; one that is none, or of another kind, says nothing."""
        if not isinstance(line.get("iteration"), int):
            return
        outputs = line.get("outputs")
        numbers = _numbers(outputs) if isinstance(outputs, Mapping) else {}
        if line.get("kind") == "train":
            self.train.append({**numbers, **_numbers(line)})
        elif line.get("kind") == "test":
            self.test.append({**_numbers(line), **numbers})


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Those that are one finite number."""
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _column(rows: Iterable[Mapping[str, float]], name: str) -> list[tuple[int, float]]:
    return [(int(row["iteration"]), row[name]) for row in rows if name in row]


@dataclass(frozen=True)
class Plot:
    """A picture of curves, which a notebook shows; `svg` is the text of the file."""

    charts: Sequence[Chart]
    title: str = ""

    @property
    def svg(self) -> str:
        return svg(self.charts, self.title)

    def save(self, path: str | Path) -> None:
        """Write the picture, as SVG or PNG, by the path's ending. Raises NetError(CLI027)."""
        write_bytes(path, curve_files.picture(self.charts, self.title, Path(path).suffix))

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<picture of {', '.join(chart.title for chart in self.charts)}>"


def find(path: Path) -> Path:
    """The metrics file that a path stands for, whether it is there or not: itself, that of a prefix, of the training of
    a net's or a solver's file, or the only one in a folder. Raises NetError(RUN056).
    """
    if path.is_dir():
        inside = sorted(path.glob(f"*{ENDING}"))
        if len(inside) == 1:
            return inside[0]
        message = f"{path} has {len(inside) or 'no'} files that end in {ENDING}"
        names = ", ".join(p.name for p in inside[:6])
        raise NetError(Diagnostic(NO_RUN, message, help=f"name one: {names}" if inside else NO_RUN.fix))
    beside = path.with_name(f"{path.name}{ENDING}")
    if path.suffix in NETS and not beside.is_file():
        return Path(f"{_prefix(path)}{ENDING}")
    return path if path.is_file() or path.name.endswith(ENDING) else beside


def _prefix(net: Path) -> str:
    """Where the training of a net or a solver writes; beside the file, if that cannot be read."""
    try:
        return load_job(net).prefix
    except NetError:
        return str(net.with_suffix(""))


def read(path: Path) -> History:
    """A run from its metrics. Lines that are cut or no JSON are left out. Raises NetError(RUN056)."""
    path = find(path)
    lines = lines_of(path)
    if is_search(lines[0]):
        raise of_a_search(path)
    return of_lines(path, lines)


def of_a_search(path: Path) -> NetError:
    """That a file has no run to be read or followed, but the trials of a search."""
    message = f"{path} holds the trials of a search"
    return NetError(Diagnostic(NO_RUN, message, help=f"netc plot {path} -o trials.svg"))


def of_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> History:
    """A run from the lines of its metrics, called as their file."""
    history = History(find(path).name.removesuffix(ENDING))
    for line in lines:
        history.add(line)
    return history


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of metrics, or of a search's results. Raises NetError(RUN056) if there are none."""
    path = find(path)
    try:
        lines = read_regular(path, _MOST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise NetError(Diagnostic(NO_RUN, f"{path} cannot be read: {(error.strerror or str(error)).lower()}")) from None
    if not (found := list(parsed(lines))):
        raise NetError(Diagnostic(NO_RUN, f"{path} has no line of metrics", help=NO_RUN.fix))
    return found


def is_search(line: Mapping[str, Any]) -> bool:
    """Whether a line is the first one of a search's results."""
    return line.get("kind") == "search"


def parsed(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    """The lines that are objects of JSON."""
    for line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def charts(runs: Sequence[History]) -> list[Chart]:
    """Losses of all runs in one chart (those of tests dashed), each other output of tests in one, learning rates."""
    names = _named(runs)
    outputs = list(dict.fromkeys(name for run in runs for name in run.tests))
    losses = [name for name in outputs if "loss" in name.lower()]
    several = len(runs) > 1
    found = [
        Curve(f"{names[i]} {what}" if several else what, tuple(values), what != "train")
        for i, run in enumerate(runs)
        for what, values in (("train", run.losses), *((f"test {n}", run.tests.get(n, [])) for n in losses))
        if values
    ]
    made = [Chart("loss", tuple(found), logarithmic=True)]
    for output in outputs:
        if output not in losses:
            curves = (
                Curve(names[i] if several else output, tuple(run.tests.get(output, ()))) for i, run in enumerate(runs)
            )
            made.append(Chart(f"test {output}", tuple(curve for curve in curves if curve.points)))
    rates = tuple(Curve(names[i] if several else "rate", tuple(run.rates)) for i, run in enumerate(runs) if run.rates)
    return [*made, Chart("learning rate", rates)]


def _named(runs: Sequence[History]) -> list[str]:
    """The runs' names, with a number where two have one."""
    count: dict[str, int] = {}
    found = []
    for run in runs:
        count[run.name] = count.get(run.name, 0) + 1
        found.append(run.name if count[run.name] == 1 else f"{run.name} {count[run.name]}")
    return found
