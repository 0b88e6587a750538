"""What a training run measures, on disk: lines of JSON, and event files for TensorBoard."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from netc import files
from netc.api.meter import Meter
from netc.errors import Code, Diagnostic, NetError
from netc.layer import Array
from netc.schema.names import json_in_utf8
from netc.solve.events import Events, Step, TestResult

NOT_WRITTEN = Code(
    "RUN040",
    "the metrics file cannot be written",
    why="`netc train` writes a line of JSON for every report, test and snapshot. The directory is missing or not "
    "writable, or the disk is full. With `--metrics` this stops the run before it starts; without it, training goes "
    "on and only the lines are missing; so it does when the disk fills up on the way, and a warning says how many.",
    example="netc train nets/digits.net --metrics missing/folder/run.jsonl",
    fix="Make the directory, or give another path with `--metrics`.",
)
NO_TENSORBOARD = Code(
    "RUN041",
    "event files for TensorBoard need tensorboardX",
    why="The files are written through tensorboardX, which is not installed with netc itself.",
    example="netc train nets/digits.net --tensorboard runs",
    fix="pip install netc[tensorboard]",
)


class MetricsFile(Events):
    """One line of JSON for every displayed iteration, every test and every snapshot.

    Each line is appended by one write, so that a reader sees whole lines only. When a run goes on from a snapshot, the
    lines that it is going to write again (and a line that a crash cut) are taken out first; a run from iteration 0
    starts a new file and keeps the one before it as `NAME.previous`. A device or a pipe only gets the lines.
    Raises NetError(RUN040) if the file cannot be written when training starts; afterwards a full disk only costs lines.

    lost: how many lines could not be written; failure: why the first of them could not.
    """

    def __init__(self, path: Path, meter: Meter | None = None, stream: int | None = None) -> None:
        """stream: a descriptor that is open already (of stdout, say); then `path` is only its name."""
        self.path = path
        self.meter = meter
        self.lost = 0
        self.failure: OSError | None = None
        self._iteration = 0
        self._stream = stream  # a pipe or a device stays open: its reader takes a close for the end

    def probe(self) -> None:
        """Raise NetError(RUN040) if the file cannot be written; an existing one keeps its lines."""
        if self._stream is not None:
            return
        try:
            stream = files.real_path(self.path) is None
            descriptor = files.open_to_append(self.path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise NetError(Diagnostic(NOT_WRITTEN, f"{self.path} cannot be written: {reason}")) from None
        if stream:
            self._stream = descriptor
        else:
            os.close(descriptor)

    def started(self, iteration: int, last: int) -> None:
        self._iteration = iteration
        self.probe()
        path = None if self._stream is not None else files.real_path(self.path)
        if path is None:
            return
        with suppress(OSError):  # a full disk must not end the run: the lines that come again stay there twice
            if iteration:
                kept = b"".join(line for line in _whole_lines(path) if _stays(line, iteration))
                files.write_bytes(path, kept)
            elif path.stat().st_size:
                os.replace(path, path.with_name(f"{path.name}.previous"))

    def staged(self, stage: int, stages: int, iteration: int, reason: str | None) -> None:
        self.write("stage", iteration, {"stage": stage, "stages": stages, "reason": reason})

    def stepped(self, step: Step) -> None:
        self._iteration = step.iteration
        if not step.display:
            return
        line = measured(step)
        rates = self.meter.rates if self.meter else None
        if rates:
            line |= {"iterations_per_second": round(rates.iterations_per_second, 3)}
            line |= {"images_per_second": round(rates.images_per_second, 1), "data_wait": round(rates.data_wait, 4)}
        self.write("train", step.iteration - 1, line)

    def tested(self, result: TestResult) -> None:
        self.write("test", result.iteration, averaged(result))

    def snapshot(self, weights: Path, state: Path) -> None:
        self.write("snapshot", self._iteration, {"weights": str(weights), "state": str(state)})

    def best(self, iteration: int, value: float, weights: Path) -> None:
        self.write("best", iteration, {"value": value, "weights": str(weights)})

    def write(self, kind: str, iteration: int, values: Mapping[str, object]) -> None:
        """Append one line."""
        line = (
            json.dumps(json_in_utf8(finite({"kind": kind, "iteration": iteration, **values})), allow_nan=False) + "\n"
        )
        try:
            self._append(line.encode())
        except OSError as error:
            self.lost += 1
            self.failure = self.failure or error

    def _append(self, line: bytes) -> None:
        file = files.open_to_append(self.path) if self._stream is None else self._stream
        try:
            os.write(file, line)
        finally:
            if self._stream is None:
                os.close(file)

    def findings(self) -> list[Diagnostic]:
        """A warning (RUN040) if lines were lost."""
        if self.failure is None:
            return []
        reason = (self.failure.strerror or str(self.failure)).lower()
        message = f"{self.lost} lines of metrics could not be written to {self.path}: {reason}"
        return [Diagnostic(NOT_WRITTEN, message, severity="warning", help="the run itself is whole")]


def measured(step: Step) -> dict[str, object]:
    """What the line of an iteration holds, but for the time it took; its `iteration` is `step.iteration - 1`."""
    return {"loss": step.loss, "average_loss": step.average_loss, "lr": step.rate, "outputs": plain(step.outputs)}


def averaged(result: TestResult) -> dict[str, object]:
    """What the line of a test holds."""
    loss = {} if result.loss is None else {"loss": result.loss}
    return {"net": result.net, "outputs": plain(result.outputs), **loss}


def plain(outputs: Mapping[str, Array]) -> dict[str, object]:
    """Arrays as numbers (of one value) and lists."""
    return {name: float(v.reshape(-1)[0]) if v.size == 1 else v.tolist() for name, v in outputs.items()}


def finite(value: object) -> object:
    """A value for JSON, NaN and infinities as null: JSON has no numbers for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    return [finite(v) for v in value] if isinstance(value, list | tuple) else value


def _whole_lines(path: Path) -> Iterable[bytes]:
    with files.open_regular(path) as file:
        return [line for line in file if line.endswith(b"\n")]


def _stays(line: bytes, iteration: int) -> bool:
    """Whether a line is of the part of the run before the snapshot (its own test comes again when it goes on)."""
    try:
        found = json.loads(line)
        at = int(found["iteration"])
    except (ValueError, KeyError, TypeError):
        return False
    return at <= iteration if found.get("kind") == "snapshot" else at < iteration


class TensorBoard(Events):
    """Event files for TensorBoard: train/loss, train/lr, train/iterations_per_second, test/<output>.

    A run that goes on from a snapshot hides what the run before it wrote for the iterations that come again.
    Raises NetError(RUN040, RUN041).
    """

    def __init__(self, directory: Path, meter: Meter | None = None) -> None:
        self.directory = directory
        self.meter = meter
        try:
            self._module: Any = import_module("tensorboardX")
        except ImportError:
            help = "pip install netc[tensorboard]"
            raise NetError(Diagnostic(NO_TENSORBOARD, "tensorboardX is not installed", help=help)) from None
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise NetError(Diagnostic(NOT_WRITTEN, f"{directory} cannot be written: {reason}")) from None
        self.writer: Any = None

    def started(self, iteration: int, last: int) -> None:
        self.writer = self._module.SummaryWriter(str(self.directory), purge_step=iteration or None)

    def stepped(self, step: Step) -> None:
        if not step.display:
            return
        at = step.iteration - 1
        self.writer.add_scalar("train/loss", step.average_loss, at)
        self.writer.add_scalar("train/lr", step.rate, at)
        if self.meter and self.meter.rates:
            self.writer.add_scalar("train/iterations_per_second", self.meter.rates.iterations_per_second, at)

    def tested(self, result: TestResult) -> None:
        head = f"test{result.net or ''}"
        for name, value in result.outputs.items():
            if value.size == 1:
                self.writer.add_scalar(f"{head}/{name}", float(value.reshape(-1)[0]), result.iteration)
        self.writer.flush()

    def histogram(self, tag: str, values: Array, iteration: int) -> None:
        """A histogram of all values of an array."""
        if self.writer is not None and values.size:
            self.writer.add_histogram(tag, values, iteration)

    def close(self) -> None:
        """Write what is still held back."""
        if self.writer is not None:
            self.writer.close()
