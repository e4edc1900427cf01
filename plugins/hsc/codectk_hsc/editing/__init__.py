"""Edits of faces: which there are, and what they do to style codes."""
