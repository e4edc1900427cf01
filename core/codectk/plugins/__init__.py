"""Discovery by metadata, guarded load by name."""
