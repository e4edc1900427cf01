"""File I/O, colour, alpha, orientation, padding. Sees pixels, never latents."""
