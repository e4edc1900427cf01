"""What a file's label map shows, by name, without torch.

The weights that a file names say how many labels there are and hold the coders' networks; nothing else of them is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from codectk.base.errors import UsageError, WeightsError
from codectk.base.types import Context
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import Container
from codectk.coding.coder import Decoder
from codectk.programs.configurations import configured
from codectk.weights.locate import locate
from codectk.weights.tensors import load_tensors, read_metadata
from codectk_labels.groups import NAMES
from codectk_sgc.config import CONFIGS
from codectk_sgc.entropy import PACKAGE, Reduced, SemanticCoder
from codectk_sgc.labels.names import COCO_STUFF, histogram

CODERS = "coders."
"""What the names of the coders' arrays begin with in a weights file, see `codectk_sgc.network`."""


def shares(container: Container) -> dict[str, float]:
    """Share of the cells that each label has, by name, largest first.

    Args:
        container: a file of this codec.

    Raises:
        WeightsError: the weights that the file names are missing or damaged.
        MismatchError: the file was coded otherwise than they say.
    """
    header = container.header
    path = locate(header.weights, codec="sgc", package=PACKAGE).path
    classes = _classes(read_metadata(path))
    arrays = {name.removeprefix(CODERS): array for name, array in load_tensors(path, CODERS).items()}
    decoder = Decoder(container.payloads(LATENTS))
    coder = Reduced(SemanticCoder(arrays, classes))
    latents = coder.code(decoder, None, Context(header.height, header.width, header.knobs))
    decoder.finish()
    return histogram(latents, names(classes))


def names(classes: int) -> Sequence[str]:
    """Names of labels, which follow from their number: the 13 groups of codectk-labels, or COCO-Stuff's 182 classes.

    Of a network of somebody else's labels they are numbers.
    """
    groups = NAMES[1:]  # the map has no void
    known = {len(groups): groups, len(COCO_STUFF): COCO_STUFF}
    return known.get(classes) or [f"label {number}" for number in range(classes)]


def _classes(metadata: Mapping[str, str]) -> int:
    """Number of labels of the network that a weights file describes."""
    try:
        options = {"config": metadata.get("config", ""), **json.loads(metadata.get("options", "{}"))}
        return configured("SGC", CONFIGS, options).classes
    except (UsageError, ValueError, TypeError) as error:
        raise WeightsError(f"The weights are for a network that the installed plugin does not know: {error}") from error
