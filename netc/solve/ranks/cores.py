"""How many threads a rank takes, of cores that other ranks may use, too."""

from __future__ import annotations

import os
import socket

from netc.run.environment import thread_count
from netc.solve.ranks.protocol import Ranks


def own_threads(ranks: Ranks) -> int:
    """This rank's share of the cores that it may use, at least 1. For all ranks at once.

    Where the launcher has bound each rank to cores of its own, all of those; else ranks of one machine share.
    """
    place = socket.gethostname(), frozenset(usable_cores())
    every = ranks.gather(place)
    if os.environ.get("NETC_THREADS"):  # said of each rank
        return thread_count()
    sharing = sum(host == place[0] and bool(cores & place[1]) for host, cores in every)
    return max(1, thread_count() // max(1, sharing))


def has_core_left(ranks: Ranks, threads: int) -> bool:
    """Whether a core that this rank may use is left when so many of its threads compute, and those of others that may
    use its cores. For all ranks at once."""
    host, cores = socket.gethostname(), usable_cores()
    every = ranks.gather((host, cores, threads))
    return sum(count for theirs, may, count in every if theirs == host and may & cores) < len(cores)


def usable_cores() -> set[int]:
    """The cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
