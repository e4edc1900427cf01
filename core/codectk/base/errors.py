"""The one tree of errors. The command line shows `str(error)` and its stable code, never a traceback.

Exit codes: 1 user error, 2 usage, 3 damaged or foreign bitstream, 4 weights or parameter mismatch,
5 plugin missing or broken.
"""

from __future__ import annotations


class CodectkError(Exception):
    """Base of everything codectk raises on purpose; the message is one sentence for a person."""

    code = "CTK-E100"
    exit_code = 1


class InputError(CodectkError):
    """An input cannot be used: no such file, not an image, unsupported depth or colour model."""

    code = "CTK-E101"


class OutputError(CodectkError):
    """An output cannot be written: no such folder, unknown extension, no permission."""

    code = "CTK-E102"


class TrainingError(CodectkError):
    """Training cannot go on: a value is not finite, a checkpoint does not fit its recipe."""

    code = "CTK-E103"


class TargetError(CodectkError):
    """A rate target cannot be met with the codec's rate axis."""

    code = "CTK-E104"


class UsageError(CodectkError):
    """A knob or option is unknown, out of range or contradicts another one."""

    code = "CTK-E200"
    exit_code = 2


class BitstreamError(CodectkError):
    """A file is damaged, cut or not ours.

    Args:
        message: what is wrong.
        offset: position in bytes at which it was noticed, or None.
        chunk: name of the chunk concerned, or None.
    """

    code = "CTK-E300"
    exit_code = 3

    def __init__(self, message: str, *, offset: int | None = None, chunk: str | None = None):
        super().__init__(message)
        self.offset = offset
        self.chunk = chunk


class NotCtkError(BitstreamError):
    """The data does not start with the `.ctk` magic."""

    code = "CTK-E301"


class FormatVersionError(BitstreamError):
    """The file was written by a newer format version, or has a critical chunk this version lacks."""

    code = "CTK-E302"


class TruncatedError(BitstreamError):
    """The file ends too early."""

    code = "CTK-E303"


class ChecksumError(BitstreamError):
    """A chunk's CRC does not fit its bytes."""

    code = "CTK-E304"


class LimitError(BitstreamError):
    """A declared size is beyond the limits; nothing was allocated for it."""

    code = "CTK-E305"


class MismatchError(CodectkError):
    """The decoder's weights or coding parameters are not the encoder's."""

    code = "CTK-E400"
    exit_code = 4


class WeightsError(MismatchError):
    """Weights are missing, damaged, or not those the file names."""

    code = "CTK-E401"


class ParameterMismatchError(MismatchError):
    """The digest of table indices and symbols differs: the entropy decoder lost step."""

    code = "CTK-E402"


class PluginError(CodectkError):
    """A plugin is missing, broken, incompatible, or breaks a contract."""

    code = "CTK-E500"
    exit_code = 5


class PluginMissingError(PluginError):
    """No installed plugin offers the codec or component."""

    code = "CTK-E501"


class PluginBrokenError(PluginError):
    """A plugin cannot be imported or its card cannot be read."""

    code = "CTK-E502"


class PluginIncompatibleError(PluginError):
    """A plugin was written for another API version."""

    code = "CTK-E503"


class ContractError(PluginError):
    """Stages that were wired together do not fit (latents, channels, strides)."""

    code = "CTK-E504"
