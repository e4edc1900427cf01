"""EGIC needs no hooks: its card names its network, the parts of it, and its critics."""
