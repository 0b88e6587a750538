"""Snapshots of a solver: when they can be written, where they go when they cannot, and the weights of the best test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.run import Net
from netc.run.weights import load_own
from netc.schema.record import Record
from netc.solve import resume, snapshots
from netc.solve.codes import NO_BEST
from netc.solve.events import Events
from netc.solve.learning import Learning
from netc.solve.locks import Claim
from netc.solve.ranks import Ranks
from netc.solve.resume import DataChanged
from netc.solve.training import Test

T = TypeVar("T")


class Saving(Learning):
    """What iterates, and writes and restores snapshots.

    Of several ranks the first one writes; every method is for all of them at once.
    lock: hold the prefix while snapshots are written; see `claim`.
    """

    def __init__(
        self,
        record: Record,
        net: Net,
        tests: Sequence[Test],
        events: Events,
        prefix: str | None,
        keep_gradients: bool,
        ranks: Ranks,
        lock: bool,
    ) -> None:
        super().__init__(record, net, tests, events, prefix, keep_gradients, ranks)
        self._best_values: list[Array] = []
        self.last_snapshot: snapshots.Paths | None = None
        self._lock = lock and self.leads
        self._claim: Claim | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the rank that prints and writes."""
        return self.ranks.rank == 0

    def claim(self) -> None:
        """Hold the prefix, so that no other process writes snapshots under it, until `release` or the solver is gone.

        Where the file system has no locks that is a warning (SNP030). Raises NetError(SNP029) if another has it.
        """
        if not (self._lock and self.prefix) or (self._claim and self._claim.prefix == self.prefix):
            return
        self.release()
        self._claim = Claim(self.prefix)
        if self._claim.warning:
            self.events.warned(self._claim.warning)

    def release(self) -> None:
        """Let others write snapshots under the prefix."""
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()

    def snapshot(self) -> snapshots.Paths | None:
        """Write weights and state; returns their paths, or None without a snapshot_prefix.

        Raises NetError(SNP005, SNP020) if they cannot be written, SNP029 if another run uses the prefix, SOL015 after
        an update that was broken off.
        """
        if not self.prefix:
            return None
        with self._whole.alone():
            self._whole.check()
            self.claim()
            self.last_snapshot = self._written(snapshots.write)
            self.events.snapshot(*self.last_snapshot)
            return self.last_snapshot

    def _written(self, write: Callable[[Learning], T]) -> T:
        """What rank 0 writes, for all ranks at once; they raise what it raises."""
        self.updater.collect()
        found: T | None = None
        problems: tuple[Diagnostic, ...] = ()
        if self.leads:
            try:
                found = write(self)
            except NetError as error:
                problems = tuple(error.diagnostics)
        found, problems = self.ranks.broadcast((found, problems))
        if problems:
            raise NetError(problems)
        return found  # type: ignore[return-value]

    def _keep_best(self) -> None:
        """Write the weights of the best test so far, where snapshots are written; a full disk is a warning."""
        if self.p.early_stop.restore:
            self._best_values = [blob.array.copy() for blob in self.net.parameters.all]
        if not self.prefix or not (self.p.snapshot or self.p.snapshot_after_train):
            return
        try:
            with self._whole.alone():
                self._whole.check()
                self.claim()
                self.best_weights = self._written(snapshots.write_best)
        except NetError as error:
            self._warn(error)
        else:
            self.events.best(self.iteration, self.best, self.best_weights)

    def _go_back(self) -> None:
        """At the end of a stage, where early stopping asks for it: the weights of its best test."""
        values, self._best_values = self._best_values, []
        if not self.p.early_stop.restore or self.best_iteration in (None, self.iteration):
            return
        if not values and self.best_weights is not None:  # the run has been stopped since
            load_own(self.net, snapshots.read_weights(self.best_weights), str(self.best_weights))
        elif not values:
            message = f"the weights of iteration {self.best_iteration}, the best, are not there: those of now stay"
            self.events.warned(Diagnostic(NO_BEST, message, severity="warning"))
            return
        for blob, array in zip(self.net.parameters.all, values, strict=False):
            blob.array[...] = array
        self.net.touch()
        self.last_snapshot = None  # it has other weights
        assert self.best_iteration is not None
        self.events.went_back(self.iteration, self.best_iteration)

    def _try_snapshot(self) -> None:
        """In the middle of a run a full disk is no reason to lose the run: it is reported, and tried again later."""
        try:
            self.snapshot()
        except NetError as error:
            self._warn(error)

    def _warn(self, error: NetError) -> None:
        for diagnostic in error.diagnostics:
            self.events.warned(replace(diagnostic, severity="warning"))

    def _last_snapshot(self) -> None:
        """What cannot be written where it should be goes where it can: after this, the process ends."""
        try:
            self.snapshot()
        except NetError as error:
            rescued = self._written(snapshots.rescue)
            if rescued is None:
                raise
            help = f"it is in {rescued.state.parent} instead: copy both files, or go on with --snapshot {rescued.state}"
            raise NetError(replace(d, help=help) for d in error.diagnostics) from None

    def _just_saved(self) -> bool:
        return self.prefix is not None and self.last_snapshot == snapshots.paths(
            self.prefix, self.iteration, self.p.snapshot_format
        )

    def restore(self, state: str | Path, data_changed: DataChanged = "stop") -> None:
        """Go on from a snapshot's state file, and the weights that it names; raises NetError (SNP...).

        data_changed: where a source has other records now, raise NetError(DAT010), or "restart" at the
        first record of its next epoch, or "continue" at the same place (SNP031, a warning).
        """
        with self._whole.alone():
            self.updater.settle()
            resume.restore(self, Path(state), data_changed)
            self._whole.end()
