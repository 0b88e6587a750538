"""Mistakes of newcomers, each in a net that is right otherwise, and what it is told.

`says` is how the help begins, or the message where there is none; `code` is empty where netc takes what is written as
it was meant. docs/mistakes.md shows them; `pytest --update tests/cli/test_mistakes.py` writes its table anew.
"""

from __future__ import annotations

from dataclasses import dataclass

NET = """name: "mine"
data, label = Digits() { split: "train" batch_size: 16 }
h = InnerProduct(data) { num_output: 32 weight_filler { type: "xavier" } }
h = ReLU(h)
score = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(score, label)
solver { base_lr: 0.1 momentum: 0.9 max_iter: 20 }
"""
CONV = """data = Input() { shape { dim: [1, 3, 8, 8] } }
c = Convolution(data) { num_output: 4 kernel_size: 3 }
p = Pooling(c) { pool: MAX kernel_size: 2 stride: 2 }
"""
PLAIN = """name: "p"
layer { name: "data" type: "Digits" top: "data" top: "label" digits_param { split: "train" batch_size: 16 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@dataclass(frozen=True)
class Mistake:
    """name: what was done. before, after: what stands in `net`, or a whole file where that is empty."""

    name: str
    net: str
    before: str
    after: str
    code: str = ""
    says: str = ""

    @property
    def text(self) -> str:
        """The file with the mistake."""
        if not self.before:
            return self.net + self.after if not self.after.startswith("^") else self.after[1:] + self.net
        assert self.net.count(self.before) >= 1, self.name
        return self.net.replace(self.before, self.after)

    @property
    def shown(self) -> str:
        """What a table shows of it: the changed place, on a line."""
        text = " ".join((self.after.removeprefix("^") or f"without {self.before}").split())
        return text if len(text) <= 60 else f"{text[:57]}..."


MISTAKES = (
    Mistake("a comma between fields", NET, "num_output: 32 ", "num_output: 32, "),
    Mistake(
        "an equals sign for a field",
        NET,
        "num_output: 32",
        "num_output = 32",
        "SYN006",
        "write `num_output: ...`; a constant is declared with `let num_output = ...`",
    ),
    Mistake(
        "no colon", NET, "num_output: 32", "num_output 32", "SYN005", "a colon is missing between `num_output` and `32`"
    ),
    Mistake(
        "a brace not closed",
        NET,
        '{ type: "xavier" } }\nh = ReLU',
        '{ type: "xavier" }\nh = ReLU',
        "SYN002",
        "this `{` is never closed",
    ),
    Mistake("a quote not closed", NET, 'split: "train"', 'split: "train', "SYN004", 'end it with "'),
    Mistake("a field misspelt", NET, "num_output: 32", "num_ouput: 32", "SCH001", "did you mean `num_output`?"),
    Mistake("a type in other capitals", NET, "ReLU(h)", "Relu(h)", "SYN045", "did you mean `ReLU`?"),
    Mistake(
        "a type in small letters",
        NET,
        "InnerProduct(data)",
        "innerproduct(data)",
        "SYN045",
        "did you mean `InnerProduct`?",
    ),
    Mistake(
        "Keras' Dense",
        NET,
        "InnerProduct(data) { num_output: 32",
        "Dense(data) { units: 32",
        "SYN045",
        'did you mean "InnerProduct"?',
    ),
    Mistake(
        "PyTorch's MaxPool2d",
        CONV,
        "p = Pooling(c) { pool: MAX",
        "p = MaxPool2d(c) { pool: MAX",
        "SYN045",
        'did you mean "Pooling" (pool: MAX is its default)?',
    ),
    Mistake("a value in small letters", CONV, "pool: MAX", "pool: max", "SCH005", "did you mean MAX?"),
    Mistake("a value in quotes", CONV, "pool: MAX", 'pool: "MAX"'),
    Mistake("a value in full", CONV, "pool: MAX", "pool: AVERAGE", "SCH005", "did you mean AVE?"),
    Mistake(
        "a tuple",
        CONV,
        "kernel_size: 3",
        "kernel_size: (3, 3)",
        "SYN001",
        "several values stand in square brackets: `kernel_size: [..., ...]`",
    ),
    Mistake("a size as 3x3", CONV, "kernel_size: 3", "kernel_size: 3x3", "SYN008", "`3x3` is not a number"),
    Mistake(
        "padding as in Keras", CONV, "kernel_size: 3", 'kernel_size: 3 padding: "same"', "SCH005", "did you mean SAME?"
    ),
    Mistake("Keras' filters", CONV, "num_output: 4", "filters: 4", "SCH001", "did you mean `num_output`?"),
    Mistake(
        "a kernel larger than the image",
        CONV,
        "kernel_size: 3",
        "kernel_size: 11",
        "LAY005",
        "Use a smaller kernel or dilation, more pad, a larger input, or `global_pooli",
    ),
    Mistake(
        "a stride of zero",
        CONV,
        "stride: 2",
        "stride: 0",
        "LAY007",
        'layer "p" (Pooling): stride must be at least 1, but is 0',
    ),
    Mistake("Python's True", NET, "num_output: 32", "num_output: 32 bias_term: True"),
    Mistake("yes for true", NET, "num_output: 32", "num_output: 32 bias_term: yes", "SCH003", "write true"),
    Mistake("a number in quotes", NET, "num_output: 32", 'num_output: "32"', "SCH003", "take the quotes away: 32"),
    Mistake(
        "a fraction for a count", NET, "num_output: 32", "num_output: 32.5", "SCH003", "for example `num_output: 3`"
    ),
    Mistake(
        "a negative count",
        NET,
        "num_output: 32",
        "num_output: -32",
        "SCH004",
        "`num_output` takes whole numbers from 0 to 4294967295, not -32",
    ),
    Mistake("no number of outputs", NET, "num_output: 32 ", "", "LAY006", "add `num_output: ...`"),
    Mistake(
        "a blob misspelt",
        NET,
        "SoftmaxWithLoss(score, label)",
        "SoftmaxWithLoss(scores, label)",
        "GRA003",
        'did you mean "score"?',
    ),
    Mistake(
        "a blob that nobody makes",
        NET,
        "h = InnerProduct(data)",
        "h = InnerProduct(g)",
        "GRA003",
        'layer "h": unknown bottom "g"',
    ),
    Mistake(
        "labels forgotten",
        NET,
        "SoftmaxWithLoss(score, label)",
        "SoftmaxWithLoss(score)",
        "GRA005",
        'add the labels as a second bottom; without labels, write type: "Softmax"',
    ),
    Mistake(
        "too many inputs", NET, "ReLU(h)", "ReLU(h, data)", "GRA005", 'layer "h/relu" (ReLU) needs 1 bottom, but has 2'
    ),
    Mistake(
        "two layers of one name",
        PLAIN,
        'layer { name: "loss"',
        'layer { name: "ip"',
        "GRA008",
        "weights are found by the layer's name: give each layer its own",
    ),
    Mistake(
        "no top", PLAIN, 'top: "ip" inner', "inner", "GRA005", 'add `top: "..."`, the name of a blob that it makes'
    ),
    Mistake("old and new form mixed", PLAIN, "6 } }\nlayer", "6 } }\nlayers", "SCH005", "did you mean INNER_PRODUCT?"),
    Mistake(
        "the old form of a type", PLAIN, '"InnerProduct"', "INNER_PRODUCT", "SCH003", 'put it in quotes: "InnerProduct"'
    ),
    Mistake(
        "a filler as a word",
        NET,
        'weight_filler { type: "xavier" } }\nloss',
        "weight_filler: xavier }\nloss",
        "SCH003",
        'write `weight_filler { type: "xavier" }`',
    ),
    Mistake(
        "a filler as a string",
        NET,
        'weight_filler { type: "xavier" } }\nloss',
        'weight_filler: "xavier" }\nloss',
        "SCH003",
        'write `weight_filler { type: "xavier" }`',
    ),
    Mistake(
        "He's filler by his name",
        NET,
        'type: "xavier" } }\nloss',
        'type: "he" } }\nloss',
        "LAY110",
        'did you mean "msra"?',
    ),
    Mistake(
        "Keras' filler",
        NET,
        'type: "xavier" } }\nloss',
        'type: "glorot_uniform" } }\nloss',
        "LAY110",
        'did you mean "xavier"?',
    ),
    Mistake("learning_rate", NET, "base_lr: 0.1", "learning_rate: 0.1", "SCH001", "did you mean `base_lr`?"),
    Mistake("lr", NET, "base_lr: 0.1", "lr: 0.1", "SCH001", "did you mean `base_lr`?"),
    Mistake(
        "a solver type in small letters",
        NET,
        "momentum: 0.9",
        'type: "adam" momentum: 0.9',
        "SOL010",
        'did you mean "Adam"?',
    ),
    Mistake("optimizer", NET, "momentum: 0.9", 'optimizer: "Adam"', "SCH001", "did you mean `type`?"),
    Mistake("epochs", NET, "max_iter: 20", "epochs: 20", "SCH001", "did you mean `max_iter`?"),
    Mistake(
        "a policy without what it needs",
        NET,
        "max_iter: 20",
        'max_iter: 20 lr_policy: "step" gamma: 0.1',
        "SOL011",
        'lr_policy "step" needs stepsize: base_lr gamma^floor(iter / stepsize)',
    ),
    Mistake(
        "no end",
        NET,
        "max_iter: 20",
        "",
        "SOL011",
        "add `max_iter: N`, or say `netc train --iterations N`; a script that calls `",
    ),
    Mistake("a negative rate", NET, "base_lr: 0.1", "base_lr: -0.1", "SOL012", "write it without the minus"),
    Mistake(
        "two solvers",
        NET,
        "",
        "solver { base_lr: 1 max_iter: 3 }\n",
        "SCH006",
        "`solver` is given twice; NetParameter has one",
    ),
    Mistake("a batch of zero", NET, "batch_size: 16", "batch_size: 0", "LAY006", "add `batch_size: ...`"),
    Mistake("no batch size", NET, "batch_size: 16", "", "LAY006", "add `batch_size: ...`"),
    Mistake(
        "a split misspelt",
        NET,
        'split: "train"',
        'split: "training"',
        "LAY007",
        'layer "data" (Digits): split: "training" must be "train", "test" or "all"',
    ),
    Mistake(
        "a folder that is not there",
        NET,
        'Digits() { split: "train"',
        'ImageFolder() { source: "fotos"',
        "LAY010",
        "put it there, or correct the path; or give the shape with --input data=16x3x",
    ),
    Mistake(
        "photos that are not sorted",
        NET,
        'Digits() { split: "train"',
        'ImageFolder() { source: "photos/cat"',
        "DAT012",
        "write a list with a path and a label in each line, which ImageData reads (or",
    ),
    Mistake(
        "a folder as a database",
        NET,
        'Digits() { split: "train" batch_size: 16 }',
        'Data() { data_param { source: "photos" batch_size: 4 backend: LMDB } }',
        "DAT012",
        "an ImageFolder layer reads it, or make a database of it: `netc data images F",
    ),
    Mistake(
        "a photo as a list",
        NET,
        'Digits() { split: "train"',
        'ImageData() { source: "photos/cat/0.png"',
        "DAT012",
        "write a list with its path and a label in a line, which ImageData reads",
    ),
    Mistake("a shape as a string", CONV, "dim: [1, 3, 8, 8]", 'dim: "1,3,8,8"', "SCH003", "for example `dim: 3`"),
    Mistake(
        "a shape as a tuple",
        CONV,
        "shape { dim: [1, 3, 8, 8] }",
        "shape: (1, 3, 8, 8)",
        "SYN001",
        "several values stand in square brackets: `shape: [..., ...]`",
    ),
    Mistake(
        "unlike sizes joined",
        CONV,
        "",
        "k = Concat(c, p)\n",
        "LAY002",
        "Make the two branches end in the same shape: the same num_output, and stride",
    ),
    Mistake(
        "unlike sizes added",
        CONV,
        "",
        "k = Eltwise(c, p)\n",
        "LAY002",
        "Make the two branches end in the same shape: the same num_output, and stride",
    ),
    Mistake(
        "a composite without outputs",
        "",
        "",
        "def block(x) { y = ReLU(x) }\n" + CONV + "z = block(p)\n",
        "SYN036",
        "name what it gives: `def block(...) -> y { ... }`",
    ),
    Mistake(
        "Python's return",
        "",
        "",
        "def block(x) -> y {\n  return ReLU(x)\n}\n" + CONV + "z = block(p)\n",
        "SYN001",
        "an output is assigned, as any blob: `y = ReLU(x)`",
    ),
    Mistake(
        "a number as an input",
        "",
        "",
        "def block(x; n) -> y { y = InnerProduct(x) { num_output: n } }\n" + CONV + "z = block(p, 5)\n",
        "SYN001",
        "between the parentheses stand blobs; fields follow in braces: `{ name: ... }`",
    ),
    Mistake(
        "a parameter forgotten",
        "",
        "",
        "def block(x; n) -> y { y = InnerProduct(x) { num_output: n } }\n" + CONV + "z = block(p)\n",
        "SYN037",
        "`block` needs its parameter `n`",
    ),
    Mistake("Python's range", CONV, "", "for i in range(3) { p = ReLU(p) }\n", "SYN031", "a range is written `1..3`"),
    Mistake("Python's for", CONV, "", "for i in 1..3:\n  p = ReLU(p)\n", "SYN001", "expected `{`"),
    Mistake(
        "a constant without let",
        CONV,
        "",
        "^n = 5\n",
        "SYN006",
        "write `n: ...`; a constant is declared with `let n = ...`",
    ),
    Mistake("a phase in quotes", PLAIN, 'p: "label" ', 'p: "label" include { phase: "TRAIN" } '),
    Mistake(
        "a phase misspelt",
        PLAIN,
        'p: "label" ',
        'p: "label" include { phase: TRAINING } ',
        "SCH005",
        "did you mean TRAIN?",
    ),
    Mistake(
        "an imported file misspelt", CONV, "", '^import "blocks/resnt.net"\n', "SYN020", "did you mean resnet.net?"
    ),
    Mistake("an empty file", "", "", "", "GRA010", "add a `layer { ... }`"),
    Mistake("a typographic quote", NET, '"train"', "“train”", "SYN010", 'write " instead'),
    Mistake(
        "JSON",
        "",
        "",
        '{"name": "x", "layers": []}',
        "SYN001",
        'this looks like JSON; a net is `name: "..." layer { ... } layer { ... }`',
    ),
    Mistake(
        "a Python script",
        "",
        "",
        "import torch\nmodel = torch.nn.Linear(3, 4)\n",
        "SYN001",
        'a net file is no Python program: take this out (`import "blocks.net"` brings',
    ),
    Mistake(
        "a Windows path",
        NET,
        'Digits() { split: "train"',
        'ImageFolder() { source: "C:\\photos\\new"',
        "SYN009",
        "write a backslash itself as `\\\\`",
    ),
    Mistake(
        "a percentage for a share",
        CONV,
        "",
        "d = Dropout(p) { dropout_ratio: 50 }\n",
        "LAY007",
        'layer "d" (Dropout): dropout_ratio: 50 must be at least 0 and less than 1',
    ),
    Mistake(
        "Softmax before its loss",
        NET,
        "loss = Soft",
        "score = Softmax(score)\nloss = Soft",
        "PLN023",
        "Give the loss what the Softmax or Sigmoid reads; keep that layer for phase T",
    ),
    Mistake(
        "a layer type misspelt",
        NET,
        "loss = Soft",
        "acc = Acuracy(score, label)\nloss = Soft",
        "SYN045",
        "did you mean `Accuracy`?",
    ),
    Mistake(
        "a word for a weight",
        NET,
        "SoftmaxWithLoss(score, label)",
        'SoftmaxWithLoss(score, label) { loss_weight: "high" }',
        "SCH003",
        "for example `loss_weight: 0.5`",
    ),
)
