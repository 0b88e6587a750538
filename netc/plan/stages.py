"""Stages of the net's state that no layer asks for: a misspelt one silently gives another net."""

from __future__ import annotations

from netc.errors import Code, suggest
from netc.plan.draft import Draft

UNKNOWN_STAGE = Code(
    "PLN029",
    "no layer has a rule for this stage",
    why="A stage chooses the layers whose rules name it (`include { stage: ... }`, `not_stage`). A misspelt one "
    "chooses none, without a word: in Caffe too.",
    example='state { stage: "deplyo" }\n'
    'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3] } } }\n'
    'layer { name: "p" type: "Softmax" bottom: "x" top: "p" include { stage: "deploy" } }',
    fix="Correct the spelling, of the stage or of the rule; the message says which stages the rules name.",
)


def stages(draft: Draft) -> None:
    """Warn of stages that no rule of the net names (PLN029)."""
    record = draft.graph.record
    rules = [rule for layer in record.layer for rule in (*layer.include, *layer.exclude)]
    known = sorted({stage for rule in rules for stage in (*rule.stage, *rule.not_stage)})
    for stage in draft.graph.state.stages:
        if stage not in known:
            close = suggest(stage, known)
            have = f"its rules name {', '.join(known)}" if known else "none of its rules names a stage"
            help = f'did you mean "{close}"?' if close else have
            own = record.has("state") and stage in record.state.stage
            span = record.state.span_of("stage", list(record.state.stage).index(stage)) if own else None
            draft.report.warning(UNKNOWN_STAGE, f'no layer of the net has a rule for stage "{stage}"', span, help=help)
