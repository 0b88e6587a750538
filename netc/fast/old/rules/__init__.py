"""Rules of families that are not yet in a file of their own in `netc/fast/`."""
