"""One training loop for all codecs."""
