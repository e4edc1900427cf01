"""The comparison page: one HTML file that needs nothing else, made of the parts in `page/`."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from PIL import Image

from codectk.base.plain import to_json
from codectk.eval.comparison import Contender, Score, Shown
from codectk.eval.pictures import Source
from codectk.eval.provenance import machine, versions
from codectk.metrics.psnr import Pixels

LIMIT = 20_000_000
"""Bytes that a page should not pass."""

_SCRIPTS = ("view.js", "plot.js", "blind.js", "main.js")
_QUALITIES = (None, 98, 95, 90, 80)
"""How pictures lie in the page: WebP without loss, or at a quality where that would be too large."""


def build(
    title: str,
    sources: Sequence[Source],
    found: Sequence[Sequence[Shown]],
    codecs: Sequence[Contender],
    measured: Sequence[Score],
    *,
    device: str = "cpu",
    limit: int = LIMIT,
) -> str:
    """The page as text.

    Args:
        title: headline.
        sources: the pictures.
        found: their files, by `comparison.compare`.
        codecs: what made them.
        measured: the numbers in `found`.
        device: where networks ran.
        limit: bytes of the page; pictures are shown with as little loss as keeps it below.

    Returns:
        HTML, complete: no other file and no network is needed.
    """
    pictures = [source.pixels for source in sources] + [shown.pixels for mine in found for shown in mine]
    quality, images = _images(pictures, limit)
    places = iter(images[len(sources) :])
    data = {
        "codecs": [codec.name for codec in codecs],
        "sizes": list(range(len(found[0]) // len(codecs))),
        "scores": [{"label": s.label, "digits": s.digits, "lower": s.lower_is_better} for s in measured],
        "pictures": [
            {
                "name": source.name,
                "width": source.pixels.shape[1],
                "height": source.pixels.shape[0],
                "original": image,
                "shown": [_entry(shown, i // len(codecs), next(places)) for i, shown in enumerate(mine)],
            }
            for source, mine, image in zip(sources, found, images, strict=False)
        ],
        "digest": _digest(sources, found),
        "about": _about(sources, codecs, quality, device),
    }
    parts = {
        "title": html.escape(title),
        "style": _part("style.css"),
        # Nothing inside may end the element.
        "data": to_json(data, indent=None).replace("<", "\\u003c"),
        "script": "".join(map(_part, _SCRIPTS)),
    }
    page = _part("page.html")
    for name, text in parts.items():
        before, _, after = page.partition("{{" + name + "}}")
        page = before + text + after.replace("{{" + name + "}}", text)
    return page


def _part(name: str) -> str:
    return (files("codectk.eval") / "page" / name).read_text("utf-8")


def _entry(shown: Shown, size: int, image: str) -> Mapping[str, object]:
    return {
        "codec": shown.codec,
        "size": size,
        "wanted": shown.wanted,
        "bytes": shown.bytes,
        "bpp": shown.bpp,
        "setting": shown.setting,
        "note": shown.note,
        "scores": dict(shown.scores),
        "image": image,
    }


def _images(pictures: Sequence[Pixels], limit: int) -> tuple[int | None, list[str]]:
    """Data addresses of pictures, with as little loss as keeps all of them below a limit."""
    made: list[str] = []
    for quality in _QUALITIES:
        made = []
        for pixels in pictures:
            made.append(_address(pixels, quality))
            if sum(map(len, made)) > limit * 0.97 and quality != _QUALITIES[-1]:
                break
        else:
            return quality, made
    return _QUALITIES[-1], made


def _address(pixels: Pixels, quality: int | None) -> str:
    buffer = io.BytesIO()
    options = {"lossless": True, "quality": 50, "method": 3} if quality is None else {"quality": quality, "method": 4}
    Image.fromarray(pixels).save(buffer, "WEBP", **options)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _digest(sources: Iterable[Source], found: Iterable[Iterable[Shown]]) -> str:
    """What votes belong to: the originals and all that was shown of them."""
    digest = hashlib.sha256()
    for source, mine in zip(sources, found, strict=True):
        digest.update(source.digest.encode())
        for shown in mine:
            digest.update(f"{shown.codec} {shown.bytes} ".encode() + shown.pixels.tobytes())
    return digest.hexdigest()


def _about(sources: Sequence[Source], codecs: Sequence[Contender], quality: int | None, device: str) -> list[str]:
    plugins = sorted({name for c in codecs for name in c.identity().get("distribution", "").split()})
    loss = "without loss" if quality is None else f"as WebP of quality {quality}, to keep the page small"
    lines = [
        "Every file was written, read back and measured; bytes are those of whole files. Reference encoders have the "
        f"lowest quality that reaches the wanted bytes. Pictures are shown {loss}; numbers are of what was decoded.",
        *(f"{c.name}: " + ", ".join(f"{key} {value}" for key, value in c.identity().items() if value) for c in codecs),
        "Versions: " + ", ".join(f"{name} {number}" for name, number in versions(*plugins).items()),
        "Machine: " + ", ".join(f"{value}" for value in machine(device).values() if value),
    ]
    lossy = [source.name for source in sources if source.lossy]
    if lossy:
        lines.append(f"JPEG files, whose own artifacts count as picture: {', '.join(lossy)}.")
    return lines
