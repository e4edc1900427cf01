"""How the shipped heads are trained: faces that the generator paints itself, so that their codes are known."""
