"""What the networks of the decoder learn from."""
