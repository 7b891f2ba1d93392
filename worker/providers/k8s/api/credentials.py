"""Credentials for the API server and trust in it: token, client certificate and CAs.

Changed files are read again, because the kubelet replaces tokens and CAs in place.
"""

import base64
import logging
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi

from contracts.process.environment import ConfigurationError, Secret
from contracts.process.renewal import CHECK_INTERVAL_S, WatchedFile
from worker.providers.k8s.settings import Settings

log = logging.getLogger(__name__)

PEM_START = "-----BEGIN"


class Token:
    """A bearer token in a file."""

    def __init__(self, path: str, interval_s: float = CHECK_INTERVAL_S) -> None:
        self._file = WatchedFile(Path(path), interval_s)
        try:
            self._text = self._read()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigurationError(
                f"PLT_K8S_TOKEN_PATH={path!r}: expected a readable file with a token: {reason}"
            ) from error

    def text(self) -> str:
        """Return the current token."""
        if self._file.changed():
            self.renew()
        return self._text

    def renew(self) -> None:
        """Read the token again; keep the former token if the file cannot be read."""
        try:
            self._text = self._read()
        except (OSError, ValueError) as error:
            log.warning("token file %s: %s; keeping the former token", self._file.path, error)

    def _read(self) -> str:
        text = self._file.path.read_bytes().strip().decode("ascii", errors="replace")
        if not text or not text.isascii() or any(not " " < character <= "~" for character in text):
            raise ValueError("the file has no token: expected one word of printable characters")
        return text


class Trust:
    """The TLS context for the API server: trusted CAs and the client certificate."""

    def __init__(self, settings: Settings, interval_s: float = CHECK_INTERVAL_S) -> None:
        self.context: ssl.SSLContext | None = None
        self._settings = settings
        self._file: WatchedFile | None = None
        self._certificate: tuple[Secret, Secret] | None = None
        if settings.k8s_rest_api_url.startswith("https:"):
            self.context = _context(settings.k8s_tls_server_name)
            if settings.k8s_allow_selfsigned_cert:
                _disable_verification(self.context)
            else:
                self._file = WatchedFile(Path(settings.k8s_ca_path), interval_s)
                _load_authorities(self.context, settings.k8s_ca_path)
            if settings.k8s_auth_type == "client-cert" or settings.k8s_client_cert:
                self._certificate = settings.k8s_client_cert, settings.k8s_client_key
            self.load_certificate()

    def load_certificate(self) -> None:
        """Load the client certificate for new connections; raises ConfigurationError."""
        if self.context is not None and self._certificate is not None:
            _load_client_certificate(self.context, *self._certificate)

    def refresh(self) -> None:
        """Also trust the CAs that were added to the file; former CAs stay until a restart."""
        if self._file is None or self.context is None or not self._file.changed():
            return
        try:
            self.context.load_verify_locations(cafile=str(self._file.path))
        except (OSError, ssl.SSLError) as error:
            log.warning("CA file %s: %s; keeping the former CAs", self._file.path, error)

    def proxy_context(self) -> ssl.SSLContext:
        """Return the TLS context for an https proxy.

        kubectl verifies the proxy's certificate with the cluster's CAs; public CAs are trusted too.
        """
        context = ssl.create_default_context()
        if self._settings.k8s_allow_selfsigned_cert:
            _disable_verification(context)
            return context
        context.load_verify_locations(cafile=certifi.where())
        if self._file is not None:
            _load_authorities(context, str(self._file.path))
        return context


class _NamedServer(ssl.SSLContext):
    """A TLS context for a server whose certificate has a different name than its URL.

    The name belongs to the context because httpcore 1.0.9 ignores a request's server name behind
    a proxy.
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
        """Start TLS with the configured server name instead of the host of the URL."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


def _context(name: str | None) -> ssl.SSLContext:
    if name is None:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    named = _NamedServer(ssl.PROTOCOL_TLS_CLIENT)
    named.name = name
    return named


def _disable_verification(context: ssl.SSLContext) -> None:
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
    # As in Go, a certificate of the file may end a chain without being self-signed (the default
    # since Python 3.13), ...
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # ... and a CA needs no authority key identifier, which Python 3.13 requires.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)


def _load_client_certificate(context: ssl.SSLContext, certificate: Secret, key: Secret) -> None:
    pems = _pem("PLT_K8S_CLIENT_CERT", certificate), _pem("PLT_K8S_CLIENT_KEY", key)
    # The ssl module reads keys only from files: a temporary one that only this user may read.
    with TemporaryDirectory(prefix="machinist-") as folder:
        files = Path(folder, "certificate"), Path(folder, "key")
        for file, pem in zip(files, pems, strict=True):
            file.write_bytes(pem)
        try:
            # First into another context: a wrong pair would remove the former certificate.
            for each in (ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), context):
                each.load_cert_chain(*files, password="")
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(
                f"{certificate.source} and {key.source}: expected a certificate and the "
                f"unencrypted key that belongs to it, in PEM: {error}"
            ) from error


def _pem(name: str, value: Secret) -> bytes:
    expected = "expected PEM, or PEM in base64, of a client certificate and its key"
    if not value:
        raise ConfigurationError(f"{name} is not set: {expected}")
    text = value.read()
    if PEM_START in text:
        return text.encode()
    try:
        pem = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise value.wrong(expected) from None
    if PEM_START.encode() not in pem:
        raise value.wrong(expected)
    return pem
