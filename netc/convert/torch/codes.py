"""Codes of the conversion to PyTorch."""

from __future__ import annotations

from netc.errors import Code

NO_MODULE = Code(
    "CNV030",
    "nothing is written in PyTorch for a layer type",
    why="Each layer type says how it is written in PyTorch. Data layers are left to a DataLoader, and layers that run "
    "a user's Python, write files or draw at random in every run are not written.",
    example='layer { name: "x" type: "Python" bottom: "a" top: "b" python_param { module: "m" layer: "L" } }',
    fix="Cut the net before the layer, or give the type a writer: `torch=` of its LayerType (docs/own_layers.md).",
)
NO_MODULE_FIELD = Code(
    "CNV031",
    "nothing is written in PyTorch for what a field asks for",
    why="The layer type is written in PyTorch, but not with this option: nothing there would give the same numbers.",
    example="pooling_param { pool: STOCHASTIC kernel_size: 3 }",
    fix="Change the field named in the message, if the net allows it.",
)
