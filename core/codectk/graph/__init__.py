"""A codec as a recipe describes it: its parts, from the cards of plugins, how they are wired, and whether they fit."""
