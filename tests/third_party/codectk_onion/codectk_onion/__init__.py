"""A layered codec without torch: means of 16x16 blocks, then of smaller and smaller ones, with two edits."""
