"""The files of `codectk eval`: stated before any work, written after it."""

from __future__ import annotations

import shlex
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from codectk.base.atomic import make_folder
from codectk.base.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codectk.eval.codecs import CtkCodec
    from codectk.eval.pictures import Source
    from codectk.eval.report import Evaluation
    from codectk.eval.study import Plan


def stated(
    pictures: Sequence[Path], others: Iterable[str | None], json_path: str | None, csv_path: str | None,
    plot_path: str | None,
) -> Outputs:  # fmt: skip
    """What is read, and the files that will be written. `others` may name files, some with more behind a sign."""
    reads = {part for text in others if text for part in (text, text.partition("=")[0], text.partition(":")[0])}
    outputs = Outputs([*pictures, *(name for name in reads if Path(name).is_file())])
    for path in (json_path, csv_path):
        if path is not None:
            outputs.write(path)
    if plot_path is not None:
        from codectk.eval.rd_plot import files_of

        for file in files_of(Path(plot_path)):
            outputs.write(file)
    return outputs


def state_folders(outputs: Outputs, plan: Plan, pictures: Sequence[Path], keep: str | None, sheets: str | None) -> None:
    """State what will be written into folders."""
    from codectk.eval.measure import setting_name

    for folder in (keep, sheets):
        if folder is not None:
            outputs.folder(folder)
    for codec, decoders, settings in plan.lines():
        for picture, quality in product(pictures, settings):
            coded = f"{picture.stem}-{setting_name(quality, codec.point)}"
            if keep is not None:
                outputs.write(Path(keep) / codec.name / f"{coded}{codec.suffix}", makes_folder=True)
            for decoder in decoders:
                decoded = f"{picture.stem}-{setting_name(quality, decoder.point)}.png"
                if keep is not None:
                    outputs.write(Path(keep) / decoder.name / decoded, makes_folder=True)
                if sheets is not None and codec in plan.codecs:
                    outputs.write(Path(sheets) / f"{decoder.name}-{decoded}", makes_folder=True)


def working_folder(keep: str | None) -> AbstractContextManager[str]:
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="codectk-eval-")
    make_folder(keep)
    return nullcontext(keep)


def write_tables(evaluation: Evaluation, json_path: str | None, csv_path: str | None, device: str) -> None:
    from codectk.base.atomic import atomic_write
    from codectk.eval.report import to_csv, to_json

    line = [Path(sys.argv[0]).name, *sys.argv[1:]]
    texts = (json_path, to_json(evaluation, shlex.join(line), device)), (csv_path, to_csv(evaluation.measurements))
    for path, text in texts:
        if path:
            with atomic_write(path) as file:
                file.write(text.encode())


def write_plot(evaluation: Evaluation, path: Path, title: str, log_bpp: bool) -> None:
    from codectk.eval.curves import METRICS
    from codectk.eval.rd_plot import rd_plot
    from codectk.eval.study import split_curves

    own, others = split_curves(evaluation)
    count = len(evaluation.pictures.names)
    known = f"{evaluation.pictures.known}, " if evaluation.pictures.known else ""
    rd_plot(
        own,
        others,
        path,
        metrics=(*METRICS, *(m.label for m in evaluation.metrics)),
        falling=[m.label for m in evaluation.metrics if m.lower_is_better],
        title=title or f"{known}mean of {count} picture{'s' * (count != 1)}",
        log_bpp=log_bpp,
    )


def write_sheets(
    evaluation: Evaluation, sources: Sequence[Source], codecs: Sequence[CtkCodec], folder: Path, target: Path
) -> None:
    """One sheet per picture, codec and setting of its decoder, at the middle quality."""
    from codectk.eval.side_by_side import write_sheet

    make_folder(target)
    for codec in codecs:
        own = [m for m in evaluation.measurements if codec.name in (m.codec, m.coded_by)]
        for name in dict.fromkeys(m.codec for m in own):
            for source in sources:
                mine = [m for m in own if (m.codec, m.image) == (name, source.name)]
                chosen = sorted(mine, key=lambda m: m.bytes)[len(mine) // 2]
                write_sheet(source, chosen, folder, codec.suffix, target)
