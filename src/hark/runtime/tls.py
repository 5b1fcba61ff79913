"""TLS as hark uses it: version 1.3 only, one application protocol, keys pinned by the caller.

A supernode's certificate is self-signed; what counts is that its key is the pinned one, and
that is checked by the link machine from the certificate that `peer_certificate_der` returns.
So the client context verifies no chain and no name, and sends no server name (an observer
would read it).

Post-quantum key agreement: OpenSSL 3.5 and later offer and prefer the hybrid group
X25519MLKEM768 by themselves; where the interpreter can name groups, it is set explicitly.
Older ones use X25519; the envelopes inside are sealed post-quantum in either case.
"""

import ssl
from pathlib import Path

GROUPS = "X25519MLKEM768:X25519"
"""Key agreement groups, the hybrid one first."""
FIRST_OPENSSL_WITH_HYBRID = (3, 5)

NO_SERVER_NAME = "0.0.0.0"  # noqa: S104 (not an address to bind to)
"""Given as server name to the TLS client: OpenSSL sends no name when it is an IP address."""


def server_context(certificate: Path, key: Path, *, alpn: str) -> ssl.SSLContext:
    """Return the context of a server.

    Args:
        certificate: PEM file.
        key: PEM file of its private key.
        alpn: application protocol name that is answered.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # Nodes do not resume sessions: a ticket would cost each link a write, and would let
    # somebody on the path recognise a returning node.
    context.num_tickets = 0
    _restrict(context, alpn)
    return context


def client_context(*, alpn: str) -> ssl.SSLContext:
    """Return the context of a client that pins the server's key itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _restrict(context, alpn)
    return context


def peer_certificate_der(connection: ssl.SSLObject | ssl.SSLSocket) -> bytes:
    """Return the certificate that the peer showed, DER; empty if it showed none."""
    return connection.getpeercert(binary_form=True) or b""


def hybrid_available() -> bool:
    """Return whether the linked OpenSSL can agree on keys post-quantum."""
    return ssl.OPENSSL_VERSION_INFO[:2] >= FIRST_OPENSSL_WITH_HYBRID


def negotiated_group(connection: ssl.SSLObject | ssl.SSLSocket) -> str | None:
    """Return the name of the key agreement group, or None where the interpreter cannot say."""
    group = getattr(connection, "group", None)
    name = group() if callable(group) else None
    return name if isinstance(name, str) else None


def _restrict(context: ssl.SSLContext, alpn: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([alpn])
    # `set_groups` came with Python 3.15.
    set_groups = getattr(context, "set_groups", None)
    if hybrid_available() and callable(set_groups):
        set_groups(GROUPS)
