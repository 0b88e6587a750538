"""Which layers run backward, and which of their bottoms get a gradient.

Caffe's rules (Net::Init): a value wants a gradient if its layer learns or reads a value that wants one (and does not
take it as given: StopGradient, layers that make targets); a layer runs backward if it has something to give and a loss
is reached from its tops; `propagate_down` overrides what a bottom wants; `force_backward` asks for everything that can
be given. A frozen front and what no loss depends on are skipped.
"""

from __future__ import annotations

from netc.errors import Note
from netc.graph import Node
from netc.kernels.labels import SWAPPED
from netc.plan.codes import LABEL_GRADIENT, NO_GRADIENT
from netc.plan.draft import Draft


def gradients(draft: Draft) -> None:
    """Fill in `needs_backward` and `bottom_gradient`; reports gradients that have to pass where there are none."""
    nodes = draft.graph.nodes
    if not draft.options.training:
        draft.needs_backward = [False] * len(nodes)
        draft.bottom_gradient = [(False,) * len(n.bottoms) for n in nodes]
    elif draft.graph.force_backward:
        _force(draft)
    else:
        _by_need(draft)


def _learns(draft: Draft, node: Node) -> bool:
    return any(draft.params[p].learned for p in draft.layer_params[node.index])


def _force(draft: Draft) -> None:
    """Every bottom that can get a gradient gets one, every blob that can learn does."""
    for node in draft.graph.nodes:
        gets = tuple(node.type.gives_gradient(i) for i in range(len(node.bottoms)))
        runs = node.type.backward is not None and (any(gets) or _learns(draft, node))
        draft.needs_backward.append(runs)
        draft.bottom_gradient.append(gets if runs else (False,) * len(gets))


def _by_need(draft: Draft) -> None:
    nodes = draft.graph.nodes
    wanting: set[int] = set()  # values for which something before them wants a gradient
    wanted: list[tuple[bool, ...]] = []  # per bottom of each layer
    for node in nodes:
        wanted.append(
            tuple(v in wanting if p is None else p for v, p in zip(node.bottoms, node.propagate, strict=True))
        )
        if _learns(draft, node) or any(v in wanting and _hands_on(node, b) for b, v in enumerate(node.bottoms)):
            wanting.update(node.tops)
    reached: set[int] = set()  # values that a loss depends on
    arrives: set[int] = set()  # values whose gradient is not zero by construction
    needs, gets = [False] * len(nodes), [(False,) * len(n.bottoms) for n in nodes]
    for node in reversed(nodes):
        losses = [v for v, weight in zip(node.tops, node.loss_weights, strict=True) if weight]
        reached.update(losses)
        arrives.update(losses)
        if reached.isdisjoint(node.tops):
            continue
        reached.update(node.bottoms)
        if arrives.isdisjoint(node.tops) or wanting.isdisjoint(node.tops):
            continue
        i = node.index
        gives = tuple(w and node.type.gives_gradient(b) for b, w in enumerate(wanted[i]))
        if any(gives) or _learns(draft, node):
            needs[i], gets[i] = True, gives
            arrives.update(v for v, gradient in zip(node.bottoms, gives, strict=True) if gradient)
        _check(draft, node, wanted[i])
    draft.needs_backward, draft.bottom_gradient = needs, gets


def _hands_on(node: Node, bottom: int) -> bool:
    """Whether what learns before a bottom wants a gradient of the tops: a type may say that it hands none on.

    A type without backward says nothing, so that what stands between a loss and what learns is reported.
    """
    return node.type.backward is None or node.type.gives_gradient(bottom)


def _check(draft: Draft, node: Node, wanted: tuple[bool, ...]) -> None:
    """Report a layer that stands between a loss and layers that learn, but gives no gradient."""
    values = draft.graph.values
    for index, want in enumerate(wanted):
        if not want or node.type.gives_gradient(index):
            continue
        blob = values[node.bottoms[index]]
        maker = draft.graph.nodes[blob.producer]
        notes = (Note(f'layer "{maker.name}" makes "{blob.name}"', maker.record.span_of("top", blob.top)),)
        span = node.record.span_of("bottom", index)
        if node.type.backward is None:
            message = f'layer "{node.name}" ({node.type.name}) gives no gradient to "{blob.name}", which learning needs'
            help = "`propagate_down: false` in the layer stops the gradient there"
            draft.report.error(NO_GRADIENT, message, span, notes=notes, help=help)
        elif node.type.loss:
            message = f'layer "{node.name}" ({node.type.name}) cannot give a gradient to its bottom "{blob.name}"'
            down = " ".join(f"propagate_down: {str(node.type.gives_gradient(i)).lower()}" for i in range(len(wanted)))
            help = f"`{down}` stops the gradient there"
            if index and not wanted[0] and node.type.gives_gradient(0):
                help = SWAPPED
            draft.report.error(LABEL_GRADIENT, message, span, notes=notes, help=help)
