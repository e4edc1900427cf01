"""Torch starts here: exact integer layers, quantisers, shared blocks."""
