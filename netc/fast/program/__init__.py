"""From a plan to a program of launches over one arena: builder, fusion, placing, checks."""
