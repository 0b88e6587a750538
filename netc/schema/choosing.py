"""Fields by which data layers choose records: the same ones in the own message of every source.

What they mean stands in `netc/data/choosing.py`.
"""

from __future__ import annotations

from netc.schema.declare import optional, repeated

FIRST = optional("first", 1011, "uint32", 0, "Records from this one on; they count from 0.", origin="netc")
COUNT = optional("count", 1012, "uint32", 0, "How many records from there; 0: all.", origin="netc")
PART = (FIRST, COUNT)
CLASSES = (
    repeated("classes", 1013, "uint32", "Of those, the records of these classes; all if none is named.", origin="netc"),
    optional("per_class", 1014, "uint32", 0, "Of those, the first so many of each class; 0: all.", origin="netc"),
    optional("together", 1015, "uint32", 0, "So many records of a class stand together in a batch.", origin="netc"),
)
"""For sources that have a label for each record."""
