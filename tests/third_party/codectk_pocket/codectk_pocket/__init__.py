"""A whole codectk plugin without torch: 8x8 cosine transform, integer contexts, static tables."""
