"""Strings that name something netc has a file or a table of: what they may be, and what each means.

The schema says of such a field what kind of thing it names (`Field.names`); the list is made from what there is, and
no text keeps it by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netc.kernels.fillers import FILLERS
from netc.report.named import Choice
from netc.schema.declare import Field
from netc.solve.policies import POLICIES, Policy
from netc.solve.rules import rules
from netc.solve.update import REGULARIZATIONS

_VALUES = {
    "gamma": "gamma: 0.1",
    "max_iter": "max_iter: 5000",
    "plateau_winsize": "plateau_winsize: 500",
    "power": "power: 0.75",
    "stageiter": "stageiter: [3000, 5000]",
    "stagelr": "stagelr: [0.01, 0.001]",
    "stepsize": "stepsize: 1000",
    "stepvalue": "stepvalue: [3000, 4000]",
}
"""What policies need, as examples give it."""
_FILLED = {
    "constant": "value: 0.1",
    "gaussian": "std: 0.01",
    "uniform": "min: -0.1 max: 0.1",
}
_OTHER_LAYERS = {
    "bilinear": "y = Deconvolution(x) { num_output: 4 group: 4 kernel_size: 4 stride: 2 pad: 1 bias_term: false "
    'weight_filler { type: "bilinear" } }\n',
    "image": 'y = Parameter() { shape { dim: [1, 3, 64, 64] } filler { type: "image" source: "photo.jpg" } }\n',
}
"""Examples of fillers that suit no InnerProduct."""
_MOMENTUM = {"AdaGrad": "", "RMSProp": "rms_decay: 0.98", "Adam": "momentum: 0.9 momentum2: 0.999"}
"""Of update rules, where it is not `momentum: 0.9`."""


def _fillers() -> dict[str, Choice]:
    found = {}
    for name, fill in FILLERS.items():
        filler = " ".join((f'type: "{name}"', *filter(None, [_FILLED.get(name, "")])))
        example = f"y = InnerProduct(x) {{ num_output: 10 weight_filler {{ {filler} }} }}\n"
        found[name] = Choice("filler", name, (fill.__doc__ or "").strip(), _OTHER_LAYERS.get(name, example))
    return found


def _policies() -> dict[str, Choice]:
    return {name: Choice("policy", name, _formula(p), _policy_example(name, p)) for name, p in POLICIES.items()}


def _formula(policy: Policy) -> str:
    needs = f"\n\nIt needs {', '.join(f'`{name}`' for name in policy.needs)}." if policy.needs else ""
    return f"{policy.formula}{needs}"


def _policy_example(name: str, policy: Policy) -> str:
    fields = dict.fromkeys(field for field in policy.reads if field not in ("base_lr", "max_iter"))
    given = " ".join(_VALUES[field] for field in fields)
    rate = "base_lr: 0.01 " if "base_lr" in policy.reads else ""
    if name == "sigmoid":
        given = given.replace("gamma: 0.1", "gamma: -0.01")
    return f'solver {{ {rate}lr_policy: "{name}" {given + " " if given else ""}max_iter: 5000 momentum: 0.9 }}\n'


def _rules() -> dict[str, Choice]:
    found = {}
    for name, rule in rules().items():
        given = _MOMENTUM.get(name, "momentum: 0.9")
        given = next((fields for start, fields in _MOMENTUM.items() if name.startswith(start)), given)
        fields = " ".join(filter(None, (f'type: "{name}"', "base_lr: 0.001", 'lr_policy: "fixed"', given)))
        found[name] = Choice("update rule", name, rule.doc.strip(), f"solver {{ {fields} max_iter: 5000 }}\n")
    return found


def _regularizations() -> dict[str, Choice]:
    fields = 'base_lr: 0.01 lr_policy: "fixed" weight_decay: 0.0005'
    more = {"L1L2": " weight_decay_l1: 0.0001"}
    return {
        name: Choice(
            "regularization",
            name,
            meaning,
            f'solver {{ {fields}{more.get(name, "")} regularization_type: "{name}" max_iter: 5000 }}\n',
        )
        for name, meaning in REGULARIZATIONS.items()
    }


CHOICES: dict[str, Callable[[], Mapping[str, Choice]]] = {
    "filler": _fillers,
    "policy": _policies,
    "regularization": _regularizations,
    "update rule": _rules,
}
"""By kind: what there is, by name."""


def all_choices() -> dict[str, Mapping[str, Choice]]:
    """All that fields may name, by kind and name."""
    return {kind: known() for kind, known in CHOICES.items()}


def choices(field: Field) -> Mapping[str, str]:
    """What a field may name, with each one's meaning in a line; empty for fields that may be anything."""
    known = CHOICES.get(field.names)
    return {name: choice.meaning for name, choice in known().items()} if known else {}


def described(field: Field) -> list[str]:
    """What a field may name, as the items of a Markdown list."""
    return [f"- `{name}`: {meaning}" for name, meaning in choices(field).items()]
