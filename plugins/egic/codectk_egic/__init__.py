"""EGIC: low-rate images, any point between faithful and realistic from one file."""
