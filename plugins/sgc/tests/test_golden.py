"""Maps made from whole numbers alone give the same bytes on every machine, now and later."""

import hashlib

import numpy as np
import pytest

from codectk_sgc.colors.quantize import LEVELS

pytestmark = pytest.mark.portable

LABELS_SHA256 = "7ecf259af001233ea6d0b7827f8e632bb11f59648a1fe3278a688925ceba1f28"
COLORS_SHA256 = "7142ea0dcb2a59092068b4fb610106cd558c630f575686ba63258832aca5de53"

Y, X = np.mgrid[:24, :40]


def test_label_payloads_do_not_change(label_coder, through):
    labels = np.where(
        Y * 3 + X % 7 < 30, 156, np.where((X - 20) ** 2 + (Y - 16) ** 2 < 30, 17, 123 + (X * Y % 29 == 3))
    )
    payload = through(label_coder, {"labels": labels}, 24 * 16, 40 * 16)[1]
    assert hashlib.sha256(payload).hexdigest() == LABELS_SHA256


def test_color_payloads_do_not_change(color_coder, through):
    planes = (X * 2 + Y // 3 * 5 + X * Y % 5) % 64, (X // 4 + Y) % 32, (16 + X % 3 - Y // 5) % 32
    colors = np.stack(planes, axis=-1)
    assert (colors < LEVELS).all()
    payload = through(color_coder, {"colors": colors}, 24 * 32, 40 * 32)[1]
    assert hashlib.sha256(payload).hexdigest() == COLORS_SHA256
