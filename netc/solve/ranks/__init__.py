"""The processes that train one net together: who they are, and what they tell each other.

`protocol.Ranks` is all that the solver knows of them; `alone` is one process, `mpi` are those of an MPI launcher, which
`launcher` recognizes. Nothing outside `netc/solve/` sees more of them than that there may be several.
"""

from netc.solve.ranks.alone import ALONE
from netc.solve.ranks.launcher import ranks_of_launcher
from netc.solve.ranks.protocol import Overlap, Ranks

__all__ = ["ALONE", "Overlap", "Ranks", "ranks_of_launcher"]
