"""Generation: a net that predicts the next token, run again and again on what it has given (`generator.py`)."""
