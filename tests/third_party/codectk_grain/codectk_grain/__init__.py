"""A codec without torch that paints from a seed: means of 8x8 blocks, and grain on them."""
