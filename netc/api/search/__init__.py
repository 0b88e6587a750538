"""Search for good values of constants and fields: the `search { }` block, and what `netc search` does with it."""
