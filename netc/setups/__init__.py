"""What the set-ups of two or more layer types have in common: checks of fields and shapes, blobs, examples."""
