"""`.ctk` files in Pillow: import this module once, and `Image.open("x.ctk")` and `image.save("x.ctk")` work.

    import codectk.pil
    from PIL import Image

    Image.open("photo.png").save("photo.ctk", codec="segpic", quality=40)
    Image.open("photo.ctk").show()

`save` takes what `codectk.encode` takes. What opens a file reads its header; the picture is decoded when its pixels are
asked for. `codectk.pil.decode(image, realism=1)` decodes it with other values of the decoder's knobs. A file that is
damaged, or whose codec is missing, raises codectk's errors. Whatever stands on Pillow reads and writes `.ctk` files
then, too, such as imageio with its plugin "pillow".
"""

from __future__ import annotations

from typing import IO, Any

from PIL import Image, ImageFile

from codectk import api
from codectk.base.errors import UsageError
from codectk.bitstream.chunk import ALPHA
from codectk.bitstream.header import MAGIC

FORMAT, EXTENSION, MIME = "CTK", ".ctk", "image/x-ctk"


class CtkImageFile(ImageFile.ImageFile):
    """A `.ctk` file, opened; `info` has its codec, its distribution, its knobs and its bits per pixel."""

    format = FORMAT
    format_description = "codectk, learned image codecs"

    def _open(self) -> None:
        assert self.fp is not None
        self._bytes: bytes | None = self.fp.read()
        found = api.info(self._bytes)
        self._size = (found.width, found.height)
        transparent = any(chunk.tag == ALPHA for chunk in found.chunks)
        self._mode = ("L" if found.grey else "RGB") + ("A" if transparent else "")
        self.info |= {
            "codec": found.codec,
            "distribution": found.codec_distribution,
            "knobs": dict(found.knobs),
            "bpp": found.bpp,
        }
        self.tile = []

    def load(self) -> Any:
        """Decode the picture, once."""
        if self._bytes is not None:
            decode(self)
        return super().load()


def decode(image: CtkImageFile, **options: Any) -> CtkImageFile:
    """Decode an opened file now.

    Args:
        image: what `Image.open` gave for a `.ctk` file, not decoded yet.
        **options: as for `codectk.decode`, such as `realism=1` or `device="cuda"`.

    Returns:
        The same image.

    Raises:
        UsageError: it is another image, or decoded already.
        CodectkError: as `codectk.decode`.
    """
    if not isinstance(image, CtkImageFile) or image._bytes is None:
        raise UsageError("Only a .ctk file that was opened, and whose pixels nobody asked for yet, can be decoded.")
    decoded = api.decode(image._bytes, **options)
    image._bytes = None
    image.im, image._mode = decoded.im, decoded.mode
    image.info |= decoded.info
    return image


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    file.write(api.encode(image, **getattr(image, "encoderinfo", {})))


Image.register_open(FORMAT, CtkImageFile, _accept)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, EXTENSION)
Image.register_mime(FORMAT, MIME)
