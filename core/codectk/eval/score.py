"""Further metrics over the decoded pictures of an evaluation, after the files were made and timed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from codectk.base.progress import Progress, silent
from codectk.eval.measure import Measurement
from codectk.eval.pictures import Source
from codectk.metrics.psnr import Pixels
from codectk.picture.read import read_picture
from codectk.spec.metrics import AnyMetric, SetScore, label

SetScores = Mapping[tuple[str, str], Mapping[str, SetScore]]
"""(codec, setting) -> label of a metric -> its value over all pictures."""


def score(
    measurements: Sequence[Measurement],
    sources: Sequence[Source],
    metrics: Sequence[AnyMetric],
    folder: Path,
    *,
    progress: Progress = silent,
) -> tuple[list[Measurement], SetScores]:
    """Apply metrics to what lies on disk.

    Args:
        measurements: of `measure.evaluate`, with its files in `folder`.
        sources: the pictures they were measured on.
        metrics: what to apply.
        folder: of the evaluation.
        progress: told after each picture of each metric.

    Returns:
        The measurements in their order with the values of metrics of one picture, and those of metrics of a set.
    """
    references = {source.name: source.pixels for source in sources}
    settings: dict[tuple[str, str], list[int]] = {}
    for i, m in enumerate(measurements):
        settings.setdefault((m.codec, m.setting), []).append(i)
    rated = list(measurements)
    of_sets: dict[tuple[str, str], dict[str, SetScore]] = {}
    done = 0
    for key, members in settings.items():
        for metric in metrics:

            def pairs(members: list[int] = members, name: str = metric.name) -> Iterator[tuple[Pixels, Pixels]]:
                nonlocal done
                for i in members:
                    m = measurements[i]
                    yield references[m.image], read_picture(m.decoded_file(folder)).pixels
                    done += 1
                    progress(done, len(measurements) * len(metrics), codec=m.codec, picture=m.image, setting=name)

            if metric.scope == "set":
                found = metric(pairs())
                if found is not None:
                    of_sets.setdefault(key, {})[label(metric)] = found
            else:
                for i, pair in zip(members, pairs(), strict=True):
                    rated[i] = replace(rated[i], scores={**rated[i].scores, label(metric): metric(*pair)})
    return rated, of_sets
