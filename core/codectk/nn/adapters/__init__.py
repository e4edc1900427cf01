"""Adapters that the core brings: what makes stages of a recipe fit that do not fit by themselves."""
