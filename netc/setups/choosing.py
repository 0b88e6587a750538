"""What data layers check of the fields that choose records."""

from __future__ import annotations

from netc.layer import BAD_FIELD, UNSUPPORTED, Site
from netc.schema.choosing import CLASSES


def check_choice(site: Site, *, labels: bool = True) -> None:
    """Refuse a choice that no data could satisfy. labels: whether there is a label for each record at all."""
    p = site.p
    for field in () if labels else CLASSES:
        if p.has(field.name):
            message = f"{field.name} goes by the label of a record, and here records have none"
            site.refuse(UNSUPPORTED, message, field.name, help="first and count choose by the number of a record")
    if labels and p.together and p.batch_size % p.together:
        message = f"together: {p.together} must divide batch_size: {p.batch_size}, so that a batch holds whole groups"
        site.refuse(BAD_FIELD, message, "together")
