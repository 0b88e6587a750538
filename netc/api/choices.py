"""Strings that name something netc has a file or a table of: what they may be, and what each means.

The schema says of such a field what kind of thing it names (`Field.names`); the list is made from what there is, and
no text keeps it by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netc.kernels.fillers import FILLERS
from netc.schema.declare import Field
from netc.solve.policies import POLICIES
from netc.solve.rules import rules
from netc.solve.update import REGULARIZATIONS

CHOICES: dict[str, Callable[[], Mapping[str, str]]] = {
    "filler": lambda: {name: (fill.__doc__ or "").splitlines()[0] for name, fill in FILLERS.items()},
    "policy": lambda: {name: policy.formula for name, policy in POLICIES.items()},
    "regularization": lambda: REGULARIZATIONS,
    "update rule": lambda: {name: rule.doc.strip().splitlines()[0] for name, rule in rules().items()},
}
"""By kind: names, and each one's meaning in a line."""


def choices(field: Field) -> Mapping[str, str]:
    """What a field may name, with each one's meaning; empty for fields that may be anything."""
    return CHOICES[field.names]() if field.names else {}


def described(field: Field) -> list[str]:
    """What a field may name, as the items of a Markdown list."""
    return [f"- `{name}`: {meaning}" for name, meaning in choices(field).items()]
