"""The codes of programs that would go wrong."""

from netc.errors import Code

OUTSIDE_ARRAY = Code(
    "RUN021",
    "a step of the program reaches outside its array",
    why="Each launch of the fast executor says which bytes its kernel reads and writes. They must lie in the "
    "arrays that the launch names, and those in the arena, as long as they are alive.",
    fix="Report this: it is a mistake in netc. `--executor reference` runs the net meanwhile.",
)
OVERLAP = Code(
    "RUN022",
    "two arrays that are alive at the same time lie in the same memory",
    why="The arena gives memory to another array only when what it holds is dead; otherwise one would overwrite the "
    "other.",
    fix="Report this: it is a mistake in netc. `--executor reference` runs the net meanwhile.",
)
NOT_WRITTEN = Code(
    "RUN023",
    "a step of the program reads what nothing has written",
    why="Memory of the arena holds what the last array there left. A kernel that reads a byte of its array before a "
    "step has written it computes with garbage.",
    fix="Report this: it is a mistake in netc. `--executor reference` runs the net meanwhile.",
)
RACE = Code(
    "RUN024",
    "two steps that run at the same time touch the same bytes",
    why="Threads pass from one launch to the next without waiting where the two have nothing to do with each other. If "
    "one writes what the other reads or writes, the result depends on which comes first.",
    fix="Report this: it is a mistake in netc. `--executor reference` runs the net meanwhile.",
)
SIZED_LATE = Code(
    "RUN029",
    "a step of the program uses an array whose size is known only when the net runs",
    why="The rows of the fast executor's table have sizes of their own, which are settled before the net runs. What a "
    "layer like Filter or DetectionOutput gives has another size each time, so a row would use what was there before.",
    fix="Report this: it is a mistake in netc. `--executor reference` runs the net meanwhile.",
)
