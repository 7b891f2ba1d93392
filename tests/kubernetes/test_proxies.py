"""The choice of the proxy for the API server, by the rules of client-go."""

import pytest

from contracts.process.environment import ConfigurationError, Secret
from worker.providers.k8s.api.proxies import proxy_of

PROXY = "http://proxy.example:3128"
API = "https://api.cluster.example:6443"
UNSET = Secret()


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (API, {}, None),
        (API, {"HTTPS_PROXY": PROXY}, PROXY),
        (API, {"https_proxy": PROXY}, PROXY),
        (API, {"HTTP_PROXY": PROXY}, None),
        ("http://api.cluster.example", {"HTTP_PROXY": PROXY}, PROXY),
        (API, {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        (API, {"HTTPS_PROXY": ""}, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://127.9.9.9", {"HTTPS_PROXY": PROXY}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://10.0.0.1", {"HTTPS_PROXY": PROXY}, PROXY),
    ],
)
def test_the_variable_of_the_scheme_names_the_proxy_except_for_loopback(url, environment, proxy):
    assert proxy_of(url, UNSET, environment) == proxy


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        (API, "*", True),
        (API, "example", True),
        (API, "cluster.example", True),
        (API, ".cluster.example", True),
        (API, "*.cluster.example", True),
        (API, "API.Cluster.Example", True),
        (API, "other, cluster.example", True),
        (API, "other cluster.example", True),
        (API, "cluster.example:6443", True),
        (API, "cluster.example:443", False),
        (API, "uster.example", False),
        ("https://cluster.example", ".cluster.example", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3", "10.1.2.4,192.168.0.0/16", False),
        ("https://10.1.2.3", "10.1.2.3/x", False),
        ("https://10.1.2.3", "2.3", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]", "fd00::1", True),
    ],
)
def test_no_proxy_accepts_hosts_domains_addresses_and_networks(url, no_proxy, direct):
    environment = {"HTTPS_PROXY": PROXY, "no_proxy": no_proxy}

    assert proxy_of(url, UNSET, environment) == (None if direct else PROXY)


@pytest.mark.parametrize(
    ("proxy", "read"),
    [
        ("socks5://u:p@host:1080", "socks5://u:p@host:1080"),
        ("socks5h://host", "socks5h://host"),
        ("HTTPS://host:3128/", "https://host:3128"),
        ("http://host:3128/path?a=b#c", "http://host:3128"),
        ("u:p@host:3128", "http://u:p@host:3128"),
    ],
)
def test_every_proxy_form_that_go_accepts_is_accepted(proxy, read):
    assert proxy_of(API, UNSET, {"HTTPS_PROXY": proxy}) == read


def test_the_configured_proxy_of_the_cluster_overrides_all_variables():
    environment = {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}

    for url in (API, "https://127.0.0.1:6443"):
        assert proxy_of(url, Secret("socks5://here:1080"), environment) == "socks5://here:1080"


@pytest.mark.parametrize(
    "wrong",
    [
        "ftp://u:secret@host:1",
        "socks4://u:secret@host:1",
        "http://",
        "http://a b",
        "http://u:secret@host:99999",
        "http://u:secret@host:0",
        "http://u:secret@[host",
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "PLT_K8S_PROXY_URL"])
def test_an_invalid_proxy_is_an_error_with_the_variable_but_not_its_value(wrong, name):
    named = Secret(wrong, name) if name.startswith("PLT") else UNSET
    message = rf"{name}=\(not shown\): expected a URL"

    with pytest.raises(ConfigurationError, match=message) as raised:
        proxy_of(API, named, {"HTTPS_PROXY": wrong})

    assert "secret" not in str(raised.value)
