"""Text: what tokens are, their vocabularies, the forms in which nets learn from them, and what n-grams know of them."""
