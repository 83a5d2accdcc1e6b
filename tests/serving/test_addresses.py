"""Whose names are served: ours, on any port, and nobody else's."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.serving.addresses import allowed_host, allowed_origin, lan_addresses, served_names

NAMES = ("localhost", "127.0.0.1", "::1", "192.168.1.20", "laptop.local")


@pytest.mark.parametrize(
    "header", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000", "192.168.1.20:8000", "laptop.local"]
)
def test_our_names(header):
    assert allowed_host(header, NAMES)


@pytest.mark.parametrize(
    "header",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "evil.example/localhost",
        "localhost:8000:9000",
        "localhost:port",
        "[::1",
        "::1",
        "localhost, evil.example",
        "localhost evil.example",
    ],
)
def test_other_names(header):
    assert not allowed_host(header, NAMES)


@given(st.text(max_size=40))
def test_any_header_is_judged(header):
    if allowed_host(header, NAMES):
        assert any(name in header.lower() for name in NAMES)


def test_an_origin_is_the_very_page_or_no_page():
    assert allowed_origin("https://localhost:8000", "LOCALHOST:8000", https=True)
    assert allowed_origin(None, "localhost:8000", https=True)
    for origin in ("http://localhost:8000", "https://localhost", "https://localhost:8000.evil", "null", ""):
        assert not allowed_origin(origin, "localhost:8000", https=True)


def test_this_machine_has_no_loopback_among_its_networks():
    for address in lan_addresses():
        assert not ipaddress.ip_address(address.partition("%")[0]).is_loopback
    assert served_names("127.0.0.1")[:2] == ["localhost", "127.0.0.1"]
    assert served_names("192.168.1.5")[0] == "192.168.1.5"
