"""What can be wrong with a search: the codes SOL050 to SOL053."""

from netc.errors import Code

NO_SEARCH = Code(
    "SOL050",
    "the file says nothing to search",
    why="A `search { }` block, beside the layers of a .net file or in its solver, be that a block or a file, names "
    "constants and fields with the values that they may take, and the output of the tests that says which are good.",
    example="netc search nets/lenet.net",
    fix='Add `search { base_lr: log(1e-3, 1e-1) trials: 20 best: "accuracy" }` to the file.',
)
BAD_SEARCH = Code(
    "SOL051",
    "the search block does not fit",
    why="Each name has a list of values, or a range: `between(a, b)`, or `log(a, b)` with both ends above 0. GRID goes "
    "through lists only. `best` is an output of the test nets, whose solver says test_iter and test_interval. A net "
    "and its solver have one block between them.",
    example='search { width: between(64, 16) best: "accuracy" }',
    fix="The message says what does not fit.",
)
OTHER_SEARCH = Code(
    "SOL052",
    "the results are of another search",
    why="A search goes on where its file of results ends. That one was begun with another net, other values or another "
    "seed; results of both together would say nothing.",
    example="netc search digits.net  # whose width was changed since digits.search.jsonl was begun",
    fix="Name another file (`-o other.jsonl`), or remove this one; a larger number of trials goes on with it.",
)
NO_OPTUNA = Code(
    "SOL053",
    "method TPE needs optuna",
    why="The tree-structured Parzen estimator is that of the package optuna, which is not installed with netc itself.",
    example='search { base_lr: log(1e-3, 1e-1) best: "accuracy" method: TPE }',
    fix="pip install 'netc[search]', or write `method: RANDOM`.",
)
