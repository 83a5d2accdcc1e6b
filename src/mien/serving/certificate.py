"""A certificate for HTTPS on the local network, signed by itself: made on first use, kept, its fingerprint shown.

Browsers give a page the microphone only over HTTPS, or on the machine itself. A phone that opens the page asks whether
to trust the certificate; the fingerprint in the terminal is what to compare.
"""

import datetime
import ipaddress
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import ModelError, StorageError
from mien.files import flush, read_bytes, storing

VALID_DAYS = 397
"""Phones refuse certificates that are valid for longer than 825 days, some for longer than 398."""

RENEW_DAYS = 14
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's files.

    Args:
        fingerprint: SHA-256 of the certificate, as browsers show it.
        names: for which it stands. made: whether it is new, and browsers will ask.
    """

    path: Path
    key_path: Path
    fingerprint: str
    names: tuple[str, ...]
    made: bool


def user_folder() -> Path:
    """Return where a person's programs keep what is theirs.

    Raises:
        StorageError: the system knows of no such place.
    """
    try:
        return _user_folder()
    except RuntimeError:
        raise StorageError(
            "this user has no home folder: set HOME, or XDG_CONFIG_HOME, to a folder of theirs"
        ) from None


def _user_folder() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", Path.home()))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "mien"


def certificate_for(names: Sequence[str], now: datetime.datetime, folder: Path | None = None) -> Certificate:
    """Return the certificate kept in a folder; where none is, or it is old or lacks a name, make one.

    Args:
        names: addresses and host names that it must stand for. A new one stands for the old one's too, so that going
            between two networks does not ask again each time.
        now: the time, with its zone.
        folder: None takes the user's.

    Raises:
        ModelError: the package `cryptography` is not installed. StorageError: the folder cannot be written, or others
            can read the key.
    """
    folder = user_folder() if folder is None else folder
    path, key_path = folder / "certificate.pem", folder / "key.pem"
    kept = _kept(path, key_path)
    if kept is not None:
        has = _names(kept)
        if set(names) <= set(has) and kept.not_valid_after_utc - now > datetime.timedelta(days=RENEW_DAYS):
            return Certificate(path, key_path, fingerprint(kept), tuple(has), made=False)
        names = [*dict.fromkeys([*names, *has])][:50]
    certificate, key = _made(list(names), now)
    _write_private(key_path, key)
    _write_private(path, _pem(certificate))
    return Certificate(path, key_path, fingerprint(certificate), tuple(_names(certificate)), made=True)


def fingerprint(certificate: Any) -> str:
    """Return a certificate's SHA-256 in pairs of hexadecimal digits."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _kept(path: Path, key_path: Path) -> Any:
    """Return the certificate that is there, None where it or its key is missing or cannot be read."""
    x509, serialization = _cryptography()
    try:
        certificate = x509.load_pem_x509_certificate(read_bytes(path, StorageError, MOST_BYTES))
        key = serialization.load_pem_private_key(read_bytes(key_path, StorageError, MOST_BYTES), password=None)
        mode = stat.S_IMODE(key_path.stat().st_mode)
    except (StorageError, OSError, ValueError, TypeError):
        return None
    if os.name == "posix" and mode & 0o077:
        raise StorageError(
            f"{key_path} can be read by others (mode {mode:04o}); delete it, and a new certificate is made"
        )
    return certificate if certificate.public_key() == key.public_key() else None


def _names(certificate: Any) -> list[str]:
    x509, _ = _cryptography()
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(entry.value) for entry in found]


def _made(names: list[str], now: datetime.datetime) -> tuple[Any, bytes]:
    """Return a new certificate and its key, as PEM."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    x509, serialization = _cryptography()
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mien on this network")])
    days = datetime.timedelta(days=1)
    usage = x509.KeyUsage(
        digital_signature=True,
        **dict.fromkeys(
            [
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ],
            False,
        ),
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - days)  # clocks of phones differ
        .not_valid_after(now + VALID_DAYS * days - days)
        .add_extension(x509.SubjectAlternativeName([_general_name(x509, name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate, written


def _general_name(x509: Any, name: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: Any) -> bytes:
    _, serialization = _cryptography()
    return bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, at no moment otherwise."""
    with storing(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                flush(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise ModelError("HTTPS needs the package cryptography: pip install 'mien[live]'") from None
    return x509, serialization
