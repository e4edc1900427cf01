"""Integer tables, ANS, escape codes and the symbol coder. Sees integers, never floats."""
