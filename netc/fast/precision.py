"""How products are made, as users ask for it. By itself, so that it costs nothing to import."""

from __future__ import annotations

from typing import Literal

Precision = Literal["exact", "fast", "bf16"]
"""exact: in float32, without Winograd, in the order that the kernels' files document; fast: in float32, by Winograd
where that is faster; bf16: of numbers rounded to bfloat16, where there are kernels for it, summed in float32."""
PRECISIONS = ("exact", "fast", "bf16")
