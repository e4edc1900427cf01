"""The container: varints, chunks with CRC, header, reader and writer. Sees bytes, never arrays."""
