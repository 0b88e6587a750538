"""What can be wrong with a solver, and with what it is given."""

from netc.errors import Code

UNKNOWN_NAME = Code(
    "SOL010",
    "the solver names something that does not exist",
    why="`type`, `lr_policy` and `regularization_type` are names; a mistyped one would mean another training.",
    example='type: "Nestrov" lr_policy: "fixd"',
    fix="Use one of the names in the message.",
)
MISSING = Code(
    "SOL011",
    "the solver lacks a field that it needs",
    why="The learning-rate policy or the update rule has no sensible default for it. (Without "
    "gamma or power Caffe goes on with 0, and multistep without stepvalue never steps: those are warnings.)",
    example='lr_policy: "step" base_lr: 0.01 gamma: 0.1  # no stepsize',
    fix='lr_policy: "step" base_lr: 0.01 gamma: 0.1 stepsize: 10000',
)
BAD_VALUE = Code(
    "SOL012",
    "a field of the solver has a value that it cannot have",
    why="The value makes no sense for what the field controls; Caffe stops at it too, or would compute nonsense.",
    example='type: "RMSProp" rms_decay: 1.5',
    fix="The message says which values are possible.",
)
NOT_FINITE = Code(
    "SOL013",
    "the loss is not a finite number",
    why="Once the loss is NaN or infinite, every parameter becomes NaN with the next update, and the run is lost. "
    "Usual causes: a learning rate that is too high, inputs that are not scaled, a logarithm or division by zero. (A "
    "loss stuck at 87.3365 is -log of the smallest float: the prediction is exactly zero.)",
    example="base_lr: 10",
    fix="Lower base_lr, add warmup_iter or clip_gradients, and look at the scale of the data.",
)
NO_OUTPUT = Code(
    "SOL014",
    "early stopping watches an output that no test net has",
    why="Training stops when a value that the test net gives out does not get better any more.",
    example='early_stop { output: "acuracy" patience: 5 }',
    fix="Use the name of one of the test net's outputs; the message lists them.",
)

UNUSED = Code(
    "SOL017",
    "the learning-rate policy does not use a field",
    why="Each policy has its own fields. Caffe reads those of other policies and goes on without a word, so a rate "
    "that was meant to fall stays where it is.",
    example='base_lr: 0.01 lr_policy: "fixed" gamma: 0.1 stepsize: 1000',
    fix="Take the field out, or name the policy that uses it.",
)

NOT_OF_A_STAGE = Code(
    "SOL030",
    "a stage holds a field of the run",
    why="A stage holds what is different for some iterations: their number, the learning rate, the update, what "
    "learns, early stopping. The nets, tests, snapshots and the seed are those of the whole run.",
    example='base_lr: 0.1 lr_policy: "fixed" stage { max_iter: 10 } stage { max_iter: 10 random_seed: 1 }\n'
    'net_param { layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } } }',
    fix="Write the field in the solver, beside its stages.",
)

NO_BEST = Code(
    "SOL031",
    "the weights of the best test are not there any more",
    why="`early_stop { restore: true }` ends a run, or a stage, with the weights of its best test. A run that went on "
    "from a snapshot finds them in `PREFIX_best.caffemodel`, which is not there. This is a warning.",
    fix="Keep that file beside the snapshots, until the run has ended.",
)

HOW_MUCH = Code(
    "SOL032",
    "statistics of data of which nobody knows how much there is",
    why="A layer's statistics (Whiten's, BatchNorm's) are estimated in one pass over the data. What a program or a "
    "filler gives has no end, so the number of batches must be said.",
    example="netc train noise.net  # whose Whiten layer reads what DummyData gives",
    fix="Write `fit_iter: 100` in the solver, or `netc fit FILE --iterations 100`.",
)
TOO_FEW = Code(
    "SOL033",
    "statistics of fewer than two items",
    why="A variance is of at least two items; those that were asked for are fewer.",
    fix="Give a larger fit_iter, or more data.",
)

NOT_WRITTEN = Code(
    "SNP020",
    "a snapshot cannot be written",
    why="A snapshot is first written under another name beside its place, and renamed when it is safely on the disk; "
    "so an earlier snapshot is never harmed. This one could not be written at all. In the middle of a run that is a "
    "warning; the last snapshot then goes to the system's folder for temporary files, if there is room.",
    example='snapshot: 1000 snapshot_prefix: "missing/directory/lenet"',
    fix="Make the directory, make room on the disk, or choose another snapshot_prefix.",
)
IN_USE = Code(
    "SNP029",
    "another run writes snapshots under the same prefix",
    why="Two runs with one snapshot_prefix write the same files: what is there at the end is partly of the one, partly "
    "of the other, and their metrics are mixed. So a run holds its prefix from its first iteration to its end, and a "
    "second one is refused. The lock goes with the process that holds it, also if that is killed.",
    example="netc train nets/digits.net & netc train nets/digits.net",
    fix="Give the second run a snapshot_prefix of its own, or wait for the first. `--ignore-lock` (`lock=False` in "
    "Python) starts it all the same.",
)
NO_PREFIX = Code(
    "SNP021",
    "snapshots are asked for, but not where",
    why="`snapshot` says how often the state is saved, `snapshot_prefix` under which name.",
    example="snapshot: 1000",
    fix='snapshot: 1000 snapshot_prefix: "lenet"',
)
WRONG_STATE = Code(
    "SNP022",
    "the solver state does not fit the net or the solver",
    why="The state holds the update rule's memory, blob by blob. It must come from the same net, trained by the same "
    "rule, or training would go on from nonsense.",
    fix="Use the solver and the net that the snapshot was made with; to start again from its weights only, use "
    "`--weights`.",
)
INCOMPLETE = Code(
    "SNP023",
    "the snapshot is not complete",
    why="The file ends before the size that it was written with, its values are not those that it was written with, or "
    "the weights are not those that the state was written with. Going on from it would not be the run that was "
    "stopped.",
    fix="Resume from an earlier snapshot, or copy the files again.",
)
NO_WEIGHTS = Code(
    "SNP024",
    "the weights of a solver state are not there",
    why="A solver state names the weight file that was written with it; it is looked for under that path, and beside "
    "the state.",
    fix="Put the .caffemodel file beside the .solverstate file.",
)
NO_H5PY = Code(
    "SNP025",
    "HDF5 files need h5py",
    why="Snapshots in HDF5 are read and written through h5py, which is not installed with netc itself.",
    example="snapshot_format: HDF5",
    fix="pip install netc[data]",
)
BAD_HDF5 = Code(
    "SNP026",
    "not an HDF5 snapshot",
    why="The file is damaged, or holds something else than layers with numbered blobs (or a solver's state). Links to "
    "other files, and blobs that are declared far larger than the file, are refused.",
    fix="Check that it is the right file, and copy it again.",
)
OTHER_SEED = Code(
    "SNP027",
    "the snapshot was made with another seed",
    why="All random numbers are a function of the seed. To go on exactly where the run stopped, its own seed is used, "
    "not the one that was asked for. This is a warning.",
    fix="Ask for the same random_seed, or start from the weights only (`--weights`) to have another one.",
)
OTHER_DATA = Code(
    "SNP031",
    "the run goes on with other data",
    why="A source has other records than when the snapshot was written, and you have asked to go on all "
    "the same: what comes is not the run that was stopped. This is a warning.",
    example="netc train lenet.net --snapshot lenet_iter_500.solverstate --data-changed restart",
    fix="Nothing, if the data was meant to change. `restart` begins the next epoch of the new data, `continue` goes on "
    "at the same place in it.",
)
NAMES_CLASH = Code(
    "SNP028",
    "a layer has no place of its own in an HDF5 snapshot",
    why="An HDF5 file has a group for each layer, with a blob in it for each number: blob 0 of layer `a` is `a/0`. A "
    "slash in a layer's name makes a group in a group, so a layer called `a/0` would stand where that blob stands; "
    "two layers of one name would stand in one group; and a name like `a//b`, or an empty one, is no group's.",
    example='snapshot_format: HDF5  # layers "ip" and "ip/0"',
    fix="Rename one of the layers, or write snapshots in the usual format (snapshot_format: BINARYPROTO).",
)
TORN = Code(
    "SOL015",
    "an iteration was broken off in the middle of its update",
    why="Some of the parameters, and of what the update rule remembers, are those of after the iteration, others those "
    "of before. Going on, or writing a snapshot, would silently give another run. (A first interrupt waits for the end "
    "of the iteration; this takes a second one, or an exception of a layer's own code in backward.)",
    example="try: solver.step(1)  # Ctrl-C twice\nexcept KeyboardInterrupt: solver.step(1)",
    fix="Restore the last snapshot (`solver.restore(...)`), or make a new solver.",
)
TWO_THREADS = Code(
    "SOL016",
    "one solver is used by two threads at once",
    why="Two threads that train, test or write a snapshot with one solver would mix their iterations; a snapshot in "
    "the middle of an update would hold parameters of two iterations.",
    example="threading.Timer(60, solver.snapshot).start(); solver.solve()",
    fix="`request_snapshot()` and `request_stop()` may be called from any thread; they take effect after the iteration "
    "that runs. To use the net meanwhile, see `Net.replica`.",
)
