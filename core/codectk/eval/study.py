"""A whole evaluation: measure, load anchors, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codectk.base.errors import InputError, UsageError
from codectk.base.progress import Progress, silent
from codectk.eval import anchors as anchor_files
from codectk.eval.anchors import AnchorSpec
from codectk.eval.bdrate import compare
from codectk.eval.bootstrap import Interval, bd_rate_interval
from codectk.eval.classic import REFERENCES, Reference
from codectk.eval.codecs import ClassicCodec, CtkCodec, FileCodec
from codectk.eval.curves import METRICS, Curve, Metric
from codectk.eval.pictures import Source, describe
from codectk.eval.report import Comparison, Evaluation
from codectk.eval.run import Measurement, evaluate

MAX_LINES = 12
"""Most anchor lines that are used without having been named."""

MIN_PICTURES = 6
"""Fewest pictures for which an interval over pictures is given."""


def study(
    codecs: Sequence[CtkCodec],
    sources: Sequence[Source],
    qualities: Sequence[float],
    folder: Path,
    *,
    classics: Sequence[str] = (),
    anchors: Sequence[AnchorSpec] = (),
    against: Sequence[str] = (),
    progress: Progress = silent,
) -> Evaluation:
    """Measure codecs and compare each with the anchors.

    Args:
        codecs: what to measure.
        sources: pictures.
        qualities: settings of each codec's rate knob.
        folder: existing folder for all files.
        classics: reference encoders to measure on the same pictures, by name.
        anchors: curves from files.
        against: names or labels of the anchors to give BD-rates for; empty for all of them.
        progress: told after each file.

    Raises:
        UsageError: an unknown reference encoder or anchor, or more anchor lines than anybody named.
        CodectkError: as measuring and loading do.
    """
    # Whatever can be wrong with the anchors is told before the hours of measuring.
    curves = _anchors(anchors, against, [s.name for s in sources])
    references = [_reference(name) for name in classics]
    names = {t for c in curves for t in (c.name, c.title)} | {t for r in references for t in (r.id, r.title)}
    for name in against:
        if name not in names:
            raise UsageError(f"There is no anchor {name!r}; there are: {', '.join(sorted(names)) or 'none'}.")
    measured: list[FileCodec] = [*codecs, *map(ClassicCodec, references)]
    count = files(len(codecs), len(sources), qualities, classics)
    measurements: list[Measurement] = []
    for codec in measured:
        settings = codec.reference.sweep if isinstance(codec, ClassicCodec) else qualities
        own = folder / codec.name
        own.mkdir(exist_ok=True)
        measurements += evaluate(codec, sources, settings, own, progress=_shifted(progress, len(measurements), count))
    evaluation = Evaluation(
        pictures=describe(sources),
        measurements=measurements,
        anchors=curves,
        identities={c.name: c.identity() for c in measured},
    )
    return _compared(evaluation, against)


def files(codecs: int, pictures: int, qualities: Sequence[float], classics: Sequence[str]) -> int:
    """Number of files that `study` makes.

    Raises:
        UsageError: an unknown reference encoder.
    """
    return pictures * (codecs * len(qualities) + sum(len(_reference(name).sweep) for name in classics))


def split_curves(evaluation: Evaluation) -> tuple[list[Curve], list[Curve]]:
    """Curves of the measured codectk codecs, and of everything they are compared with."""
    own = [c for c in evaluation.curves() if c.name not in REFERENCES]
    classics = [replace(c, label=REFERENCES[c.name].title) for c in evaluation.curves() if c.name in REFERENCES]
    return own, [*classics, *evaluation.anchors]


def _shifted(progress: Progress, before: int, count: int) -> Progress:
    """Progress of one codec as part of the whole."""

    def shifted(done: int, total: int | None = None, **fields: object) -> None:
        progress(before + done, count, **fields)

    return shifted


def _reference(name: str) -> Reference:
    if name not in REFERENCES:
        raise UsageError(f"There is no reference encoder {name!r}; there are: {', '.join(REFERENCES)}.")
    return REFERENCES[name]


def _anchors(specs: Sequence[AnchorSpec], against: Sequence[str], images: Sequence[str]) -> list[Curve]:
    chosen: list[Curve] = []
    for spec in specs:
        curves = anchor_files.load(spec, images)
        if not spec.lines and (against or len(curves) > MAX_LINES):
            named = [c for c in curves if c.name in against]
            if not named and not against:
                raise UsageError(
                    f"{spec.path.name} has {len(curves)} lines; name some with {spec.path.name}:LINE,LINE or "
                    "--bd-rate-against LINE."
                )
            curves = named
        chosen += curves
    return chosen


def _compared(evaluation: Evaluation, against: Sequence[str]) -> Evaluation:
    own, others = split_curves(evaluation)
    chosen = [c for c in others if not against or c.name in against or c.title in against]
    comparisons, notes = [], _notes(evaluation, chosen)
    for curve in own:
        for anchor in chosen:
            for metric in METRICS:
                if not len(anchor.values(metric)[0]) or not len(curve.values(metric)[0]):
                    continue
                try:
                    rate = compare(anchor, curve, metric)
                except InputError as error:
                    notes.append(str(error))
                    continue
                comparisons.append(Comparison(rate, _interval(anchor, curve, metric)))
                if rate.dropped:
                    notes.append(
                        f"{rate.dropped} points of {curve.title} and {anchor.title} cost more than a better one and "
                        f"are not in their BD-rate ({metric})."
                    )
    return replace(evaluation, comparisons=comparisons, notes=notes)


def _interval(anchor: Curve, test: Curve, metric: Metric) -> Interval | None:
    """The spread over pictures, where there are enough pictures for one to have a meaning."""
    common = {r.image for r in anchor.rows} & {r.image for r in test.rows}
    return bd_rate_interval(anchor.rows, test.rows, metric) if len(common) >= MIN_PICTURES else None


def _notes(evaluation: Evaluation, anchors: Sequence[Curve]) -> list[str]:
    """What a reader of the numbers must know."""
    notes, count = [], len(evaluation.pictures.names)
    if evaluation.pictures.lossy:
        notes.append(
            f"{len(evaluation.pictures.lossy)} of {count} pictures are JPEG files: their artifacts count as picture."
        )
    if any(m.ms_ssim is None for m in evaluation.measurements):
        notes.append("MS-SSIM is missing where a side is below 161 pixels, and so is its mean.")
    for curve in anchors:
        if curve.pictures is None and evaluation.pictures.known is None:
            notes.append(f"The file of {curve.title} does not say which pictures it was measured on.")
        elif curve.pictures not in (None, count):
            notes.append(f"{curve.title} is a mean of {curve.pictures} pictures, here are {count}: not the same set.")
    return notes
