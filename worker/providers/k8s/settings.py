"""The settings of the Kubernetes provider: environment variables with the prefix PLT_K8S_."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from contracts.process.environment import Secret, Url

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""The folder in which the kubelet puts the credentials of a pod."""

AuthType = Annotated[
    Literal["token", "client-cert", "none"],
    Meta(description="token, client-cert or none", examples=["token"]),
]
Pem = Annotated[
    Secret, Meta(description="PEM, or PEM in base64 as in the *-data fields of a kubeconfig")
]
ProxyUrl = Annotated[Secret, Meta(description="the URL of a proxy")]
HostName = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._:-]+\Z", description="the host name in the server's certificate"),
]
Flag = Annotated[bool, Meta(description="true or false")]
Concurrency = Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")]
Milliseconds = Annotated[int, Meta(ge=1, le=600_000, description="milliseconds, from 1 to 600000")]
GatewayNames = Annotated[
    str,
    Meta(
        pattern=r"^\s*[a-z0-9-]+/[a-z0-9.-]+(\s*,\s*[a-z0-9-]+/[a-z0-9.-]+)*\s*\Z",
        description="Gateways as namespace/name, several separated by commas",
    ),
]


class Settings(Struct, frozen=True):
    """The connection to one API server, and its limits."""

    k8s_rest_api_url: Url = "https://kubernetes.default.svc"
    k8s_auth_type: AuthType = "token"
    k8s_token_path: str = f"{SERVICE_ACCOUNT}/token"
    k8s_ca_path: str = f"{SERVICE_ACCOUNT}/ca.crt"
    k8s_allow_selfsigned_cert: Flag = False
    k8s_client_cert: Pem = Secret()
    k8s_client_key: Pem = Secret()
    """With the type `token` a client certificate is presented too, as in kubectl."""
    k8s_tls_server_name: HostName | None = None
    """The server name for TLS, if the certificate does not have the host of the URL."""
    k8s_proxy_url: ProxyUrl = Secret()
    """An http, https or socks5 proxy; it overrides the environment's proxies and NO_PROXY."""
    k8s_concurrency: Concurrency = 32
    """The number of concurrent reads, and separately of concurrent writes."""
    k8s_connect_timeout_ms: Milliseconds = 5000
    k8s_http2: Flag = False
    """HTTP/2 shares connections, but sends head and body of a request in two writes."""
    k8s_informers: Flag = True
    """False: every query asks the API server, and nothing is watched."""
    k8s_gateways: GatewayNames | None = None
    """Gateways in other namespaces that routes of all namespaces may attach to."""

    def gateways(self) -> tuple[tuple[str, str], ...]:
        """Return the namespaces and names of the shared Gateways."""
        names = [each.strip() for each in (self.k8s_gateways or "").split(",") if each.strip()]
        return tuple((each.partition("/")[0], each.partition("/")[2]) for each in names)
