"""Stages: a solver's fields, and those that are different for some iterations, one stage after the other.

A stage starts as a run of its own, from the weights that the one before has left: the memory of the update rule is
zero, and learning-rate policies count iterations from its beginning. Data goes on where it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from netc.errors import Report
from netc.schema.record import Record
from netc.solve.codes import NOT_OF_A_STAGE
from netc.solve.turns import CHOOSING

_NETS = ("net", "net_param", "train_net", "test_net", "train_net_param", "test_net_param", "train_state", "test_state")
_TESTS = ("test_iter", "test_compute_loss", "test_initialization", "eval_type", "ap_version", "show_per_class_result")
_SNAPSHOTS = ("snapshot", "snapshot_prefix", "snapshot_diff", "snapshot_format", "snapshot_after_train")
_RUN = ("weights", "fit_iter", "solver_mode", "device_id", "random_seed", "layer_wise_reduce", "stage", "search")
OF_THE_RUN = frozenset((*_NETS, *_TESTS, *_SNAPSHOTS, *_RUN))
"""Fields that a run has once."""


def stages_of(record: Record) -> tuple[Record, ...]:
    """A solver's fields in each of its stages; the solver itself where it has none."""
    return tuple(_merged(record, stage) for stage in record.stage) or (record,)


def _merged(record: Record, stage: Record) -> Record:
    """The stage's fields over the solver's. What learns from which loss is said by the one or the other."""
    left_out = {"stage", *(CHOOSING if any(stage.has(name) for name in CHOOSING) else ())}
    values = {k: v for k, v in record.values.items() if k not in left_out} | dict(stage.values)
    spans = {k: v for k, v in record.spans.items() if k not in left_out} | dict(stage.spans)
    return Record(record.message_type, values, spans, stage.span)


def changed(record: Record, changes: Mapping[str, object]) -> Record:
    """The solver with fields set (or removed, by None), in its stages, too, where these have them."""
    stages = (stage.replace(**{k: v for k, v in changes.items() if k in stage.values}) for stage in record.stage)
    return record.replace(**changes, **({"stage": tuple(stages)} if record.stage else {}))


def of_all_ranks(record: Record, ranks: int) -> Record:
    """The solver of all ranks together: as many batches an iteration as they have, `iter_size` each."""
    if ranks == 1:
        return record
    stages = (s.replace(iter_size=s.iter_size * ranks) if "iter_size" in s.values else s for s in record.stage)
    changes = {"stage": tuple(stages)} if record.stage else {}
    return record.replace(iter_size=record.iter_size * ranks, **changes)


def check(record: Record, report: Report) -> None:
    """Report fields of a run that stand in a stage (SOL030)."""
    for stage in record.stage:
        for name in stage.values:
            if name in OF_THE_RUN:
                help = f"write {name} beside the stages"
                report.error(NOT_OF_A_STAGE, f"{name} is the same in all stages", stage.span_of(name), help=help)


def stage_at(stages: tuple[Record, ...], iteration: int) -> tuple[int, int]:
    """The stage that an iteration belongs to if each takes its max_iter, and where that starts."""
    start = 0
    for number, p in enumerate(stages[:-1]):
        if iteration < start + p.max_iter:
            return number, start
        start += p.max_iter
    return len(stages) - 1, start
