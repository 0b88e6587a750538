"""Whether an MPI launcher has started this process, by the environment that launchers give to what they start."""

from __future__ import annotations

import os
from collections.abc import Mapping

from netc.errors import Diagnostic, NetError
from netc.solve.ranks.alone import ALONE
from netc.solve.ranks.codes import NO_MPI, OTHER_MPI
from netc.solve.ranks.protocol import Overlap, Ranks
from netc.solve.ranks.watcher import Watcher

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""Where launchers say how many ranks there are: Open MPI's; those of MPICH, Intel MPI and Slurm's pmi2; MVAPICH's."""
SLURM_SIZES = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
"""Slurm's own, which say that of any step: they count only where PMIx (`PMIX_RANK`) does, too."""


def size_of_launch(environment: Mapping[str, str] | None = None) -> int:
    """How many ranks the launcher says there are; 1 without a launcher. environment: this process's by default."""
    given = os.environ if environment is None else environment
    names = (*SIZES, *(SLURM_SIZES if "PMIX_RANK" in given else ()))
    return max((int(given[name]) for name in names if given.get(name, "").isdecimal()), default=1)


def ranks_of_launcher(timeout: float, overlap: Overlap = "auto") -> Ranks:
    """The ranks that this process was started with; one rank where no launcher has started several.

    timeout: seconds after which all ranks end if one of them has not been heard of. overlap: see `Ranks.overlaps`;
    "auto" is where a core is left for that.
    Raises NetError(SOL040) without mpi4py, SOL041 if its MPI does not know of the others.
    """
    size = size_of_launch()
    if size < 2:
        return ALONE
    watcher = Watcher(timeout)
    try:
        ranks = _met(size, timeout, watcher, overlap)
    except BaseException:
        watcher.end()
        raise
    watcher.met()
    return ranks


def _met(size: int, timeout: float, watcher: Watcher, overlap: Overlap) -> Ranks:
    """MPI's ranks, when all of them have come."""
    try:
        from netc.solve.ranks.mpi import Mpi  # noqa: PLC0415 - starts MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py finds no MPI library
        message = f"the launcher has started {size} ranks, but mpi4py cannot be used: {error}"
        raise NetError(Diagnostic(NO_MPI, message, help=NO_MPI.fix)) from None
    ranks = Mpi(timeout, watcher.parted, overlap)
    ranks.barrier()
    if ranks.size != size:
        message = f"the launcher has started {size} ranks; {ranks.library} knows of {ranks.size}"
        raise NetError(Diagnostic(OTHER_MPI, message, help=OTHER_MPI.fix))
    return ranks
