"""What reaches a loss that makes probabilities of scores: no choice of class, probabilities already, dropped scores."""

from __future__ import annotations

from collections.abc import Iterator

from netc.errors import Code, Diagnostic
from netc.graph import Node
from netc.plan.draft import Draft

_DATA = "x = Input() { shape { dim: [4, 8] } }\nlabel = Input() { shape { dim: [4] } }\n"

ONE_CLASS = Code(
    "PLN022",
    "a loss over a single class",
    why="Softmax makes probabilities that sum to 1 over the classes. With one class that probability is 1 whatever the "
    "score, so the loss is 0 and nothing is learned.",
    example=_DATA + "fc = InnerProduct(x) { num_output: 1 }\nloss = SoftmaxWithLoss(fc, label)",
    fix="For yes or no, use num_output: 2 with SoftmaxWithLoss, or num_output: 1 with SigmoidCrossEntropyLoss.",
)
TWICE = Code(
    "PLN023",
    "probabilities go into a loss that wants scores",
    why="SoftmaxWithLoss and SigmoidCrossEntropyLoss contain the Softmax or the Sigmoid. One more before them squeezes "
    "the scores to 0..1: the loss cannot get small, and the net learns slowly or not at all.",
    example=_DATA + "fc = InnerProduct(x) { num_output: 5 }\nprob = Softmax(fc)\nloss = SoftmaxWithLoss(prob, label)",
    fix="Give the loss what the Softmax or Sigmoid reads; keep that layer for phase TEST, if it is needed at all.",
)
DROPPED = Code(
    "PLN024",
    "Dropout right before a loss",
    why="The scores of classes are set to zero at random, so the right class is often judged by a score that the net "
    "did not give. Dropout belongs before the layer that makes the scores.",
    example=_DATA + "fc = InnerProduct(x) { num_output: 5 }\ndrop = Dropout(fc)\nloss = SoftmaxWithLoss(drop, label)",
    fix="Move the Dropout layer before the last InnerProduct or Convolution.",
)


def one_class(draft: Draft) -> None:
    """Warn of a loss that tells one class from none (PLN022)."""
    for node in _losses(draft):
        guess = node.type.role.guess and node.type.role.guess(node.record, [draft.shape(v) for v in node.bottoms])
        if guess and guess.classes == 1:
            name = draft.graph.values[node.bottoms[0]].name
            _warn(draft, node, ONE_CLASS, f'"{name}" has one class, so its probability is always 1 and the loss 0')


def twice(draft: Draft) -> None:
    """Warn of a Softmax or Sigmoid before a loss that contains one (PLN023)."""
    for node in _losses(draft):
        maker = _maker(draft, node)
        if node.type.role.judges and maker.type.role.probabilities:
            said = f'contains a {node.type.role.judges}, but reads the {maker.type.name} of layer "{maker.name}"'
            _warn(draft, node, TWICE, said)


def dropped_scores(draft: Draft) -> None:
    """Warn of a Dropout between the scores and their loss (PLN024)."""
    for node in _losses(draft):
        maker = _maker(draft, node)
        if node.type.role.judges and maker.type.role.drops:
            _warn(draft, node, DROPPED, f'reads scores of which layer "{maker.name}" sets a part to zero at random')


def _losses(draft: Draft) -> Iterator[Node]:
    return (n for n in draft.graph.nodes if n.type.loss and any(n.loss_weights))


def _maker(draft: Draft, node: Node) -> Node:
    """The layer that made the numbers of a loss's scores: back through layers that only give other shapes."""
    maker = draft.graph.nodes[draft.graph.values[node.bottoms[0]].producer]
    while maker.bottoms and draft.setup(maker.index).shares:
        maker = draft.graph.nodes[draft.graph.values[maker.bottoms[0]].producer]
    return maker


def _warn(draft: Draft, node: Node, code: Code, said: str) -> None:
    span = node.record.span_of("bottom", 0)
    draft.report.diagnostics.append(Diagnostic.of_layer(node.record, code, said, span, (), code.fix, "warning"))
