"""Limits that are checked before anything is allocated. One place, plain numbers."""

from __future__ import annotations

MAX_SIDE = 65_535
"""Largest width or height in pixels."""

MAX_PIXELS = 200_000_000
"""Largest width x height in pixels."""

MAX_FILE_BYTES = 1 << 30
"""Largest `.ctk` file in bytes."""

MAX_CHUNKS = 4096
"""Most chunks in one file."""

MAX_METADATA_BYTES = 16 << 20
"""Largest metadata chunk (ICC) in bytes."""
