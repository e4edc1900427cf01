"""What to install for a codec that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from codectk.bitstream.codecs import KNOWN, distribution_of


def known_codecs() -> dict[str, str]:
    """Return the distribution of each codec with a number in the file format, sorted by codec."""
    return {codec: distribution_of(codec) or "" for codec in sorted(KNOWN.values())}


def install_line(distribution: str) -> str:
    """Return the command that installs `distribution`, quoted for shells that read brackets."""
    return f"pip install '{distribution}'" if "[" in distribution else f"pip install {distribution}"


def missing_codec(codec: str, installed: Iterable[str], distribution: str = "") -> str:
    """Return the sentence for a codec that no installed plugin offers.

    Args:
        codec: what was asked for.
        installed: codecs that could have been had.
        distribution: what a file's header names, if a file asked.
    """
    known = known_codecs()
    if codec in known:
        return f"Codec '{codec}' is not installed; run: {install_line(known[codec])}"
    if distribution:
        # Anybody can write a file, so the advice is not ours.
        return f"Codec '{codec}' is not installed; the file says it comes with: {install_line(distribution)}"
    have = sorted(installed)
    close = difflib.get_close_matches(codec, [*have, *known], n=1)
    hint = f" did you mean '{close[0]}'?" if close else ""
    return f"No plugin offers codec '{codec}';{hint} installed codecs: {', '.join(have) or 'none'}."
