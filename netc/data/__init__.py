"""Data for nets: one source a file, opened by the type of its data layer."""

from netc.data.find import classes, has_source, open_source, probe, problems, source_types, why_none
from netc.data.source import OnBadRecord, Source, SourceType

__all__ = [
    "OnBadRecord",
    "Source",
    "SourceType",
    "classes",
    "has_source",
    "open_source",
    "probe",
    "problems",
    "source_types",
    "why_none",
]
