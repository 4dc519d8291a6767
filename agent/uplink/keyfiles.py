"""Key files: PKCS#8 PEM (RFC 5958) with 0600 for the private key, SubjectPublicKeyInfo PEM (RFC 5280) in F.pub.

Both are what `openssl pkey` reads and writes. A private key that others may read is refused: whoever reads it is us.
"""

import contextlib
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from agent.uplink.sealing import PublicKey, Signer


class KeyFileError(Exception):
    """A key file that cannot be used; says what is wrong and how to mend it."""


def make_key(path: Path) -> Signer:
    """A new key in `path` and `path`.pub, durable; an existing file is never overwritten."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public_pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        _write(path, pem, 0o600)
        with contextlib.suppress(FileNotFoundError):
            public_path(path).unlink()  # of a key that is gone
        _write(public_path(path), public_pem, 0o644)
    except FileExistsError as error:
        raise KeyFileError(f"{path}: there is a key already; choose another name or move it away") from error
    except OSError as error:
        raise KeyFileError(f"{error.filename or path}: {error.strerror}; make the folder writable") from error
    return Signer(private)


def load_signer(path: Path) -> Signer:
    """The private key of a file."""
    try:
        data = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; make one with `ballast keygen --out {path}`") from error
    if mode & 0o027:
        raise KeyFileError(f"{path}: others may read or change it (mode {mode & 0o777:o}); chmod 600 {path}")
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: not an unencrypted PKCS#8 PEM private key: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: not an Ed25519 key; make one with `ballast keygen`")
    return Signer(private)


def load_public(path: Path) -> PublicKey:
    """The public key of a F.pub file."""
    try:
        public = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; give the .pub file that keygen wrote") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: not a PEM public key; give the .pub file that keygen wrote") from error
    if isinstance(public, Ed25519PublicKey):
        return PublicKey("Ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw))
    if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        return PublicKey("P-256", public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    raise KeyFileError(f"{path}: neither Ed25519 nor P-256")


def public_path(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


def _write(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
