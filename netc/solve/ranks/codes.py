"""Diagnostics of training in several processes."""

from __future__ import annotations

from netc.errors import Code

NO_MPI = Code(
    "SOL040",
    "an MPI launcher has started netc, and there is no MPI",
    why="The environment says that this process is one of several ranks (`PMI_SIZE`, `OMPI_COMM_WORLD_SIZE`, ...). "
    "Without mpi4py the ranks cannot find each other: each would train on its own, and write the same files.",
    example="mpirun -n 4 netc train solver.prototxt",
    fix="pip install netc[mpi], for the MPI that mpirun belongs to; or `--mpi off`, if each process shall be a run of "
    "its own.",
)
OTHER_MPI = Code(
    "SOL041",
    "the launcher and mpi4py belong to different MPIs",
    why="The launcher says that there are several ranks, and the MPI library that mpi4py has loaded knows another "
    "number: as a rule one, because it is not the launcher's. Each process would train on its own.",
    example="mpirun -n 4 netc train solver.prototxt  # Open MPI's mpirun; mpi4py has loaded MPICH",
    fix="Start with the mpirun of the MPI that mpi4py uses, or install mpi4py for the launcher's (docs/cluster.md).",
)
DIFFERENT = Code(
    "SOL042",
    "ranks do not train the same",
    why="All ranks must have the same net, solver, weights, data, precision and version: else the gradients that are "
    "summed belong to different nets. Processors with other vector instructions round otherwise, so that not even the "
    "parameters stay the same.",
    example="mpirun -n 2 -hosts old,new netc train solver.prototxt",
    fix="The message names the rank and what is different there: give it the same files and the same netc. For "
    "processors of different kinds, `NETC_FEATURES=avx2` makes them alike, or `--allow-mixed` goes on all the same, "
    "without the promise of equal bits.",
)
NOT_DIVIDED = Code(
    "SOL043",
    "a layer cannot be trained by several ranks",
    why="Ranks take turns in the batches, so a layer must not carry anything from one batch to the next: a "
    "Python layer may, one that writes files does, and a recurrent layer does where `cont` is not 0 at the first step.",
    example='mpirun -n 2 netc train solver.prototxt  # with a layer of type "Python"',
    fix="Train with one process, or without the layer. A recurrent layer: let every batch begin its sequences anew "
    "(`cont` 0 at the first step).",
)
NOT_SPLIT = Code(
    "SOL044",
    "a test net is evaluated on rank 0 alone",
    why="Batches of a test are split among the ranks, and what they give is put together exactly. A layer that may "
    "keep something from one batch to the next (Python, recurrent layers), or that writes a file, must see all "
    "of them, in order. This is a warning.",
    example="mpirun -n 4 netc train solver.prototxt  # its test net has an HDF5Output layer",
    fix="Nothing needs to be done; the other ranks wait meanwhile.",
)
SILENT = Code(
    "SOL045",
    "a rank has not been heard of",
    why="Each rank says again and again that it is there. One that does not, that never came, or that does not end "
    "when the training is over, has been stopped, or its machine or the network has failed; the others would wait for "
    "it for ever.",
    example="mpirun -n 4 netc train solver.prototxt --mpi-timeout 60",
    fix="Look at the machine of that rank. The newest snapshot is whole: go on from it with `--snapshot`, with as many "
    "ranks as there are (docs/cluster.md). `--mpi-timeout` sets how long is waited.",
)
ROWS = Code(
    "SOL046",
    "a table that is updated by rows, on several ranks",
    why="Ranks add their gradients up in one array, in which each value has its place. The gradient of a table with "
    "`lazy: true` has only the rows that a rank's batch reads, which are others on each.",
    example="mpirun -n 4 netc train solver.prototxt  # its net has an Embed layer with `param { lazy: true }`",
    fix="Take `lazy: true` out, or train on one rank.",
)
