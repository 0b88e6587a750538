"""One file a family of layer types; `RULES` finds the rule of a type. A new file here with a `RULE` is a new rule."""

import importlib
import pkgutil

from netc.run.lowering.rule import Rule

_FOUND = (vars(importlib.import_module(f"{__name__}.{m.name}")).get("RULE") for m in pkgutil.iter_modules(__path__))
RULES: dict[str, Rule] = {name: rule for rule in _FOUND if isinstance(rule, Rule) for name in rule.types}
