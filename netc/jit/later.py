"""Names of libraries that are imported when they are first used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


class Later:
    """A module that is imported when something is asked of it."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module(self._module), name)
        setattr(self, name, found)
        return found


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something of a library that kernels call."""

    module: str
    name: str

    @property
    def compiled(self) -> Any:
        """It, for a kernel that is compiled."""
        return getattr(importlib.import_module(self.module), self.name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.compiled(*args, **options)
