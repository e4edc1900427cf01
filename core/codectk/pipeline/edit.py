"""Edits written into a file and taken out of it. Its latents stay as they are; the decoder makes the edits."""

from __future__ import annotations

from collections.abc import Mapping

from codectk.base.errors import BitstreamError, FormatVersionError, UsageError
from codectk.bitstream.chunk import EDITS, Chunk
from codectk.bitstream.edits import pack_edits
from codectk.bitstream.header import Header
from codectk.bitstream.reader import Container
from codectk.bitstream.writer import write
from codectk.plugins.manager import edits_of
from codectk.spec.edits import Edit


def edit(container: Container, amounts: Mapping[str, object], *, clear: bool = False) -> bytes:
    """Set edits of a file.

    The plugin of the file's codec is asked which edits there are; neither its weights nor torch are needed. Removing
    all edits gives back the file as the encoder wrote it, byte for byte.

    Args:
        container: a complete file, from `bitstream.reader.read`.
        amounts: amount by name of the edit, a number or its text; 0 removes it. Edits that are not named stay.
        clear: take out all edits first. Without `amounts`, no plugin is needed then.

    Returns:
        The bytes of the file with these edits.

    Raises:
        UsageError: an edit is unknown (the message lists those there are) or its amount out of range.
        PluginError: the plugin is missing or broken.
    """
    if not container.complete:
        raise ValueError("the container lacks the end of its file")
    for chunk in container.chunks:
        if chunk.tag.startswith("x"):
            # It may belong to the unedited file, and without it the original could not be restored.
            raise FormatVersionError(
                f"The file has a chunk {chunk.tag} that this codectk does not know, so it is not rewritten.",
                chunk=chunk.tag,
            )
    wanted = {} if clear else dict(container.edits)
    if amounts:
        known = known_edits(container.header)
        for name, amount in amounts.items():
            wanted[name] = find_edit(known, name, container.header.codec).convert(amount)
    payload = pack_edits(wanted)
    others = [chunk for chunk in container.chunks if chunk.tag != EDITS]
    return write(container.header, [Chunk.of(EDITS, payload), *others] if payload else others)


def known_edits(header: Header) -> Mapping[str, Edit]:
    """Edits that a file can carry, by name; a bundle's files carry none.

    Raises:
        PluginError: the codec's plugin is missing or broken.
    """
    return {} if header.needs else edits_of(header.codec, distribution=header.distribution)


def find_edit(known: Mapping[str, Edit], name: str, codec: str) -> Edit:
    """The edit of a name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in known:
        if not known:
            raise UsageError(f"Files of codec '{codec}' cannot be edited.")
        raise UsageError(f"Codec '{codec}' has no edit '{name}'; it has {', '.join(known)}.")
    return known[name]


def carried_edits(container: Container) -> Mapping[str, float]:
    """Amounts of the edits that a file carries, all of which its codec must know.

    Raises:
        BitstreamError: an edit is unknown to the installed plugin, or its amount out of range: the picture without it
            would be another one.
        PluginError: as `known_edits`.
    """
    carried = container.edits
    if carried:
        codec = container.header.codec
        known = known_edits(container.header)
        for name, amount in carried.items():
            try:
                find_edit(known, name, codec).convert(amount)
            except UsageError as error:
                raise BitstreamError(f"The file carries an edit that codec '{codec}' refuses: {error}") from error
    return carried
