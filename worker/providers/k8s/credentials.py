"""The worker's proof to the API server and the other way round: token, client certificate, CAs.

Files are read again when they change: the kubelet replaces tokens and CAs in place.
"""

import base64
import binascii
import logging
import ssl
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from contracts.environment import ConfigurationError
from worker.providers.k8s.settings import Settings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
PEM_START = b"-----BEGIN"


class Watched:
    """A file that others replace; looked at once a second at most, so that asking costs nothing."""

    def __init__(self, path: Path, every: float = LOOK_EVERY_S) -> None:
        self.path = path
        self._every = every
        self._mark = self._look()
        self._looked = time.monotonic()

    def changed(self) -> bool:
        """Whether it is another than when this was asked last; a missing file is no other."""
        now = time.monotonic()
        if now - self._looked < self._every:
            return False
        self._looked = now
        mark = self._look()
        if mark is None or mark == self._mark:
            return False
        self._mark = mark
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


class Token:
    """A bearer token in a file."""

    def __init__(self, path: str, every: float = LOOK_EVERY_S) -> None:
        self._file = Watched(Path(path), every)
        try:
            self._text = self._read()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigurationError(
                f"PLT_K8S_TOKEN_PATH={path!r}: expected a readable file with a token: {reason}"
            ) from error

    def text(self) -> str:
        """The token as it is now."""
        if self._file.changed():
            self.renew()
        return self._text

    def renew(self) -> None:
        """Read it again; what cannot be read leaves the former token."""
        try:
            self._text = self._read()
        except (OSError, ValueError) as error:
            log.warning("token file %s: %s; the former token stays", self._file.path, error)

    def _read(self) -> str:
        text = self._file.path.read_bytes().strip().decode("ascii", errors="replace")
        if not text or not text.isascii() or any(not " " < character <= "~" for character in text):
            raise ValueError("it holds no token: expected one word of printable characters")
        return text


class Trust:
    """Whom the worker takes for the API server, and as whom it shows itself in TLS."""

    def __init__(self, settings: Settings, every: float = LOOK_EVERY_S) -> None:
        self.context = ssl.create_default_context() if settings.k8s_allow_selfsigned_cert else None
        self._file: Watched | None = None
        if self.context is not None:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        elif settings.k8s_rest_api_url.startswith("https:"):
            self._file = Watched(Path(settings.k8s_ca_path), every)
            self.context = _authorities(settings.k8s_ca_path)
        if self.context is not None and settings.k8s_auth_type == "client-cert":
            _show_certificate(self.context, settings)

    def refresh(self) -> None:
        """Trust the CAs that the file holds now as well; those before it stay until a restart."""
        if self._file is None or self.context is None or not self._file.changed():
            return
        try:
            self.context.load_verify_locations(cafile=str(self._file.path))
        except (OSError, ssl.SSLError) as error:
            log.warning("CA file %s: %s; the former CAs stay", self._file.path, error)


def _authorities(path: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"PLT_K8S_CA_PATH={path!r}: expected a readable file with PEM certificates: "
            f"{error.strerror or error}"
        ) from error
    # Python 3.13 began to refuse CAs without an authority key identifier, which clusters have.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


def _show_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    certificate = _pem("PLT_K8S_CLIENT_CERT", settings.k8s_client_cert)
    key = _pem("PLT_K8S_CLIENT_KEY", settings.k8s_client_key)
    # The ssl module reads keys from files alone; this one is readable by us and gone at once.
    with TemporaryDirectory(prefix="machinist-") as folder:
        certificate_file, key_file = Path(folder, "certificate"), Path(folder, "key")
        certificate_file.write_bytes(certificate)
        key_file.write_bytes(key)
        try:
            context.load_cert_chain(certificate_file, key_file, password="")
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(
                "PLT_K8S_CLIENT_CERT and PLT_K8S_CLIENT_KEY (not shown): expected a certificate "
                f"and the unencrypted key that belongs to it, in PEM: {error}"
            ) from error


def _pem(name: str, value: str | None) -> bytes:
    expected = "expected PEM in base64, since PLT_K8S_AUTH_TYPE is client-cert"
    if value is None:
        raise ConfigurationError(f"{name} is not set: {expected}")
    try:
        pem = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(f"{name}=(not shown): {expected}") from error
    if PEM_START not in pem:
        raise ConfigurationError(f"{name}=(not shown): {expected}")
    return pem
