"""A codectk plugin for graphics: a palette, and an index map coded by what its neighbors say."""
