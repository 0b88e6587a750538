"""What can be wrong with a net that generates: the codes RUN110 to RUN119."""

from netc.errors import Code

NO_GENERATE = Code(
    "RUN110",
    "the net generates nothing",
    why="A `generate { }` block says which blob holds the probabilities of the next token, and which input takes the "
    "tokens so far. Without it a net predicts, but does not go on by itself.",
    example="netc predict nets/digits.net --weights digits.caffemodel --text 'The '",
    fix="Add `generate { from: prob into: x }` to the block `deploy { }` of the net. One that tells classes or tags "
    "takes arrays: a .npz file with one for each of its inputs.",
)
BAD_GENERATE = Code(
    "RUN111",
    "the generate block does not fit the net",
    why="`from` is a blob of the net that predicts, `into` one of its inputs, which holds tokens: steps x streams, or "
    "streams x steps if there is one stream and several steps. `from` has one value for each token of the "
    "vocabulary at each of these places, and depends on `into`.",
    example="deploy { x = Input() { shape { dim: [1, 1] } } generate { from: prob into: y } }  # there is no y",
    fix="The message says what there is.",
)
NO_TEXT = Code(
    "RUN112",
    "nothing says which tokens the net knows",
    why="A net knows numbers. What they mean is in the vocabulary of the Text layer that it learns from, which stands "
    "in the same file.",
    example="netc predict deploy.prototxt --weights charlm.caffemodel --text 'The '  # a net without its Text layer",
    fix="Give the net that was trained, with its Text layer and vocabulary; from Python, `Generator.numbers` takes and "
    "gives numbers.",
)
NOT_WHOLE = Code(
    "RUN113",
    "the net cannot be run one token at a time",
    why="The part of the net that does not depend on the tokens so far runs once, the other part for several texts "
    "side by side. What goes from one to the other needs one axis that counts texts.",
    example="flat = Reshape(encoded) { shape { dim: [-1, 64] } }  # texts and steps on one axis",
    fix="Keep texts on an axis of their own (InnerProduct with axis: 2 instead of a Reshape).",
)
