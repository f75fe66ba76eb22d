"""A secret is hidden wherever it stands, and what is told besides stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_dcos.installer.redaction import HIDDEN, TEXT_MAX, hide_all, hide_secrets

MARK = "5eCreTmArK"
NAMES = ("password", "registry-token", "client_secret", "AWS_SECRET_ACCESS_KEY", "auth", "api-key", "http_credentials")
# What operators put into passwords; a blank, a quote or a slash ends some notations, and is added where it does not.
SECRETS = st.text("abcXYZ019!#$%&()*+;<=>?[]^_`{|}~.-", max_size=8).map(lambda text: f"x{text}{MARK}{text}y")


def in_json(depth: int) -> Callable[[str, str], str]:
    def write(name: str, secret: str) -> str:
        text = json.dumps({"a": 1, name: secret, "log-driver": "splunk"})
        for _ in range(depth):
            text = json.dumps(text)
        return f"level=info msg={text} b=2"

    return write


WAYS: dict[str, Callable[[str, str], str]] = {
    "a flag with =": lambda name, secret: f"dockerd --{name}={secret} --x",
    "a flag with a blank": lambda name, secret: f"dockerd --{name} {secret} --x",
    "a flag with a blank, in quotes": lambda name, secret: f"dockerd --{name} '{secret} more' --x",
    "a variable": lambda name, secret: f"A=1 {name}={secret} B=2",
    "a variable as a whole in quotes": lambda name, secret: f'"{name}=with blanks {secret}" B=2',
    "a value in quotes": lambda name, secret: f'{name}="with blanks {secret}"tail B=2',
    "YAML": lambda name, secret: f"a: 1\n{name}: {secret}\nb: 2",
    "a query": lambda name, secret: f"GET https://h/x?{name}={secret} 200",
    "JSON": in_json(0),
    "JSON in JSON": in_json(1),
    "JSON in JSON in JSON": in_json(2),
    "JSON in a flag": lambda name, secret: f"--settings={json.dumps({name: secret})} --x",
    "a list in JSON": lambda name, secret: json.dumps({name: [{"b": [secret]}]}),
    "Docker's logins": lambda _, secret: "--docker_config=" + json.dumps({"auths": {"r.io": {"x": secret}}}),
    "what systemd escapes": lambda name, secret: f"--a={{\\x22{name}\\x22:\\x22{secret}\\x22}}",
}
FORMS: dict[str, Callable[[str], str]] = {
    "a login in a URL": lambda mark: f"proxy http://bob:{mark}@proxy:3128 is away",
    "a login with an at sign": lambda mark: f"http://bob:a@{mark}@proxy:3128/x",
    "a login with a slash": lambda mark: f"http://bob:a/{mark}@proxy:3128/x",
    "a login without a scheme": lambda mark: f"proxy bob:{mark}@proxy:3128 is away",
    "a header": lambda mark: f"Authorization: Basic {mark}",
    "a header in JSON": lambda mark: json.dumps({"headers": {"Authorization": f"Digest a, b={mark}"}}),
    "a bearer": lambda mark: f"sent Bearer {mark}",
    "a cookie": lambda mark: f"Set-Cookie: a=b; c={mark}",
    "a key": lambda mark: f"-----BEGIN RSA PRIVATE KEY-----\n{mark}\n-----END RSA PRIVATE KEY-----",
    "a key that is cut off": lambda mark: f"x -----BEGIN EC PRIVATE KEY-----\n{mark}\n",
    "a key of which the end is seen": lambda mark: f"{mark}\n-----END PRIVATE KEY-----\nmore",
    "a line of a key": lambda mark: (mark * 7)[:64],
    "a signed token": lambda mark: f"sub eyJhbGciOiJ9.{mark}.{mark}",
}


@given(st.sampled_from(sorted(WAYS)), st.sampled_from(NAMES), SECRETS)
def test_a_secret_is_hidden_in_every_notation(way: str, name: str, secret: str) -> None:
    text = WAYS[way](name, secret)
    assert MARK not in hide_secrets(text), text
    assert hide_secrets(hide_secrets(text)) == hide_secrets(text)


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_known_by_its_form(form: str) -> None:
    assert MARK not in hide_secrets(FORMS[form](MARK))


@given(st.sampled_from(NAMES), st.text(max_size=20).map(lambda text: f"{text}{MARK}"))
def test_nothing_of_a_document_is_told_under_the_name_of_a_secret(name: str, secret: str) -> None:
    document = {"a": [{name: secret}, {name: [secret]}, {name: {"b": secret}}]}
    assert MARK not in json.dumps(hide_all(document))


@given(st.sampled_from(NAMES), SECRETS)
def test_the_words_of_a_command_line_are_read_as_one(name: str, secret: str) -> None:
    words = ["dockerd", f"--{name}", secret, "-H", "fd://"]
    assert hide_all(words) == ["dockerd", f"--{name}", HIDDEN, "-H", "fd://"]
    assert MARK not in json.dumps(hide_all([f'"{name}=two', f'{secret}"', "B=1"]))
    assert hide_all(["A=1", f"{name}=two words, {secret}", "B=2"]) == ["A=1", f"{name}={HIDDEN}", "B=2"]


@given(st.text("ab:/@=\"'\\{}[]-. \n\0xk", max_size=200).map(lambda text: text.replace("k", "token")))
def test_nothing_that_is_read_breaks_it(text: str) -> None:
    assert isinstance(hide_secrets(text), str)


def test_of_a_long_text_the_middle_is_left_out() -> None:
    shown = hide_secrets("first " + "x y " * TEXT_MAX + " last")
    assert len(shown) < TEXT_MAX + 100
    assert shown.startswith("first x")
    assert shown.endswith("y  last")


@pytest.mark.parametrize(
    "text",
    [
        "its sha256 is " + "0a" * 32 + ", not " + "b1" * 32,
        "calico/node:v1.0@sha256:" + "0a" * 32,
        "http://10.0.0.1:5000/v2/@x",
        "slave(1)@10.0.0.1:5051 answers",
        "tokens are fine, and so is a key",
        "--tlskeyfile=/etc/x.pem --authorization-plugin=opa",
        "ETCD_AUTHORITY=10.0.0.1:2379 ETCD_KEY_FILE=/etc/etcd.pem",
        '{"has_auth": true, "token": null}',
        "/opt/mesosphere/active/cni/calico is for x86_64",
    ],
)
def test_what_is_no_secret_is_told(text: str) -> None:
    assert hide_secrets(text) == text
