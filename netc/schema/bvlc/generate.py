"""What a net generates: the `generate { }` block."""

from __future__ import annotations

from netc.schema.declare import Enum, Message, optional

MESSAGES = (
    Message(
        "GenerateParameter",
        (
            optional(
                "from",
                1,
                "string",
                doc="The blob that says how likely each next token is.",
                origin="netc",
                names="blob",
            ),
            optional("into", 2, "string", doc="The input that takes the tokens so far.", origin="netc", names="blob"),
            optional("method", 3, "GenerateParameter.Method", "SAMPLE", "How the next token is chosen.", origin="netc"),
            optional("most", 4, "uint32", 100, "Tokens of a text, at most.", origin="netc"),
            optional("start", 5, "string", doc="The token that a text begins after.", origin="netc"),
            optional("stop", 6, "string", doc="The token that ends a text.", origin="netc"),
            optional("temperature", 7, "float", 1.0, "Of sampling: below 1 likely tokens win more.", origin="netc"),
            optional("top_k", 8, "uint32", 0, "Of sampling: only so many likely tokens; 0: all.", origin="netc"),
            optional("top_p", 9, "float", 1.0, "Of sampling: the likely tokens of this share.", origin="netc"),
            optional("width", 10, "uint32", 10, "Of a beam search: texts that are followed.", origin="netc"),
            optional("length_penalty", 11, "float", 0.0, "Log p is divided by length to this power.", origin="netc"),
        ),
        (Enum("Method", {"SAMPLE": 0, "BEAM": 1}, "How a net generates."),),
        doc="What a net generates, one token after the other.",
        origin="netc",
    ),
)
