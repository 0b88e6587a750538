"""What is searched: the `search { }` block."""

from __future__ import annotations

from netc.schema.declare import Enum, Message, optional, repeated

MESSAGES = (
    Message(
        "SearchParameter",
        (
            repeated("vary", 1, "SearchRange", "A name, and the values that it may take.", origin="netc"),
            optional("method", 2, "SearchParameter.Method", "RANDOM", "How values are chosen.", origin="netc"),
            optional("trials", 3, "uint32", 20, "How often a net is trained; of GRID, at most.", origin="netc"),
            optional(
                "best",
                4,
                "string",
                doc="The output of the tests that says how good a trial is.",
                origin="netc",
                names="blob",
            ),
            optional("mode", 5, "SearchParameter.Mode", "MAX", "Whether larger or smaller is better.", origin="netc"),
            optional("seed", 6, "uint32", 0, "Seed of the choices.", origin="netc"),
        ),
        (
            Enum("Method", {"RANDOM": 0, "GRID": 1, "TPE": 2}, "By chance; all of them; by what trials have shown."),
            Enum("Mode", {"MAX": 0, "MIN": 1}, "Which values are better."),
        ),
        doc="Which values of constants and fields `netc search` tries.",
        origin="netc",
    ),
    Message(
        "SearchRange",
        (
            optional("name", 1, "string", doc="What varies, as `--set` names it.", origin="netc"),
            repeated("among", 2, "string", "The values that there are.", origin="netc"),
            repeated("between", 3, "double", "The smallest and the largest value.", origin="netc"),
            repeated("log", 4, "double", "The same, as likely in each order of magnitude.", origin="netc"),
            optional("whole", 5, "bool", False, "Only whole numbers.", origin="netc"),
        ),
        doc="What a name may be in a search.",
        origin="netc",
    ),
)
