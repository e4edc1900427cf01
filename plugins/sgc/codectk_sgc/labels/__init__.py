"""Label maps: reduced by majority vote, coded without loss, counted by name. No torch."""
