import stat
import struct
import zipfile

import pytest

from cellseg.formats import archive
from cellseg.formats.archive import opened
from cellseg.formats.sources import inside, is_relative
from segcore.errors import InputError


def packed(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def test_an_archive_is_a_folder_for_a_while(tmp_path):
    with opened(packed(tmp_path / "x.zip", **{"top/images/a.txt": "A", "__MACOSX/b": "B"})) as folder:
        assert (folder / "images/a.txt").read_text() == "A"
        assert folder.name == "top"
    assert not folder.exists()
    with opened(packed(tmp_path / "y.zip", **{"a.txt": "A", "b.txt": "B"})) as folder:
        assert folder.name == "y"


def test_a_folder_is_itself(tmp_path):
    with opened(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/../../x", "C:\\x", "..\\x", "\\\\server\\x", "a/.."])
def test_members_that_lead_elsewhere_are_refused_before_anything_is_unpacked(tmp_path, name, monkeypatch):
    monkeypatch.setattr(archive, "_unpack", None)
    source = packed(tmp_path / "x.zip", **{"good": "1", "evil": "2"})
    with zipfile.ZipFile(source, "a") as out:
        member = zipfile.ZipInfo("placeholder")
        member.filename = member.orig_filename = name
        out.writestr(member, "3")
    with pytest.raises(InputError, match=r"which leads elsewhere\. Nothing was unpacked"), opened(source):
        pass


def test_links_are_refused(tmp_path):
    member = zipfile.ZipInfo("link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
        out.writestr(member, "/etc/passwd")
    with pytest.raises(InputError, match="leads elsewhere"), opened(tmp_path / "x.zip"):
        pass


def test_bombs_are_refused_by_what_they_declare(tmp_path, monkeypatch):
    source = packed(tmp_path / "x.zip", zeros=b"\0" * 1_000_000)
    monkeypatch.setattr(archive, "FREE_BYTES", 1000)
    with pytest.raises(InputError, match=r"100 times its size.*unpack it and import the folder"), opened(source):
        pass
    monkeypatch.setattr(archive, "MOST_FILES", 0)
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 30)
    with pytest.raises(InputError, match="declares 1 files"), opened(source):
        pass


def test_a_member_never_grows_beyond_what_it_declares(tmp_path):
    source = packed(tmp_path / "x.zip", zeros=b"\0" * 1000)
    data = bytearray(source.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.index(mark) + offset
        data[place : place + 4] = struct.pack("<I", 10)
    source.write_bytes(bytes(data))
    with pytest.raises(InputError, match="is damaged, 'zeros' cannot be read"), opened(source):
        pass


def test_a_full_disk_is_said_before_unpacking(tmp_path, monkeypatch):
    source = packed(tmp_path / "x.zip", a="1234")
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 3})())
    with pytest.raises(InputError, match="Set TMPDIR"), opened(source):
        pass


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match="must be a ZIP file"), opened(tmp_path / "x.zip"):
        pass


def test_a_locked_archive_is_refused(tmp_path):
    source = packed(tmp_path / "x.zip", a="1")
    data = bytearray(source.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(bytes(data))
    with pytest.raises(InputError, match="locked with a password"), opened(source):
        pass


@pytest.mark.parametrize(
    ("name", "good"),
    [("a/b.png", True), ("a..b", True), ("0001:x.roi", True), ("", False), (".", False), ("a\0b", False), ("../a", False), ("/a", False)],
)
def test_names_from_files(tmp_path, name, good):
    assert is_relative(name) is good
    if good:
        assert inside(tmp_path, name, tmp_path) == tmp_path / name
    else:
        with pytest.raises(InputError, match="stays within its folder"):
            inside(tmp_path, name, tmp_path)
