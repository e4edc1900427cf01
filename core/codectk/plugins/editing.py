"""Which edits the files of a codec can carry."""

from __future__ import annotations

from collections.abc import Mapping

from codectk.base.errors import PluginBrokenError
from codectk.plugins.manager import find_codec, load
from codectk.spec.edits import Edit


def edits_of(codec: str, *, distribution: str = "") -> Mapping[str, Edit]:
    """Edits that files of a codec can carry, by name; its weights are not loaded.

    Args:
        codec: codec name.
        distribution: what a file's header says offers it, for the message if it is missing.

    Raises:
        PluginError: as `manager.codec`, or an edit breaks the rules of `spec.edits.Edit`.
    """
    _, record = find_codec(codec, distribution=distribution)
    listed = load(record.name).call("codectk_edits", codec=codec)
    if listed is None:
        return {}
    owner = record.owner[0].upper() + record.owner[1:]
    if not isinstance(listed, Mapping):
        raise PluginBrokenError(f"{owner} lists edits as {type(listed).__name__} instead of a mapping.")
    for name, edit in listed.items():
        wrong = edit.wrong if isinstance(edit, Edit) else f"it is a {type(edit).__name__} and no Edit"
        if not wrong and edit.name != name:
            wrong = f"it calls itself '{edit.name}'"
        if wrong:
            raise PluginBrokenError(f"{owner} lists a wrong edit '{name}' of codec '{codec}': {wrong}.")
    return listed
