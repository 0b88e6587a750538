"""Update rules, one a file: what a gradient does to a parameter. A new file here is a new solver `type`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from netc.solve.rule import Rule


@cache
def rules() -> dict[str, Rule]:
    """Every update rule by the name that a solver's `type` gives it."""
    modules = (importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__))
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Rule)]
    return {rule.name: rule for rule in sorted(found, key=lambda rule: rule.name)}
