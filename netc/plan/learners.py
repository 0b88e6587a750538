"""What learns in a turn, and whether something does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netc.errors import Code, suggest
from netc.plan.draft import Draft
from netc.plan.turns import Pattern, losses, named, users

NAMES_NOTHING = Code(
    "PLN030",
    "a pattern names nothing",
    why="`learn` names layers that learn, or parameters by the name under which they are shared; `loss` names blobs "
    "that are losses, or the layers that make them. `*` stands for any characters, `?` for one.",
    example='data, label = Digits() { split: "train" batch_size: 8 }\n'
    'fc = InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }\n'
    "loss = SoftmaxWithLoss(fc, label)\n"
    'solver { base_lr: 0.1 lr_policy: "fixed" max_iter: 1 learn: "conv*" }',
    fix='Name a layer that has parameters, as `netc summary` shows them: `learn: "fc*"`.',
)
NOTHING_LEARNS = Code(
    "PLN031",
    "a turn in which nothing learns",
    why="The losses of a turn must depend on a parameter that learns in it; otherwise the turn changes nothing.",
    example='data, label = Digits() { split: "train" batch_size: 8 }\n'
    'a = InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }\n'
    'b = InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }\n'
    "loss_a = SoftmaxWithLoss(a, label)\n"
    "loss_b = SoftmaxWithLoss(b, label)\n"
    'solver { base_lr: 0.1 lr_policy: "fixed" max_iter: 1 turn { learn: "a" loss: "loss_b" } }',
    fix='Name a loss that depends on what learns: `turn { learn: "a" loss: "loss_a" }`.',
)


def learners(draft: Draft) -> None:
    """Of a turn, take the parameters out that do not learn in it; report patterns that name nothing (PLN030)."""
    turn = draft.options.turn
    if turn is None:
        return
    names = users(draft.graph, draft.params, draft.layer_params)
    learning = {name for p in draft.params if p.blob.learned and p.lr_mult != 0 for name in names[p.index]}
    counting = {name for node in draft.options.whole for name in losses(draft.graph, node)}
    _look_up(draft, turn.learn, learning, "nothing that learns")
    _look_up(draft, turn.loss, counting, "no loss")
    if turn.learn:
        draft.params = [replace(p, learned=p.learned and named(turn.learn, names[p.index])) for p in draft.params]


def _look_up(draft: Draft, patterns: Iterable[Pattern], known: set[str], what: str) -> None:
    for pattern in patterns:
        if not pattern.names(known):
            close = suggest(pattern.text, sorted(known))
            have = ", ".join(sorted(known)[:8]) or "none"
            help = f'did you mean "{close}"?' if close else f"there are {have}"
            draft.report.error(NAMES_NOTHING, f'"{pattern.text}" names {what}', pattern.span, help=help)


def idle(draft: Draft) -> None:
    """Report a turn in which nothing learns (PLN031)."""
    turn = draft.options.turn
    if turn is not None and not any(draft.needs_backward) and not draft.report.failed:
        learn, loss = (", ".join(p.text for p in patterns) or "all" for patterns in (turn.learn, turn.loss))
        message = f"nothing learns: no loss that counts ({loss}) depends on what is to learn ({learn})"
        draft.report.error(NOTHING_LEARNS, message, turn.span)
