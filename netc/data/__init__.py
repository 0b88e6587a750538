"""Data for nets: one source a file, opened by the type of its data layer."""

from netc.data.source import OnBadRecord, Source, SourceType, has_source, open_source, probe, source_types, why_none

__all__ = ["OnBadRecord", "Source", "SourceType", "has_source", "open_source", "probe", "source_types", "why_none"]
