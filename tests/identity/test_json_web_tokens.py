"""JSON Web Tokens: those of a service account, clock skew, groups, and keys that change."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.bearer import BearerAuthentication
from gateway.identity.json_web_tokens import key_sets
from gateway.identity.json_web_tokens.key_sets import KeyFile, Keys
from gateway.identity.json_web_tokens.verifier import VERIFIED, Expected, JsonWebTokens
from gateway.identity.refused import Refused
from gateway.identity.requester import Subject
from gateway.identity.watched_file import InvalidFile, WatchedFile
from tests.identity.guarded import (
    EXPECTED,
    LEEWAY_S,
    Guarded,
    bearer,
    by_issuer,
    rights_of,
    rule,
)
from tests.identity.issuers import Issuer, claims_of, key_set

MACHINES = "/memory/machines/shop"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
SERVICE_ACCOUNT = "system:serviceaccount:platformatic:icc"


class CountedKeys:
    """Keys in memory, which counts the look-ups that a signature needs."""

    def __init__(self, *issuers: Issuer) -> None:
        self.keys: Keys = key_sets.parse(key_set(*issuers))
        self.finds = 0

    def get(self, kid: str) -> Any:
        return self.keys.get(kid)

    async def find(self, kid: str) -> Any:
        self.finds += 1
        return self.keys.get(kid)

    async def run(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


async def message_of(tokens: JsonWebTokens, token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(Refused) as raised:
        await tokens.verify(token)
    assert token not in raised.value.message
    return raised.value.message


async def test_the_projected_token_of_a_service_account_is_accepted(tmp_path: Path) -> None:
    """The claims and the key set have the form of a Kubernetes API server's."""
    cluster = Issuer("8hJkR7wPpV0m2m0kYV8eD2yK3sX0n3d7mA0wS2f0b5o", "RS256")
    now = int(time.time())
    projected = {
        "iss": CLUSTER,
        "aud": ["machinist"],
        "exp": now + 3607,
        "iat": now,
        "nbf": now,
        "jti": "ea28ed49-2e11-4280-9ec5-bc3d1d84661a",
        "kubernetes.io": {
            "namespace": "platformatic",
            "node": {"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
            "pod": {"name": "icc-69cbfb9798-jv9gn", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
            "serviceaccount": {"name": "icc", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
            "warnafter": now + 3600,
        },
    }
    token = cluster.token(SERVICE_ACCOUNT, headers={"typ": None}, **projected)
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(cluster))
    keys = KeyFile(WatchedFile("PLT_JWT_JWKS", str(path), key_sets.parse))
    tokens = JsonWebTokens(keys, Expected(CLUSTER, "machinist", 30, "groups"))
    rights = rights_of(tmp_path, rule("system:serviceaccount:platformatic:*"))
    guarded = Guarded(BearerAuthentication(tokens), rights)

    answer = await guarded.client.get(MACHINES, headers=bearer(token))

    assert answer.status == 200
    [(_, _, context)] = guarded.caller.calls
    assert context.requested_by == SERVICE_ACCOUNT


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS512", "PS256"])
async def test_a_token_with_each_kind_of_asymmetric_signature_is_accepted(algorithm: str) -> None:
    other = Issuer(algorithm=algorithm)

    assert await JsonWebTokens(CountedKeys(other), EXPECTED).verify(other.token()) == Subject("ci")


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"exp": -LEEWAY_S + 60}, True),
        ({"exp": -LEEWAY_S - 60}, False),
        ({"nbf": LEEWAY_S - 60}, True),
        ({"nbf": LEEWAY_S + 60}, False),
        ({"iat": LEEWAY_S - 60}, True),
        ({"iat": LEEWAY_S + 60}, False),
    ],
)
async def test_clocks_may_differ_by_the_leeway(
    issuer: Issuer, changes: Any, accepted: bool
) -> None:
    now = int(time.time())
    token = issuer.token(**{name: now + seconds for name, seconds in changes.items()})
    tokens = JsonWebTokens(CountedKeys(issuer), EXPECTED)

    if accepted:
        await tokens.verify(token)
    else:
        assert await message_of(tokens, token) in {
            "the token has expired",
            "the token is not valid yet: compare the clocks",
        }


async def test_a_refusal_says_what_was_expected(issuer: Issuer) -> None:
    tokens = JsonWebTokens(CountedKeys(issuer), EXPECTED)

    assert await message_of(tokens, issuer.token(aud="x")) == (
        "expected a token for the audience machinist"
    )
    assert await message_of(tokens, issuer.token(iss="x")) == (
        "expected a token of the issuer https://issuer.test"
    )
    assert await message_of(tokens, issuer.token(exp=None)) == "expected a token with the claim exp"
    assert "does not publish" in await message_of(tokens, Issuer("other").token())


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["platform", "sales"], ("platform", "sales")),
        ("platform", ("platform",)),
        ([], ()),
        (None, ()),
        ({"platform": True}, ()),
        (["platform", 7, None, "a\nb", ""], ("platform",)),
    ],
)
async def test_groups_come_from_their_claim(
    issuer: Issuer, claim: Any, groups: tuple[str, ...]
) -> None:
    tokens = JsonWebTokens(CountedKeys(issuer), EXPECTED)

    assert await tokens.verify(issuer.token(groups=claim)) == Subject("ci", groups)


async def test_the_name_of_the_claim_with_the_groups_is_configurable(issuer: Issuer) -> None:
    expected = Expected(EXPECTED.issuer, EXPECTED.audience, 0, "cognito:groups")
    claims: dict[str, Any] = {"cognito:groups": ["platform"], "groups": ["other"]}
    token = issuer.token(**claims)

    subject = await JsonWebTokens(CountedKeys(issuer), expected).verify(token)

    assert subject.groups == ("platform",)


async def test_a_member_of_a_group_has_the_rights_of_the_group(
    tmp_path: Path, issuer: Issuer
) -> None:
    rights = rights_of(tmp_path, rule(groups=["platform-*"], classes=["read"]))
    guarded = Guarded(by_issuer(tmp_path, issuer), rights)

    member = await guarded.client.get(
        MACHINES, headers=bearer(issuer.token("ann", groups=["platform-eu"]))
    )
    other = await guarded.client.get(
        MACHINES, headers=bearer(issuer.token("ann", groups=["sales"]))
    )

    assert [member.status, other.status] == [200, 403]


async def test_a_token_is_verified_once_until_it_expires(issuer: Issuer) -> None:
    keys = CountedKeys(issuer)
    tokens = JsonWebTokens(keys, EXPECTED)
    token = issuer.token()

    for _ in range(3):
        assert await tokens.verify(token) == Subject("ci")

    assert keys.finds == 1


async def test_a_remembered_token_is_verified_again_after_its_expiry(issuer: Issuer) -> None:
    keys, seconds = CountedKeys(issuer), [time.time()]
    tokens = JsonWebTokens(keys, EXPECTED, now=lambda: seconds[0])
    token = issuer.token()
    until = claims_of(token)["exp"] + LEEWAY_S

    for seconds[0] in (until - 1, until - 1, until):
        await tokens.verify(token)

    assert keys.finds == 2


async def test_a_remembered_token_is_refused_when_its_key_is_withdrawn(issuer: Issuer) -> None:
    keys = CountedKeys(issuer)
    tokens = JsonWebTokens(keys, EXPECTED)
    token = issuer.token()
    await tokens.verify(token)

    keys.keys = key_sets.parse(key_set(Issuer("key-2")))

    assert "does not publish" in await message_of(tokens, token)


async def test_the_number_of_remembered_tokens_is_limited(issuer: Issuer) -> None:
    tokens = JsonWebTokens(CountedKeys(issuer), EXPECTED)
    for number in range(VERIFIED + 5):
        tokens._verified[b"%d" % number] = None  # type: ignore[assignment]  # signing 4,096 is slow
    before = len(tokens._verified)

    await tokens.verify(issuer.token())

    assert len(tokens._verified) == before


async def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    old, new = Issuer("old"), Issuer("new")
    path, seconds = tmp_path / "keys.json", [0.0]
    path.write_bytes(key_set(old))
    file = WatchedFile("PLT_JWT_JWKS", str(path), key_sets.parse, now=lambda: seconds[0])
    tokens = JsonWebTokens(KeyFile(file), EXPECTED)
    await tokens.verify(old.token())

    path.write_bytes(key_set(new, Issuer("another")))
    seconds[0] = 2.0

    assert await tokens.verify(new.token()) == Subject("ci")
    assert "does not publish" in await message_of(tokens, old.token())


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_token_that_is_signed_with_a_short_key_is_refused() -> None:
    short = Issuer(algorithm="RS256", bits=1024)

    message = await message_of(JsonWebTokens(CountedKeys(short), EXPECTED), short.token())

    assert message == "the key of the token is too short"


def test_only_keys_for_asymmetric_signatures_are_used(issuer: Issuer) -> None:
    good = issuer.jwk
    others = [
        good | {"kid": "for encryption", "use": "enc"},
        {"kid": "symmetric", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kid": "of another kind", "kty": "XYZ"},
        {"kid": "without a curve", "kty": "EC", "x": "AA", "y": "AA", "crv": "P-256"},
        {name: value for name, value in good.items() if name != "kid"},
        good | {"kid": 7},
        "a text",
        None,
    ]

    keys = key_sets.parse(key_set_of([*others, good]))

    assert keys.keys() == {issuer.kid}


def test_a_private_key_in_the_file_is_read_as_its_public_key(issuer: Issuer) -> None:
    keys = key_sets.parse(key_set_of([issuer.jwk | {"d": "AQAB"}]))

    assert not hasattr(keys[issuer.kid].key, "private_numbers")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected a JSON Web Key Set: "),
        (b"-----BEGIN PUBLIC KEY-----", "expected a JSON Web Key Set: "),
        (b"[]", "an object with a list `keys`"),
        (b'{"keys": {}}', "an object with a list `keys`"),
        (b'{"keys": []}', "expected at least one key with a `kid`, for one of RS256"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}', "got 1 keys"),
    ],
)
def test_a_file_without_a_usable_key_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        key_sets.parse(content)

    assert reason in str(raised.value)
    assert "c2VjcmV0" not in str(raised.value)


def key_set_of(keys: list[Any]) -> bytes:
    """Return a key set with any entries."""
    return json.dumps({"keys": keys}).encode()
