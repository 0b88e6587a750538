"""Recurrent layers: the products of all steps at once, then the steps, in which each thread has streams of its own."""
