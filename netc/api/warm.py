"""Compiling ahead: every kernel that a file's nets will use goes into the kernel cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from netc import language
from netc.api.definition import Definition, PathLike, is_solver, typed
from netc.api.jobs import Job, own_job, solver_job
from netc.api.planning import dealt, states
from netc.api.session import Net, time_updater
from netc.api.settings import Given, settings_of
from netc.catalogue import catalogue
from netc.graph import State, build
from netc.layer import Shape
from netc.run import RunOptions
from netc.schema.record import Record
from netc.solve.update import Updater


@dataclass(frozen=True, slots=True)
class Use:
    """A net as it will be run. solver: what trains it; without, a net of phase TRAIN makes a step of SGD."""

    definition: Definition
    state: State
    solver: Record | None = None


def warm(
    path: PathLike,
    *,
    layers: Iterable[Path] = (),
    batch: int | None = None,
    inputs: Mapping[str, Shape] | None = None,
    settings: Given = None,
    **run_options: Unpack[RunOptions],
) -> tuple[Use, ...]:
    """Run each net of a file once on made-up data: whoever runs it next finds its kernels in the cache.

    A solver's nets are those that it trains and tests, with its updates; another file's are those of its phases. No
    data is read, and no file is written but those of the kernel cache. batch, inputs: shapes instead of the file's,
    as which kernels a net takes may depend on them. settings: as in `netc.load`. run_options: as of `netc.Net`.
    Returns the nets.
    Raises NetError with what is wrong with the file.
    """
    found = uses(path, layers, settings)
    graphs = [build(use.definition.record, use.definition.types, use.state) for use in found]
    for use, shapes in zip(found, dealt(inputs or {}, graphs), strict=True):
        _run_once(use, batch, shapes, run_options)
    return found


def uses(path: PathLike, layers: Iterable[Path] = (), settings: Given = None) -> tuple[Use, ...]:
    """The nets of a file. Raises NetError."""
    path, types, document = Path(path), catalogue(layers), language.read(path, settings_of(settings))
    if is_solver(document):
        return _of(solver_job(document, path, types))
    definition = typed(document, path, types)
    own = tuple(Use(definition, state) for state in states(definition))
    if definition.solver is None:
        return own
    return (*_of(own_job(definition)), *(use for use in own if use.state.stages))


def _of(job: Job) -> tuple[Use, ...]:
    """The nets that a job trains and tests."""
    return (Use(job.train, job.train_state, job.record), *(Use(t.definition, t.state) for t in job.tests))


def _run_once(use: Use, batch: int | None, inputs: Mapping[str, Shape], run_options: RunOptions) -> None:
    state = use.state
    net = Net(
        use.definition, state.phase, level=state.level, stages=state.stages, batch=batch, inputs=inputs,
        synthetic=True, **run_options,
    )  # fmt: skip
    updater = None
    if net.plan.backward_planned:
        updater = time_updater(net) if use.solver is None else Updater(use.solver, net, update_in_backward=True)
    held = [array for arrays in net.params.values() for array in arrays]  # passes look at what somebody holds
    net.forward()
    del held
    if updater is None:
        return
    if updater.updates_in_backward:
        updater.backward(0)
    else:
        net.backward()
        updater.apply(0)
