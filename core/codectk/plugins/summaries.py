"""What the plugin of a file's codec has to say about it."""

from __future__ import annotations

from collections.abc import Mapping

from codectk.base.errors import PluginBrokenError
from codectk.bitstream.header import Header
from codectk.bitstream.reader import Container
from codectk.plugins.discover import of_distribution
from codectk.spec.summary import Summary, wrong_with


def summary_of(container: Container) -> Summary:
    """What is in a file; nothing, and no plugin imported, unless an installed plugin's card says that it can tell.

    Args:
        container: a file whose checks passed.

    Raises:
        PluginError: the plugin is broken, or what it says breaks the rules of `spec.summary.Summary`.
        CodectkError: as the plugin raises it, such as `WeightsError`.
    """
    header = container.header
    if not _offered(header):
        return {}
    from codectk.plugins.manager import find_codec, load  # not before: most files have no use for it

    _, record = find_codec(header.codec, distribution=header.distribution)
    said = load(record.name).call("codectk_summary", codec=header.codec, container=container)
    if said is None:
        return {}
    if wrong := wrong_with(said):
        raise PluginBrokenError(
            f"{record.owner[0].upper()}{record.owner[1:]} says something wrong about a file of codec "
            f"'{header.codec}': {wrong}."
        )
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in said.items()}


def _offered(header: Header) -> bool:
    """Whether the plugin that the header names is here, and can tell as its card says; files of bundles name none."""
    records = of_distribution(header.distribution) if header.distribution else []
    cards = [record.card for record in records if record.card is not None]
    return any(codec.name == header.codec and codec.summarizes for card in cards for codec in card.codecs)
