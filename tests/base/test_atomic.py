"""Files appear whole or not at all."""

import os
import stat

import pytest

from codectk.base.atomic import atomic_write
from codectk.base.errors import OutputError


def test_new_file_appears_with_its_bytes_and_nothing_else(tmp_path):
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"whole")
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_the_old_file_and_no_litter(tmp_path, interruption):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(interruption), atomic_write(target) as file:
        file.write(b"half")
        raise interruption
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_os_errors_become_one_sentence(tmp_path):
    with pytest.raises(OutputError, match="No such file"), atomic_write(tmp_path / "missing" / "a.bin"):
        pass
    with pytest.raises(OutputError, match=r"a\.bin: No space left"), atomic_write(tmp_path / "a.bin"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes and links")
def test_umask_is_obeyed_and_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real.bin", tmp_path / "link.bin"
    real.write_bytes(b"old")
    link.symlink_to(real)
    before = os.umask(0o022)
    try:
        with atomic_write(link) as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o644
