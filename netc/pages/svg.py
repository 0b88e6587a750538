"""A layout as SVG for a page: known elements and attributes only, in the page's own colours, as small as it can be."""

from __future__ import annotations

import re

_ELEMENTS = {"svg", "g", "path", "polygon", "polyline", "ellipse", "text"}
_ATTRIBUTES = {"d", "points", "x", "y", "cx", "cy", "rx", "ry", "class", "transform", "text-anchor", "viewBox"}
_HEAD = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>", re.DOTALL)
_TITLED = re.compile(r'<g id="[^"]*" class="([^"]*)"([^>]*)>\s*<title>([^<]*)</title>')
_TAG = re.compile(r"<(/?)([A-Za-z]+)((?:\s+[\w:.-]+\s*=\s*\"[^\"]*\")*)\s*(/?)>")
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*\"([^\"]*)\"")
_NUMBER = re.compile(r"(\d\.\d)\d+")
_NUMERIC = ("d", "points", "x", "y", "cx", "cy", "rx", "ry")


def for_page(svg: str) -> str:
    """The `<svg>` element. Groups have `data-of`: the names of nodes (`n3`), edges (`n3->n5`) and clusters."""
    text = _TITLED.sub(_named, _HEAD.sub("", svg))
    return "".join(_pieces(text)).strip()


def _named(found: re.Match[str]) -> str:
    return f'<g class="{found[1]}"{found[2]} data-of="{found[3].replace("&#45;", "-")}">'


def _pieces(text: str) -> list[str]:
    """Known tags as they are, with known attributes; texts between them; nothing else."""
    out, at = [], 0
    for tag in _TAG.finditer(text):
        out.append(_plain(text[at : tag.start()]))
        at = tag.end()
        end, name, attributes, closed = tag.groups()
        if name in _ELEMENTS:
            kept = "" if end else "".join(_kept(attributes))
            out.append(f"<{end}{name}{kept}{closed}>")
    out.append(_plain(text[at:]))
    return out


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").strip()


def _kept(attributes: str) -> list[str]:
    out = []
    for name, value in _ATTRIBUTE.findall(attributes):
        if name in _ATTRIBUTES or name == "data-of":
            shown = _NUMBER.sub(r"\1", value) if name in _NUMERIC else value
            out.append(f' {name}="{shown.replace("<", "&lt;")}"')
    return out
