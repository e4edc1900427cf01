"""Files appear whole or not at all."""

import os
import stat
import subprocess
import sys

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
    with pytest.raises(OutputError, match="There is no folder"), atomic_write(tmp_path / "missing" / "a.bin"):
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


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o200])
def test_what_replaces_a_file_has_its_mode(tmp_path, mode):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    target.chmod(mode)
    with atomic_write(target) as file:
        file.write(b"new")
        (temporary,) = tmp_path.glob(".codectk-*")
        assert stat.S_IMODE(temporary.stat().st_mode) & ~mode == 0  # nobody reads it meanwhile who may not
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root gives files away")
def test_what_replaces_a_file_has_its_owner(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    os.chown(target, 12345, 54321)
    with atomic_write(target) as file:
        file.write(b"new")
    assert (target.stat().st_uid, target.stat().st_gid) == (12345, 54321)


def test_a_read_only_file_is_not_replaced(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    target.chmod(0o444)
    with pytest.raises(OutputError, match="read-only"), atomic_write(target):
        pass
    assert target.read_bytes() == b"old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's devices")
def test_devices_are_written_into():
    with atomic_write(os.devnull) as file:
        file.write(b"gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(OutputError, match="Cannot write /dev/full: No space left"), atomic_write("/dev/full") as file:
        file.write(b"too much")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="needs /dev/stdout")
def test_stdout_keeps_what_was_printed(tmp_path):
    code = (
        "from codectk.base.atomic import atomic_write\nprint('before')\n"
        "with atomic_write('/dev/stdout') as file:\n    file.write(b'file\\n')\nprint('after')"
    )
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, timeout=60)
    assert (tmp_path / "out").read_text() == "before\nfile\nafter\n"
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert piped.stdout == "before\nfile\nafter\n"
