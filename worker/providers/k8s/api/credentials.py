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

import certifi

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
        self.context: ssl.SSLContext | None = None
        self._settings = settings
        self._file: Watched | None = None
        if settings.k8s_rest_api_url.startswith("https:"):
            self.context = _context(settings.k8s_tls_server_name)
            if settings.k8s_allow_selfsigned_cert:
                _verify_nothing(self.context)
            else:
                self._file = Watched(Path(settings.k8s_ca_path), every)
                _load_authorities(self.context, settings.k8s_ca_path)
            if settings.k8s_auth_type == "client-cert" or settings.k8s_client_cert is not None:
                _show_certificate(self.context, settings)

    def refresh(self) -> None:
        """Trust the CAs that the file holds now as well; those before it stay until a restart."""
        if self._file is None or self.context is None or not self._file.changed():
            return
        try:
            self.context.load_verify_locations(cafile=str(self._file.path))
        except (OSError, ssl.SSLError) as error:
            log.warning("CA file %s: %s; the former CAs stay", self._file.path, error)

    def of_proxy(self) -> ssl.SSLContext:
        """Return the context for a proxy that speaks TLS itself.

        kubectl checks its certificate by the CAs of the cluster; public CAs are trusted as well.
        """
        context = ssl.create_default_context()
        if self._settings.k8s_allow_selfsigned_cert:
            _verify_nothing(context)
            return context
        context.load_verify_locations(cafile=certifi.where())
        if self._file is not None:
            _load_authorities(context, str(self._file.path))
        return context


class _NamedServer(ssl.SSLContext):
    """A context for one server that has another name in TLS than in its URL.

    The name is set here, because not every client library lets a request name it: httpcore 1.0.9
    does not behind a proxy.
    """

    name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Start TLS with the server of this name, whatever the host of its URL."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


def _context(name: str | None) -> ssl.SSLContext:
    if name is None:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    named = _NamedServer(ssl.PROTOCOL_TLS_CLIENT)
    named.name = name
    return named


def _verify_nothing(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"PLT_K8S_CA_PATH={path!r}: expected a readable file with PEM certificates: "
            f"{error.strerror or error}"
        ) from error
    # As Go does, take a certificate of the file as the end of a chain, also where it is not
    # self-signed (the default from Python 3.13 on) ...
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # ... and a CA without an authority key identifier, which Python 3.13 began to refuse.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)


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
    expected = "expected PEM in base64, of a client certificate and its key"
    if value is None:
        raise ConfigurationError(f"{name} is not set: {expected}")
    try:
        pem = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(f"{name}=(not shown): {expected}") from error
    if PEM_START not in pem:
        raise ConfigurationError(f"{name}=(not shown): {expected}")
    return pem
