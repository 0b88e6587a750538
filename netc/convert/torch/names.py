"""Names of Python for names of layers, blobs and nets."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from netc.convert.torch.library import pieces

METHODS = ("forward", "features", "loss", "test")
_MODULE = """
add_module apply bfloat16 bias buffers call_super_init children compile cpu cuda double dump_patches eval
extra_repr float get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia
named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory
state_dict to to_empty train training type weight xpu zero_grad T_destination
"""
ATTRIBUTES = frozenset({*_MODULE.split(), *METHODS})
"""Names that an attribute of a module cannot have."""
_USED = """
self torch nn Tensor Path Any load_file load parameter_groups MULTIPLIERS WEIGHTS len int float dict list tuple str
super range zip print net
"""


def variables() -> frozenset[str]:
    """Names that a variable of a written function cannot have."""
    return frozenset({*_USED.split(), *pieces()})


def identifier(text: str, before: str = "") -> str:
    """A name of Python; `before` goes before one that would begin with a digit."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or before or "x"
    if name[0].isdigit():
        name = f"{before or 'x'}_{name}"
    return name + "_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name


def variable(text: str) -> str:
    """A name of a variable: in small letters, and none that could be taken for a digit."""
    name = identifier(text).lower()
    return name + "_" if name == "l" or keyword.iskeyword(name) else name


def class_name(text: str, otherwise: str) -> str:
    """A name in capitals: ResNet18 for ResNet-18."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    name = "".join(word[0].upper() + word[1:] for word in words)
    if not name or name[0].isdigit():
        name = otherwise + name
    return name + "_" if keyword.iskeyword(name) else name


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def common(labels: Sequence[str], otherwise: str) -> str:
    """A name for what is called differently in each place: what the names share, word by word, or else `otherwise`."""
    if len(set(labels)) == 1:
        return identifier(labels[0], otherwise)
    first, *others = (re.findall(r"[A-Za-z0-9]+", label) for label in labels)
    kept = [word for word in first if all(word in other for other in others)]
    return identifier("_".join(kept), otherwise)


@dataclass
class Taken:
    """Names that are taken."""

    names: set[str] = field(default_factory=set)

    @classmethod
    def by(cls, names: Iterable[str]) -> Taken:
        return cls(set(names))

    def fresh(self, name: str, between: str = "_") -> str:
        """A name that is free, this one if it is, else this one with a number; from now on it is taken."""
        made, count = name, 2
        while made in self.names:
            made, count = f"{name}{between}{count}", count + 1
        self.names.add(made)
        return made
