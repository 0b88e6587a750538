"""pycaffe's functions for the whole process: mode, device, seed, log."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

from netc.caffe.errors import ONE_MACHINE, refuse
from netc.catalogue import catalogue
from netc.run.codes import EXECUTOR
from netc.solve.caffe_log import glog
from netc.writes import Where

LOG = logging.getLogger("caffe")
_next_seed = 0
_LINES = logging.getLogger("netc.caffe_log")  # Caffe's own lines, which `init_log` sends to stderr
_LINES.propagate = False
_LINES.setLevel(logging.CRITICAL)  # nothing until then
_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR}
_writes: Where = "here"
_executor = "fast"


def set_mode_cpu() -> None:
    """Nothing to do: netc always runs on the CPU."""


def set_mode_gpu() -> None:
    """A warning: netc always runs on the CPU, with the same numbers."""
    warnings.warn("netc runs on the CPU; set_mode_gpu changes nothing", RuntimeWarning, stacklevel=2)


def set_device(device: int) -> None:
    """Nothing to do: there is no device to choose."""


def get_device() -> int:
    """Always 0."""
    return 0


def check_mode_cpu() -> bool:
    return True


def check_mode_gpu() -> bool:
    return False


def set_random_seed(seed: int) -> None:
    """The seed of the next net or solver that is made; those after it get the numbers that follow."""
    global _next_seed
    _next_seed = int(seed)


def allow_writes(allowed: bool = True) -> None:
    """Let layers of the nets that are made from now on write files outside the working folder (netc's own)."""
    global _writes
    _writes = "anywhere" if allowed else "here"


def writes() -> Where:
    """Where layers of a new net may write."""
    return _writes


def set_executor(name: str) -> None:
    """What nets that are made from now on predict with (netc's own): "fast", or "reference", which defines the numbers.

    Raises CaffeError(RUN020).
    """
    global _executor
    if name not in ("fast", "reference"):
        raise refuse(EXECUTOR, f'there is no executor "{name}"', help='use "fast" or "reference"')
    _executor = name


def executor() -> str:
    """What a new net predicts with."""
    return _executor


def take_seed() -> int:
    """The seed of a new net: another one each time, so that two nets do not start with the same weights."""
    global _next_seed
    _next_seed += 1
    return _next_seed - 1


def layer_type_list() -> list[str]:
    """The names of all layer types."""
    return sorted(catalogue().types)


def allow_python(yes: bool = True) -> None:
    """Let net files name Python layers of modules that the program has not imported (netc's own; not in pycaffe)."""
    from netc.layers import python  # noqa: PLC0415 (not needed by most programs)

    python.allow(yes)


def init_log(level: int = 0, stderr: bool = True) -> None:
    """Write Caffe's log to stderr from now on, as Caffe does: messages of this level and above (0: all, 1: warnings).

    Without it, or without `stderr`, messages only go to the Python logger `caffe`.
    """
    _LINES.handlers = [logging.StreamHandler()] if stderr else []
    _LINES.setLevel(list(_LEVELS.values())[min(max(int(level), 0), 2)] if stderr else logging.CRITICAL)


def log(text: str) -> None:
    """A line for the Python logger `caffe`, and for Caffe's log."""
    LOG.info("%s", text)
    log_line(text)


def log_line(text: str, severity: str = "I") -> None:
    """A line of Caffe's log, if `init_log` has asked for it."""
    if _LINES.isEnabledFor(_LEVELS[severity]):
        _LINES.log(_LEVELS[severity], "%s", glog(text, severity))


# ---------------------------------------------------------------- several devices


def has_nccl() -> bool:
    """False: there are no graphics cards to join."""
    return False


def solver_count() -> int:
    return 1


def solver_rank() -> int:
    return 0


def set_solver_count(count: int) -> None:
    """Nothing to do for 1; raises CaffeError(RUN066) for more."""
    if count != 1:
        raise refuse(ONE_MACHINE, f"{count} solvers were asked for; there is one, which uses all cores")


def set_solver_rank(rank: int) -> None:
    """Nothing to do for 0; raises CaffeError(RUN066) for others."""
    if rank != 0:
        raise refuse(ONE_MACHINE, f"solver {rank} was asked for; there is only solver 0")


def set_multiprocess(yes: bool) -> None:
    """Nothing to do."""


class NCCL:
    """Raises CaffeError(RUN066)."""

    def __init__(self, *_: Any) -> None:
        raise refuse(ONE_MACHINE, "caffe.NCCL joins graphics cards; netc runs on the CPU")


class Timer:
    """A stopwatch: `start()`, `stop()`, then `ms`, `us` or `seconds` between them."""

    def __init__(self) -> None:
        self._start = self._stop = time.perf_counter()

    def start(self) -> None:
        self._start = self._stop = time.perf_counter()

    def stop(self) -> None:
        self._stop = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._stop - self._start

    @property
    def ms(self) -> float:
        return 1e3 * self.seconds

    @property
    def us(self) -> float:
        return 1e6 * self.seconds
