"""A whole evaluation: measure, load anchors, compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from codectk.base.errors import InputError, UsageError
from codectk.base.progress import Progress, silent
from codectk.eval import curve_files
from codectk.eval.bdrate import Interval, bd_rate_interval, compare
from codectk.eval.classical import REFERENCES, Reference
from codectk.eval.codecs import ClassicCodec, CtkCodec, FileCodec, decoders
from codectk.eval.curve_files import AnchorSpec
from codectk.eval.curves import METRICS, Curve, Metric, at_rates, common_rates
from codectk.eval.measure import Measurement, evaluate, setting_name
from codectk.eval.pictures import Source, describe
from codectk.eval.report import Comparison, Evaluation, Scored
from codectk.eval.score import score
from codectk.spec.metrics import AnyMetric, label

MAX_LINES = 12
"""Most anchor lines that are used without having been named."""

MIN_PICTURES = 6
"""Fewest pictures for which an interval over pictures is given."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        codecs: codectk codecs; those without a rate knob that share a name are points of one curve.
        qualities: settings of each codec's rate knob.
        grid: values of decoder-side knobs at which every file is decoded; a codec without any of them is decoded once.
        classics: reference encoders to measure on the same pictures, by name.
        metrics: beyond PSNR and MS-SSIM.
        anchors: curves from files.
        against: names or labels of what to give BD-rates against: anchors, reference encoders or measured codecs;
            empty for all but the last.
        rates: bits per pixel at which metrics are compared; empty for those of the first codec.
    """

    codecs: Sequence[CtkCodec]
    qualities: Sequence[float]
    grid: Mapping[str, Sequence[str]] = field(default_factory=dict)
    classics: Sequence[str] = ()
    metrics: Sequence[AnyMetric] = ()
    anchors: Sequence[AnchorSpec] = ()
    against: Sequence[str] = ()
    rates: Sequence[float] = ()

    def lines(self) -> list[tuple[FileCodec, list[FileCodec], Sequence[float | None]]]:
        """Each codec with what decodes its files and with its settings.

        Raises:
            UsageError: an unknown reference encoder, a knob that no codec has, or one name for two curves.
        """
        made: list[tuple[FileCodec, list[FileCodec], Sequence[float | None]]] = []
        for codec in self.codecs:
            made.append((codec, list(decoders(codec, self.grid)), self.qualities if codec.rate_knob else [None]))
        for name in self.grid:
            if not any(name in codec.loaded().card.knobs for codec in self.codecs):
                raise UsageError(f"No codec of this evaluation has a knob '{name}'.")
        for reference in map(_reference, self.classics):
            made.append((ClassicCodec(reference), [ClassicCodec(reference)], reference.sweep))
        taken: dict[str, set[str]] = {}
        for _, mine, settings in made:
            for decoder in mine:
                points = {setting_name(quality, decoder.point) for quality in settings}
                others = taken.setdefault(decoder.name, set())
                if others & points:
                    raise UsageError(f"Two points would be called '{decoder.name}, {min(others & points)}'; label one.")
                if others and settings != [None]:
                    raise UsageError(f"Two curves would be called '{decoder.name}'; give one of them a label.")
                others |= points
        return made

    def steps(self, pictures: int) -> int:
        """How often `study` tells its progress."""
        decoded = sum(len(mine) * len(settings) for _, mine, settings in self.lines())
        return pictures * decoded * (1 + len(self.metrics))


def study(plan: Plan, sources: Sequence[Source], folder: Path, *, progress: Progress = silent) -> Evaluation:
    """Measure codecs and compare each with the anchors.

    Args:
        plan: what to measure.
        sources: pictures.
        folder: existing folder for all files.
        progress: told after each decoded file, and after each picture of each metric.

    Raises:
        UsageError: as `Plan.lines`; an unknown anchor, or more anchor lines than anybody named.
        CodectkError: as measuring and loading do.
    """
    # Whatever can be wrong with the anchors is told before the hours of measuring.
    curves = _anchors(plan.anchors, plan.against, [s.name for s in sources])
    references = [_reference(name) for name in plan.classics]
    lines, count = plan.lines(), plan.steps(len(sources))
    names = {t for c in curves for t in (c.name, c.title)} | {t for r in references for t in (r.id, r.title)}
    names |= {decoder.name for _, mine, _ in lines for decoder in mine}
    for name in plan.against:
        if name not in names:
            raise UsageError(f"There is no anchor {name!r}; there are: {', '.join(sorted(names))}.")
    measurements: list[Measurement] = []
    for codec, mine, settings in lines:
        told = _shifted(progress, len(measurements), count)
        measurements += evaluate(codec, sources, settings, folder, decoders=mine, progress=told)
    told = _shifted(progress, len(measurements), count)
    measurements, of_sets = score(measurements, sources, plan.metrics, folder, progress=told)
    evaluation = Evaluation(
        pictures=describe(sources),
        measurements=measurements,
        anchors=curves,
        identities=_identities([d for _, mine, _ in lines for d in mine]),
        metrics=[Scored(label(m), m.scope, m.lower_is_better, m.protocol) for m in plan.metrics],
        set_scores=of_sets,
    )
    return _at_equal_rates(_compared(evaluation, plan.against), plan.rates)


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


def _identities(codecs: Sequence[FileCodec]) -> dict[str, Mapping[str, str]]:
    """Who is behind each name; points that share one are told apart by their own."""
    names = [codec.name for codec in codecs]
    return {c.name if names.count(c.name) == 1 else f"{c.name}, {c.point}": c.identity() for c in codecs}


def _reference(name: str) -> Reference:
    if name not in REFERENCES:
        raise UsageError(f"There is no reference encoder {name!r}; there are: {', '.join(REFERENCES)}.")
    return REFERENCES[name]


def _anchors(specs: Sequence[AnchorSpec], against: Sequence[str], images: Sequence[str]) -> list[Curve]:
    chosen: list[Curve] = []
    for spec in specs:
        curves = curve_files.load(spec, images)
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
    chosen += [c for c in own if c.name in against]
    comparisons, notes = [], _notes(evaluation, chosen)
    for curve in own:
        for anchor in chosen:
            for metric in METRICS if anchor is not curve else ():
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


def _at_equal_rates(evaluation: Evaluation, rates: Sequence[float]) -> Evaluation:
    """With PSNR and the further metrics at common rates, if there are any of the two."""
    own, others = split_curves(evaluation)
    if not own or not (rates or evaluation.metrics):
        return evaluation
    wanted = sorted(rates) or common_rates(own[0])
    metrics = ("psnr", *(m.label for m in evaluation.metrics))
    return replace(evaluation, equal_rates=[at_rates([*own, *others], metric, wanted) for metric in metrics])


def _notes(evaluation: Evaluation, anchors: Sequence[Curve]) -> list[str]:
    """What a reader of the numbers must know."""
    notes, count = [], len(evaluation.pictures.names)
    if evaluation.pictures.lossy:
        notes.append(
            f"{len(evaluation.pictures.lossy)} of {count} pictures are JPEG files: their artifacts count as picture."
        )
    if any(m.ms_ssim is None for m in evaluation.measurements):
        notes.append("MS-SSIM is missing where a side is below 161 pixels, and so is its mean.")
    for metric in evaluation.metrics:
        if any(m.scores.get(metric.label, 0.0) is None for m in evaluation.measurements):
            notes.append(f"{metric.label} is missing where a picture is too small, and so is its mean.")
        if metric.scope == "set" and not any(metric.label in found for found in evaluation.set_scores.values()):
            notes.append(f"{metric.label} is missing: the pictures are too few or too small.")
    notes += dict.fromkeys(s.note for found in evaluation.set_scores.values() for s in found.values() if s.note)
    for curve in anchors:
        if curve.pictures is None and evaluation.pictures.known is None:
            notes.append(f"The file of {curve.title} does not say which pictures it was measured on.")
        elif curve.pictures not in (None, count):
            notes.append(f"{curve.title} is a mean of {curve.pictures} pictures, here are {count}: not the same set.")
    return notes
