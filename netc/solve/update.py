"""One update of all parameters, in Caffe's order: clip by the global norm, divide by iter_size, add decay, the rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from netc.errors import Report, Span, suggest
from netc.jit import kernel
from netc.layer import Array
from netc.plan.turns import users
from netc.run import Net, Parameter
from netc.schema.record import Record
from netc.solve import sparsity
from netc.solve.beside import Beside
from netc.solve.codes import UNKNOWN_NAME
from netc.solve.parts import CHUNK, Chunk, Parts, Wait
from netc.solve.plateau import Plateau
from netc.solve.policies import learning_rate
from netc.solve.ranks import ALONE, Ranks
from netc.solve.rows import Table, table_of
from netc.solve.rule import Moment, Rule
from netc.solve.rules import rules
from netc.solve.turns import turns_of

if TYPE_CHECKING:  # costly to import
    from netc.fast.machine.launch import Launch, Ref
    from netc.fast.program.lowered import Rows, Values

REGULARIZATIONS: dict[str, str] = {
    "L2": "weight_decay times half the sum of squares: each gradient gets weight_decay times its value",
    "L1": "weight_decay times the sum of absolute values: each gradient gets weight_decay times its value's sign",
    "L1L2": "both: weight_decay for the squares, weight_decay_l1 for the absolute values",
}
"""Values of `regularization_type`, and what each adds to the loss."""


def rule_name(p: Record) -> str:
    """The rule that `type`, or the old enum `solver_type`, names."""
    if p.has("solver_type") and not p.has("type"):
        return {name.lower(): name for name in rules()}[p.solver_type.lower()]
    return str(p.type)


def check(p: Record, report: Report) -> None:
    """Report an update rule or a regularization that does not exist (SOL010)."""
    name = rule_name(p)
    if name not in rules():
        _unknown(report, "type", name, rules(), p.span_of("type"))
    if p.regularization_type not in REGULARIZATIONS:
        span = p.span_of("regularization_type")
        _unknown(report, "regularization_type", p.regularization_type, REGULARIZATIONS, span)


def _unknown(report: Report, field: str, name: str, known: Any, span: Span | None) -> None:
    close = suggest(name, known)
    help = f'did you mean "{close}"?' if close else f"it may be {', '.join(known)}"
    report.error(UNKNOWN_NAME, f'there is no {field} "{name}"', span, help=help)


def needs_all_gradients(p: Record, ranks: int = 1) -> bool:
    """Whether a solver needs all gradients at once, so that none can be updated before the end of backward.

    One process adds up the batches of an iteration when backward is over; ranks do so while it goes on.
    """
    return bool(p.clip_gradients >= 0 or (ranks == 1 and p.iter_size > 1) or p.snapshot_diff)


class Updater:
    """The update rule of a solver and its memory: `history[k]` holds blob k of each learned parameter, by index.

    turns: those of the updates of an iteration, in order. An update changes what learns in its turn.
    masks: where weights become sparse, which are in (1; uint8, flat), by index; the others stay zero.
    Every value is updated by itself, so neither the number of threads nor the moment of the update changes a bit.
    parts: what several ranks do together; each updates its part, and has the memory of that part only, which
    `collect` gives to rank 0.

    update_in_backward: apply updates while backward runs, as soon as a gradient is complete, so that gradients need
    no memory of their own (`Net.param_diffs` is gone then). Where clipping by the norm, iter_size or snapshot_diff
    need all gradients at once, or the net runs on the reference executor, they are kept all the same.
    """

    def __init__(self, p: Record, net: Net, *, update_in_backward: bool = False, ranks: Ranks = ALONE) -> None:
        self.p: Any = p
        self.net = net
        self.rule: Rule = rules()[rule_name(p)]
        self.turns = turns_of(p)
        self._learned = {turn: net.learned_in(turn) for turn in self.turns}
        every = {b.param.index: b for blobs in self._learned.values() for b in blobs}
        self._before = [
            Counter(b.param.index for turn in self.turns[:count] for b in self._learned[turn])
            for count in range(len(self.turns) + 1)
        ]  # before each update of an iteration, and after the last: how often the iteration has updated each parameter
        self.history: tuple[dict[int, Array], ...] = tuple(
            {index: np.zeros_like(b.array) for index, b in sorted(every.items())} for _ in range(self.rule.histories)
        )
        self._numbers = {index: np.zeros(16, b.array.dtype) for index, b in every.items()}
        self.masks = self._masks(every.values()) if p.sparsity else {}
        together = needs_all_gradients(p, ranks.size) or any(
            net.parameters.all[index].rows is not None for index in self.masks
        )
        self._in_backward = update_in_backward and not together
        if ranks.size == 1:
            self._in_backward = self._in_backward and net.update_in_backward(self._launches)
        self._pool: ThreadPoolExecutor | None = None
        self._beside = Beside()
        self._overlaps = ranks.overlaps(net.threads)
        blobs = [blob for _, blob in sorted(every.items())]
        self._every = [chunk for blob in blobs if blob.rows is None for chunk in self._split(blob)]
        self._tables = [self._table(blob) for blob in blobs if blob.rows is not None]
        self._chunks = {turn: self._of(blobs) for turn, blobs in self._learned.items()}
        self.parts = Parts(self._every, net.parameters.gradient, ranks)
        self.plateau = Plateau()

    @property
    def updates_in_backward(self) -> bool:
        """Whether the next update can be made in backward: not while somebody observes the net."""
        return self._in_backward and not self.net.is_observed

    def _split(self, blob: Parameter) -> Iterator[Chunk]:
        assert blob.added is not None
        index = blob.param.index
        arrays = [a.reshape(-1) for a in (blob.array, blob.added, *(h[index] for h in self.history))]
        for start in range(0, blob.array.size, CHUNK):
            data, diff, *history = (a[start : start + CHUNK] for a in arrays)
            mask = self.masks[index][start : start + CHUNK] if index in self.masks else None
            at = (diff.ctypes.data - self.net.parameters.gradient.ctypes.data) // diff.itemsize
            yield Chunk(index, start, at, data, diff, tuple(history), self._numbers[index], mask)

    def _table(self, blob: Parameter) -> Table:
        index = blob.param.index
        return table_of(blob, [h[index] for h in self.history], self._numbers[index], self.masks.get(index))

    def _of(self, blobs: Iterable[Parameter]) -> list[Chunk]:
        indices = {blob.param.index for blob in blobs}
        return [chunk for chunk in self._every if chunk.index in indices]

    # ------------------------------------------------------------ memory

    def collect(self) -> None:
        """Before a snapshot, on all ranks at once: rank 0 gets the memory of all parts, and updates where kept."""
        self.parts.collect()
        if self.p.snapshot_diff and self.parts.ranks.size > 1:
            self.parts.spread()

    def recall(self, history: Sequence[Sequence[Array]]) -> None:
        """Set the memory, of this rank's part, to what a snapshot has: arrays by blob of the rule and by parameter."""
        for chunk in filter(self.parts.is_own, self._every):
            for own, arrays in zip(chunk.history, history, strict=True):
                own[...] = arrays[chunk.index].reshape(-1)[chunk.start : chunk.start + own.size]
        for table in self._tables:
            for own, arrays in zip(table.history, history, strict=True):
                own[...] = arrays[table.index].reshape(own.shape)

    # ------------------------------------------------------------ sparse weights

    def _masks(self, blobs: Iterable[Parameter]) -> dict[int, Array]:
        plan = self.net.parameters.plan
        names = users(plan.graph, plan.params, (layer.params for layer in plan.layers))
        patterns = sparsity.patterns_of(self.p)
        chosen = (b for b in blobs if sparsity.becomes_sparse(b.param, names[b.param.index], patterns))
        return {b.param.index: np.ones(b.array.size, np.uint8) for b in chosen}

    def prune(self, share: float) -> None:
        """Take weights out until the share of them that is zero is this, in each parameter that becomes sparse."""
        for index, mask in self.masks.items():
            blob = self.net.parameters.all[index]
            sparsity.prune(blob.array, mask, share)
            for history in self.history:
                history[index].reshape(-1)[mask == 0] = 0
            blob.values.touch()

    # ------------------------------------------------------------ several batches

    def backward_and_add(self, first: bool, last: bool) -> None:
        """Backward, and the gradients of the batch added to the sum over all batches (see `Parts.add`).

        first: begin a new sum. last: make it the gradient. Of one batch alone there is no sum.
        """
        if self.parts.ranks.size > 1:
            self._exchange(first, last, None)
            return
        self.net.backward()
        if first and last:
            return
        self.parts.add(first, last)
        for table in self._tables:
            table.add(first)
            if last:
                table.finish()

    def _exchange(self, first: bool, last: bool, then: Callable[[int], Wait] | None) -> None:
        """Backward of a batch on each rank, and `Parts.add` beside or after it."""
        if self._overlaps:
            self._beside.run(
                lambda done: self.net.backward_by_buckets(self.parts.params, done),
                lambda ready: self.parts.add(first, last, ready, then),
            )
        else:
            self.net.backward()
            self.parts.add(first, last, then=then)

    # ------------------------------------------------------------ after backward

    def apply(self, iteration: int, update: int = 0) -> float:
        """Update what learns in the turn by its gradient; returns the learning rate. Gradients become the updates.

        update: which of the iteration's updates it is; the net is in its turn. Of several ranks each needs the
        gradients of its part, and has the updates of that part and all parameters afterwards.
        """
        every = self._chunks[self.turns[update]]
        learned = {blob.param.index for blob in self._learned[self.turns[update]]}
        tables = [table for table in self._tables if table.index in learned]
        chunks: list[Chunk | Table] = [*filter(self.parts.is_own, every), *tables]
        for chunk in chunks:
            chunk.keep()
        rate = self._prepare(iteration, update, self._clip(chunks) / self.p.iter_size)
        threads = min(self.net.threads, len(chunks))
        try:
            if threads < 2:
                self._update(chunks)
            else:
                self._pool = self._pool or ThreadPoolExecutor(threads)
                list(self._pool.map(self._update, (chunks[t::threads] for t in range(threads))))
            self.parts.spread_data({chunk.at for chunk in every})
        finally:
            self.net.touch()
        return rate

    def settle(self) -> None:
        """Wait for threads of an update that was broken off."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        self._beside.end()

    def _update(self, chunks: list[Chunk | Table]) -> None:
        for chunk in chunks:
            chunk.update(self.rule)

    def _clip(self, chunks: list[Chunk | Table]) -> float:
        """What the gradients are multiplied by so that their norm over all parameters is at most clip_gradients."""
        limit = self.p.clip_gradients
        if limit < 0:
            return 1.0
        mine = [(chunk.at, _square_sum(chunk.diff)) for chunk in chunks if isinstance(chunk, Chunk)]
        every = sorted(square for part in self.parts.ranks.gather(mine) for square in part)  # by their places
        tables = [_square_sum(table.diff) for table in chunks if isinstance(table, Table)]
        norm = math.sqrt(sum([*(square for _, square in every), *tables]))
        return limit / norm if norm > limit else 1.0

    # ------------------------------------------------------------ in backward

    def backward(self, iteration: int, update: int = 0) -> float:
        """Backward and the updates in one, if it `updates_in_backward`; arguments and result of `apply`.

        Of several ranks that is the backward of the last batch that each of them has, and what follows from it.
        """
        size = self.parts.ranks.size
        rate = self._prepare(iteration, update, 1.0 / self.p.iter_size)
        if size == 1:
            self.net.backward_and_update()
            return rate
        learned = {chunk.at for chunk in self._chunks[self.turns[update]]}

        def then(bucket: int) -> Wait:
            for chunk in self.parts.own(bucket):
                if chunk.at in learned:
                    chunk.keep()
                    chunk.update(self.rule)
            return self.parts.begin_data(bucket, learned)

        try:
            self._exchange(self.p.iter_size == size, True, then)
        finally:
            self.net.touch()
        return rate

    def _launches(self, param: int, data: Ref, gradient: Ref, part: Values | Rows) -> list[Launch]:
        """The launches that update a part of a parameter; data, gradient: see `netc.fast.program.lowered.Updates`."""
        compiled: Any = import_module("netc.solve.compiled")  # costly to import
        if param not in self._numbers:
            return []  # no turn changes it
        history = [h[param].ctypes.data for h in self.history]
        numbers = self._numbers[param].ctypes.data
        launches: list[Launch] = compiled.launches(self.rule, data, gradient, part, numbers, history)
        if param in self.masks:
            mask = self.masks[param].ctypes.data
            launches = [compiled.masked(gradient, part, mask), *launches, compiled.masked(data, part, mask)]
        return launches

    # ------------------------------------------------------------ the numbers of an iteration

    def _prepare(self, iteration: int, update: int, scale: float) -> float:
        """Set the numbers of each parameter that learns in the turn; returns the learning rate."""
        p, rate = self.p, learning_rate(self.p, iteration, self.plateau.steps)
        for blob in self._learned[self.turns[update]]:
            decay = p.weight_decay * blob.param.decay_mult
            added = 0.0 if self.rule.decoupled else decay
            l1 = {"L2": 0.0, "L1": added, "L1L2": p.weight_decay_l1 * blob.param.decay_mult}[p.regularization_type]
            l2 = 0.0 if p.regularization_type == "L1" else added
            done = iteration * self._before[-1][blob.param.index] + self._before[update][blob.param.index]
            own = self.rule.numbers(Moment(rate * blob.param.lr_mult, decay, done, p))
            found = (scale, p.clip_gradients_value, l2, l1, *own)
            self._numbers[blob.param.index][: len(found)] = found
        return rate


@kernel
def _square_sum(x: Array) -> float:
    total = 0.0
    for i in range(x.size):
        total += float(x[i]) * float(x[i])
    return total
