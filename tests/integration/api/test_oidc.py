"""Access tokens of an identity provider: verified against its keys, and nothing else is believed."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.dripping import dripping
from tests.factories import make_user
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker

from fourpoint_api.clients import Clients
from fourpoint_api.settings import ApiSettings
from fourpoint_api.web import oidc
from fourpoint_api.web.signing_in import SignIn
from fourpoint_core.store.queries import users
from fourpoint_core.store.session import Sessions, unit_of_work

ISSUER, AUDIENCE = "https://login.example", "fourpoint"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ANOTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def public(key: Any, key_id: str, **more: Any) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, **more}


def token(key: Any = KEY, key_id: str | None = "one", algorithm: str = "RS256", **claims: Any) -> str:
    """A good access token of ada; claims that are None are left out."""
    all_claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "00u1",
        "exp": time.time() + 600,
        "preferred_username": "ada",
        **claims,
    }
    payload = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers={"kid": key_id} if key_id else None)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The provider's keys, in a file."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public(KEY, "one"), public(CURVE, "curve")]}))
    return path


@pytest.fixture
def service(
    api_clients: Clients, api_settings: ApiSettings, app_over: AppMaker, keys: Path
) -> Callable[..., Any]:
    """Makes clients of an API that trusts the provider, by the token that they carry."""

    def make(**changes: Any) -> Callable[[str], FlaskClient]:
        oidc = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks": str(keys)}
        settings = replace(api_settings, **{**oidc, "auth_cache_seconds": 1e-9, **changes})
        settings.check()
        sign_in = SignIn(settings, api_clients.sessions)
        app = app_over(replace(api_clients, settings=settings, sign_in=sign_in))
        return lambda bearer: CheckedClient(app, bearer)

    return make


@pytest.fixture
def me(service: Callable[..., Any]) -> Callable[[str], Any]:
    """What `GET /v1/me` answers to a bearer."""
    signed_in_with = service()
    return lambda bearer: signed_in_with(bearer).get("/v1/me")


def test_whom_the_provider_knows_becomes_a_user(me: Callable[[str], Any]) -> None:
    answer = me(token())
    assert answer.status_code == 200, answer.json
    assert (answer.json["name"], answer.json["is_admin"], answer.json["scope"]) == ("ada", False, "manage")


def test_the_same_subject_is_the_same_user(me: Callable[[str], Any]) -> None:
    assert me(token()).json["id"] == me(token(preferred_username="Ada L.")).json["id"]


def test_another_subject_is_another_user_also_under_the_same_name(me: Callable[[str], Any]) -> None:
    ada, impostor = me(token()).json, me(token(sub="00u2")).json
    assert ada["id"] != impostor["id"]
    assert ada["name"] != impostor["name"]


def test_a_name_of_the_provider_opens_nothing_of_a_user_of_ours(
    me: Callable[[str], Any], sessions: Sessions
) -> None:
    make_user(sessions, "root", is_admin=True)
    answer = me(token(preferred_username="root")).json
    assert answer["is_admin"] is False


def test_first_requests_at_once_make_one_user(me: Callable[[str], Any]) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: me(token()), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"preferred_username": None, "name": "Ada Lovelace"}, "Ada Lovelace"),
        ({"preferred_username": " ", "email": "ada@example.org"}, "ada@example.org"),
        ({"preferred_username": None}, "00u1"),
        ({"preferred_username": "a\x00d\na"}, "ada"),
        ({"preferred_username": ["ada"]}, "00u1"),
        ({"preferred_username": "x" * 500}, "x" * 100),
        ({"preferred_username": "A\u030a\u202eda"}, "\u00c5da"),
    ],
)
def test_a_person_is_called_as_the_provider_says(
    me: Callable[[str], Any], claims: dict[str, Any], expected: str
) -> None:
    assert me(token(**claims)).json["name"] == expected


def test_keys_may_be_on_curves(me: Callable[[str], Any]) -> None:
    assert me(token(CURVE, "curve", "ES256")).status_code == 200


def public_pem() -> bytes:
    return KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def segment(document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def hmac_with_the_public_key() -> str:
    # PyJWT refuses to make what attackers make; an `oct` key of the same bytes does.
    key = jwt.PyJWK({"kty": "oct", "k": segment(public_pem().decode()), "alg": "HS256"})
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "00u1", "exp": time.time() + 600}
    unsigned = f"{segment({'alg': 'HS256', 'kid': 'one'})}.{segment(claims)}"
    signature = key.Algorithm.sign(unsigned.encode(), key.key)
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


FORGED = {
    "signed by another": lambda: token(ANOTHER),
    "of an unknown key": lambda: token(ANOTHER, "two"),
    "of no key in particular": lambda: token(key_id=None),
    "of another issuer": lambda: token(iss="https://evil.example"),
    "of an issuer that begins alike": lambda: token(iss=ISSUER + ".evil.example"),
    "without an issuer": lambda: token(iss=None),
    "for another service": lambda: token(aud="another"),
    "for nobody": lambda: token(aud=None),
    "expired": lambda: token(exp=time.time() - 60),
    "without an end": lambda: token(exp=None),
    "without a subject": lambda: token(sub=None),
    "with an empty subject": lambda: token(sub=""),
    "with a subject that is no text": lambda: token(sub="a\x00b"),
    "with a subject that is a novel": lambda: token(sub="x" * 256),
    "of tomorrow": lambda: token(nbf=time.time() + 3600),
    "that ends in eternity": lambda: token(exp=10**30),
    "unsigned": lambda: jwt.encode({"sub": "00u1"}, None, "none", headers={"kid": "one"}),
    "with the public key for a secret": hmac_with_the_public_key,
    "of another algorithm than its key": lambda: token(algorithm="PS256"),
    "of an algorithm that is not pinned": lambda: token(algorithm="RS512"),
    "with a header that is no JSON": lambda: f"{segment('{')}.{segment({})}.x",
    "with a header without a bottom": lambda: f"{segment('[' * 10_000)}.{segment({})}.x",
    "with a key id that is no text": lambda: f"{segment({'alg': 'RS256', 'kid': {}})}.{segment({})}.x",
    "in pieces": lambda: "..",
    "cut short": lambda: token()[:-10],
    "with something in its middle": lambda: token().replace(".", ".A", 1),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_token_opens_nothing_when_it_is(me: Callable[[str], Any], what: str) -> None:
    answer = me(FORGED[what]())
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")


def test_a_refused_token_makes_no_user(me: Callable[[str], Any], sessions: Sessions) -> None:
    for forge in FORGED.values():
        me(forge())
    with unit_of_work(sessions) as session:
        assert [user.name for user in users.all_users(session)] == ["local"]


def test_a_symmetric_key_among_the_providers_is_not_used(service: Callable[..., Any], keys: Path) -> None:
    secret = b"a secret of thirty-two bytes or more"
    oct_key = {"kty": "oct", "k": base64.urlsafe_b64encode(secret).decode(), "kid": "oct", "alg": "HS256"}
    keys.write_text(json.dumps({"keys": [oct_key, public(KEY, "one")]}))
    forged = token(secret, "oct", "HS256")
    assert service()(forged).get("/v1/me").json["code"] == "token_invalid"


def test_a_key_to_encrypt_with_signs_nothing(service: Callable[..., Any], keys: Path) -> None:
    keys.write_text(json.dumps({"keys": [public(KEY, "one", use="enc"), public(CURVE, "curve")]}))
    assert service()(token()).get("/v1/me").json["code"] == "token_invalid"


def test_the_only_key_need_not_be_named(service: Callable[..., Any], keys: Path) -> None:
    keys.write_text(json.dumps({"keys": [public(KEY, "one")]}))
    assert service()(token(key_id=None)).get("/v1/me").status_code == 200


@pytest.mark.parametrize("groups", [["staff", "labeling-admins"], "labeling-admins"])
def test_a_claim_makes_admins(service: Callable[..., Any], groups: object) -> None:
    client = service(oidc_admin_claim="groups", oidc_admin_value="labeling-admins")(token(groups=groups))
    assert client.get("/v1/me").json["is_admin"] is True
    assert client.post("/v1/users", json={"name": "bob"}).status_code == 201


@pytest.mark.parametrize(
    "groups", [None, [], "labeling-admins-not", ["labeling"], {"labeling-admins": 1}, True]
)
def test_nothing_else_does(service: Callable[..., Any], groups: object) -> None:
    client = service(oidc_admin_claim="groups", oidc_admin_value="labeling-admins")(token(groups=groups))
    assert client.get("/v1/me").json["is_admin"] is False


def test_an_admin_by_claim_is_one_for_as_long_as_the_claim_is_there(service: Callable[..., Any]) -> None:
    make = service(oidc_admin_claim="groups", oidc_admin_value="admins")
    assert make(token(groups=["admins"])).get("/v1/me").json["is_admin"] is True
    assert make(token()).get("/v1/me").json["is_admin"] is False


def test_without_sign_up_only_those_who_were_added_come_in(
    service: Callable[..., Any], sessions: Sessions
) -> None:
    make = service(oidc_sign_up=False)
    assert make(token()).get("/v1/me").json["code"] == "token_invalid"
    make_user(sessions, "ada", identity=(ISSUER, "00u1"))
    assert make(token()).get("/v1/me").json["name"] == "ada"


def test_an_admin_adds_a_person_by_subject(service: Callable[..., Any]) -> None:
    make = service(oidc_sign_up=False, oidc_admin_claim="groups", oidc_admin_value="admins")
    with_sign_up = service(oidc_admin_claim="groups", oidc_admin_value="admins")
    admin = with_sign_up(token(sub="00u0", groups=["admins"]))
    assert admin.post("/v1/users", json={"name": "Ada", "oidc_subject": "00u1"}).status_code == 201
    assert make(token()).get("/v1/me").json["name"] == "Ada"


def test_who_is_shut_out_stays_out(me: Callable[[str], Any], sessions: Sessions) -> None:
    user_id = me(token()).json["id"]
    with unit_of_work(sessions) as session:
        users.change_user(session, users.get_user(session, user_id), is_disabled=True)
    assert me(token()).json["code"] == "token_invalid"


def test_who_signs_in_makes_tokens_that_outlive_the_session(service: Callable[..., Any]) -> None:
    made = service()(token()).post("/v1/tokens", json={"name": "export", "expires_in_days": 30}).json
    assert made["expires_at"] > time.strftime("%Y-%m-%d", time.gmtime(time.time() + 28 * 86400))


# Keys that change, and a provider that is away


def test_a_new_key_is_found_once_it_is_needed(
    service: Callable[..., Any], keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "LOOK_AGAIN_SECONDS", 0.0)
    make = service()
    assert make(token()).get("/v1/me").status_code == 200
    keys.write_text(json.dumps({"keys": [public(ANOTHER, "two")]}))
    assert make(token(ANOTHER, "two")).get("/v1/me").status_code == 200
    assert make(token()).get("/v1/me").status_code == 401


def test_unknown_keys_make_nobody_look_more_than_once_a_minute(service: Callable[..., Any], keys: Path) -> None:
    make = service()
    assert make(token()).get("/v1/me").status_code == 200
    keys.write_text(json.dumps({"keys": [public(ANOTHER, "two")]}))
    assert make(token(ANOTHER, "two")).get("/v1/me").status_code == 401


def test_a_key_that_was_withdrawn_is_not_trusted_for_ever(
    service: Callable[..., Any], keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "LOOK_AGAIN_SECONDS", 0.0)
    make = service()
    assert make(token()).get("/v1/me").status_code == 200
    keys.write_text(json.dumps({"keys": [public(ANOTHER, "two")]}))
    monkeypatch.setattr(oidc, "KEEP_SECONDS", -1.0)
    assert make(token()).get("/v1/me").status_code == 401


@pytest.mark.parametrize(
    "content", [None, "", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}', "<html>"]
)
def test_without_keys_a_request_is_told_to_come_again(
    service: Callable[..., Any], keys: Path, content: str | None
) -> None:
    if content is None:
        keys.unlink()
    else:
        keys.write_text(content)
    answer = service()(token()).get("/v1/me")
    assert (answer.status_code, answer.json["code"]) == (503, "identity_provider_unavailable")
    assert answer.headers["Retry-After"]


def test_keys_that_are_known_do_while_the_provider_is_away(
    service: Callable[..., Any], keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(oidc, "KEEP_SECONDS", -1.0)
    make = service()
    assert make(token()).get("/v1/me").status_code == 200
    keys.unlink()
    assert make(token()).get("/v1/me").status_code == 200


@pytest.fixture
def provider(keys: Path) -> Iterator[str]:
    """Serves the keys over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            moved = self.path == "/moved"
            self.send_response(302 if moved else 200)
            if moved:
                self.send_header("Location", "/jwks")
            self.end_headers()
            self.wfile.write(b"" if moved else keys.read_bytes())

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_may_be_at_an_address(service: Callable[..., Any], provider: str) -> None:
    assert service(oidc_jwks=f"{provider}/jwks")(token()).get("/v1/me").status_code == 200


def test_an_address_that_sends_us_elsewhere_is_not_followed(service: Callable[..., Any], provider: str) -> None:
    answer = service(oidc_jwks=f"{provider}/moved")(token()).get("/v1/me")
    assert answer.json["code"] == "identity_provider_unavailable"


def test_keys_that_never_end_are_given_up(service: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "FETCH_SECONDS", 1.0)
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        answer = service(oidc_jwks=f"http://127.0.0.1:{port}/")(token()).get("/v1/me")
    assert answer.json["code"] == "identity_provider_unavailable"


@pytest.mark.parametrize(
    "document",
    [
        "[" * 100_000,
        '{"keys": ' + "9" * 100_000 + "}",
        '{"keys": [NaN]}',
        '{"keys": [], "keys": []}',
        '{"keys": 5}',
        '{"keys": [5]}',
        '{"keys": [{"kty": "RSA", "alg": ["RS256"]}]}',
        '{"keys": [{"kty": "RSA", "n": 5, "e": []}]}',
        '{"keys": [{"kty": "EC", "crv": {}, "x": 5}]}',
    ],
    ids=lambda document: document[:40],
)
def test_keys_that_are_none_are_none(service: Callable[..., Any], keys: Path, document: str) -> None:
    keys.write_text(document)
    answer = service()(token()).get("/v1/me")
    assert (answer.status_code, answer.json["code"]) == (503, "identity_provider_unavailable")


@pytest.mark.parametrize("odd", [{"use": ["sig"]}, {"kid": ["one"]}])
def test_a_key_that_says_odd_things_is_none(service: Callable[..., Any], keys: Path, odd: Any) -> None:
    keys.write_text(json.dumps({"keys": [{**public(KEY, "one"), **odd}]}))
    answer = service()(token()).get("/v1/me")
    assert (answer.status_code, answer.json["code"]) == (503, "identity_provider_unavailable")


@pytest.mark.parametrize("claims", [{"exp": []}, {"exp": "9999999999"}, {"nbf": {}}, {"iat": []}, {"aud": 5}])
def test_claims_of_another_kind_open_nothing(me: Callable[[str], Any], claims: dict[str, Any]) -> None:
    answer = me(token(**claims))
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")


def test_an_address_that_does_not_answer_is_told(service: Callable[..., Any]) -> None:
    answer = service(oidc_jwks="http://127.0.0.1:1/jwks")(token()).get("/v1/me")
    assert answer.json["code"] == "identity_provider_unavailable"
