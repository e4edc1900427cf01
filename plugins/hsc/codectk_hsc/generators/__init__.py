"""Pre-trained generators of faces behind one interface, and their files."""
