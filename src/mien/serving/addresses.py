"""By which names a server may be addressed, and from where."""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is this machine's alone.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.5")]
        [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def lan_addresses() -> list[str]:
    """Return this machine's addresses on its networks, the one that leads outwards first. Nothing is sent."""
    found = []
    for family, remote in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            # Connecting a datagram socket chooses the local address by the routing table, and sends nothing.
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((remote, 9))
                found.append(probe.getsockname()[0])
        except OSError:
            continue
    try:
        found += [entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None)]
    except OSError:
        pass
    return [address for address in dict.fromkeys(map(str, found)) if _is_lan(address)]


def _is_lan(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return not (ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.is_multicast)


def served_names(host: str) -> list[str]:
    """Return what a server listening on `host` may be called: its addresses and this machine's names."""
    if is_loopback(host):
        return [*dict.fromkeys([*LOOPBACK_NAMES, host])]
    machine = socket.gethostname().lower().partition(".")[0]
    names = [machine, f"{machine}.local"] if machine else []
    own = lan_addresses() if host in ("0.0.0.0", "::", "") else [host]
    return [*dict.fromkeys([*own, *names, *LOOPBACK_NAMES])]


def allowed_host(header: str | None, names: Iterable[str]) -> bool:
    """Return whether a request's Host is one of ours.

    A page of another site can let its own name point to this machine (DNS rebinding); the browser then still says that
    name here. Any port is fine: it may be forwarded.

    Example:
        >>> names = served_names("127.0.0.1")
        >>> [allowed_host(host, names) for host in ("localhost:8000", "[::1]:8000", "evil.example:8000", "", None)]
        [True, True, False, False, False]
    """
    if not header or any(sign in header for sign in "/@\\?# \t,;'\""):
        return False
    try:
        parts = urlsplit(f"//{header}")
        parts.port  # noqa: B018  raises for what is no port
    except ValueError:
        return False
    return parts.hostname is not None and parts.hostname.lower() in {name.lower() for name in names}


def allowed_origin(origin: str | None, host: str, *, https: bool) -> bool:
    """Return whether a WebSocket may come from a page: from our own, or from a program, which names no origin.

    Example:
        >>> allowed_origin("http://localhost:8000", "localhost:8000", https=False)
        True
        >>> allowed_origin("http://evil.example", "localhost:8000", https=False)
        False
    """
    return origin is None or origin.lower() == f"{'https' if https else 'http'}://{host.lower()}"
