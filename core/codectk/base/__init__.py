"""Words every room shares: errors, plain dataclasses, limits, the progress protocol. No torch."""
