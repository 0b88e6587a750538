"""How a run went: its losses, rates and tests over iterations, from its metrics or while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netc.api.jobs import load_job
from netc.errors import Code, Diagnostic, NetError
from netc.files import read_regular, write_bytes
from netc.report.curves import Chart, Curve, svg

NO_RUN = Code(
    "RUN056",
    "no metrics of a run can be read",
    why="A run is known by the lines of JSON that `netc train` writes: PREFIX.metrics.jsonl beside the snapshots, or "
    "the file that `--metrics` names. A prefix or a folder stands for the file.",
    example="netc plot digits_iter_600.caffemodel  # the weights, not the metrics",
    fix="netc plot digits.metrics.jsonl",
)
ENDING = ".metrics.jsonl"
NETS = (".net", ".prototxt")
_MOST_BYTES = 1 << 30


@dataclass
class History:
    """A run's `losses` (iteration, averaged loss), `rates`, and `tests`: by name of an output, (iteration, value)."""

    name: str
    losses: list[tuple[int, float]] = field(default_factory=list)
    rates: list[tuple[int, float]] = field(default_factory=list)
    tests: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def __repr__(self) -> str:
        last = f", loss {self.losses[-1][1]:.4g} at {self.losses[-1][0]}" if self.losses else ""
        tests = "".join(f", {name} {values[-1][1]:.4g}" for name, values in self.tests.items() if values)
        return f"<run {self.name}: {len(self.losses)} losses{last}{tests}>"

    def plot(self, path: str | Path | None = None) -> Plot:
        """The curves: shown by a notebook, and written to `path` (.svg) if there is one."""
        made = Plot(svg(charts([self]), self.name))
        if path is not None:
            made.save(path)
        return made

    def add(self, line: Mapping[str, Any]) -> None:
        """Take a line of metrics; one that is none, or of another kind, says nothing."""
        at, kind = line.get("iteration"), line.get("kind")
        if not isinstance(at, int):
            return
        if kind == "train":
            _put(self.losses, at, line.get("average_loss", line.get("loss")))
            _put(self.rates, at, line.get("lr"))
        elif kind == "test" and isinstance(line.get("outputs"), Mapping):
            head = f"test {line['net']} " if line.get("net") else ""
            for name, value in line["outputs"].items():
                _put(self.tests.setdefault(head + name, []), at, value)


def _put(values: list[tuple[int, float]], at: int, value: object) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        values.append((at, float(value)))


@dataclass(frozen=True)
class Plot:
    """A picture as the text of an SVG file, which a notebook shows."""

    svg: str

    def save(self, path: str | Path) -> None:
        """Write the picture."""
        write_bytes(path, self.svg.encode())

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<picture, {len(self.svg):,} characters of SVG>"


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
    try:
        lines = read_regular(path, _MOST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise NetError(Diagnostic(NO_RUN, f"{path} cannot be read: {(error.strerror or str(error)).lower()}")) from None
    history = History(path.name.removesuffix(ENDING))
    known = 0
    for line in parsed(lines):
        known += 1
        history.add(line)
    if not known:
        raise NetError(Diagnostic(NO_RUN, f"{path} has no line of metrics", help=NO_RUN.fix))
    return history


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
