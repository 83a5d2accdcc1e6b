"""A certificate is made once, kept for its owner alone, and made anew when it no longer fits."""

import datetime
import os
import stat

import pytest

x509 = pytest.importorskip("cryptography.x509", reason="pip install mien[live]")

from mien.errors import StorageError  # noqa: E402
from mien.serving.certificate import VALID_DAYS, certificate_for, user_folder  # noqa: E402

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAMES = ["192.168.1.20", "laptop.local", "localhost", "::1"]


def test_it_is_kept_and_its_key_is_private(tmp_path):
    folder = tmp_path / "kept"
    made = certificate_for(NAMES, NOW, folder)
    again = certificate_for(NAMES[:2], NOW + datetime.timedelta(days=300), folder)
    assert made.made and not again.made and made.fingerprint == again.fingerprint
    assert stat.S_IMODE(made.key_path.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["certificate.pem", "key.pem"]


def test_it_stands_for_the_names_for_as_long_as_phones_take(tmp_path):
    made = certificate_for(NAMES, NOW, tmp_path)
    read = x509.load_pem_x509_certificate(made.path.read_bytes())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(entry.value) for entry in names] == NAMES == list(made.names)
    assert (read.not_valid_after_utc - read.not_valid_before_utc).days == VALID_DAYS < 398
    usage = read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert usage == x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    assert len(made.fingerprint.split(":")) == 32


def test_another_network_makes_a_new_one_for_both(tmp_path):
    first = certificate_for(NAMES, NOW, tmp_path)
    second = certificate_for(["10.0.0.7"], NOW, tmp_path)
    assert second.made and second.fingerprint != first.fingerprint
    assert not certificate_for(NAMES, NOW, tmp_path).made


def test_an_old_one_is_renewed(tmp_path):
    first = certificate_for(NAMES, NOW, tmp_path)
    assert certificate_for(NAMES, NOW + datetime.timedelta(days=390), tmp_path).fingerprint != first.fingerprint


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
@pytest.mark.parametrize("content", [b"", b"no certificate", None])
def test_a_broken_or_missing_file_is_made_anew(tmp_path, name, content):
    certificate_for(NAMES, NOW, tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    assert certificate_for(NAMES, NOW, tmp_path).made


@pytest.mark.skipif(os.name != "posix", reason="modes of files are posix")
def test_a_key_that_others_can_read_is_refused(tmp_path):
    certificate_for(NAMES, NOW, tmp_path).key_path.chmod(0o644)
    with pytest.raises(StorageError, match="can be read by others"):
        certificate_for(NAMES, NOW, tmp_path)


def test_a_folder_that_cannot_be_made_is_a_stated_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        certificate_for(NAMES, NOW, tmp_path / "file" / "folder")


def test_it_is_kept_among_what_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "mien"
