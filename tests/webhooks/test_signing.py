import base64
import hashlib
import hmac
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from procession.webhooks.signing import Secret, SecretRefused, parse_secrets, sign

BODY = '{"event_type":"process.updated","note":"grüße"}'.encode()
RAW_KEY = bytes(range(32))
WHSEC = "whsec_" + base64.b64encode(RAW_KEY).decode()


def now_s() -> int:
    return int(time.time())


def test_a_stock_verifier_accepts_a_base64_secret() -> None:
    headers = sign([Secret(WHSEC)], "p1_3", now_s(), BODY)
    assert Webhook(WHSEC).verify(BODY, headers) == json.loads(BODY)


def test_a_stock_verifier_accepts_a_plain_secret_as_its_bytes() -> None:
    headers = sign([Secret("correct horse".replace(" ", "-"))], "p1_3", now_s(), BODY)
    assert Webhook(b"correct-horse").verify(BODY, headers) == json.loads(BODY)


@given(key=st.binary(min_size=1, max_size=64), body=st.text(max_size=200))
def test_any_key_and_body_is_accepted_by_a_stock_verifier(key: bytes, body: str) -> None:
    data = json.dumps(body).encode()
    secret = "whsec_" + base64.b64encode(key).decode()
    assert Webhook(secret).verify(data, sign([Secret(secret)], "m", now_s(), data)) == body


def test_unpadded_base64_gives_the_same_key() -> None:
    padded = "whsec_" + base64.b64encode(b"1234567").decode()
    assert Secret(padded.rstrip("=")).key == Secret(padded).key == b"1234567"


@pytest.mark.parametrize("part", ["body", "id", "timestamp", "signature"])
def test_a_changed_part_is_noticed(part: str) -> None:
    headers = sign([Secret(WHSEC)], "p1_3", now_s(), BODY)
    body = BODY + b" " if part == "body" else BODY
    if part == "id":
        headers["webhook-id"] = "p1_4"
    if part == "timestamp":
        headers["webhook-timestamp"] = str(now_s() - 10)
    if part == "signature":
        headers["webhook-signature"] = "v1," + base64.b64encode(bytes(32)).decode()
    with pytest.raises(WebhookVerificationError):
        Webhook(WHSEC).verify(body, headers)


def test_during_a_rotation_old_and_new_secret_both_verify() -> None:
    new, old, foreign = WHSEC, "whsec_b2xkLW9sZC1vbGQtb2xk", "whsec_Zm9yZWlnbi1mb3JlaWdu"
    headers = sign(parse_secrets(f"{new} {old}"), "p1_3", now_s(), BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(foreign).verify(BODY, headers)


def test_the_phonefarm_signature_uses_the_newest_secret_as_text() -> None:
    headers = sign(parse_secrets(f"{WHSEC} older"), "p1_3", 1_700_000_000, BODY)
    expected = hmac.new(WHSEC.encode(), b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert headers["X-PhoneFarm-Timestamp"] == "1700000000"
    assert headers["X-PhoneFarm-Signature"] == expected


def test_without_a_secret_nothing_is_signed() -> None:
    assert sign(parse_secrets("  "), "p1_3", now_s(), BODY) == {}


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_***", "whsec_ab c", "a\r\nb", "x" * 513])
def test_an_unusable_secret_is_refused(text: str) -> None:
    with pytest.raises(SecretRefused):
        Secret(text)


def test_too_many_secrets_are_refused() -> None:
    with pytest.raises(SecretRefused):
        parse_secrets("a b c d e f g h i")


def test_a_secret_does_not_show_in_logs() -> None:
    assert WHSEC not in repr(Secret(WHSEC))
    assert "x00" not in repr(Secret(WHSEC))
