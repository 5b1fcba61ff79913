"""The frames between a node and a supernode (spec/link.md).

A frame is a 4-byte big-endian length and that many bytes of one MessagePack message. The
supernode speaks first (`Hello`); the node checks the certificate's pin before it sends
anything. `NodeFrame` travels from node to supernode, `SupernodeFrame` the other way.

Two classes of message: *mail* (`Ask` with a `Put`, `Mail`, `Ack`: durable before it is
answered) and *live* (`Live`, `LiveMail`: never on disk).
"""

from typing import Annotated

from msgspec import Meta

from hark.wire.codec import Message, Parser
from hark.wire.mailbox import U8, U32, U53, Bytes16, Bytes32, Bytes64, Envelope

PROTOCOL_VERSION = 1
"""Version in the hello. A node closes on any other."""
ALPN = "hark/1"
"""Application protocol name in the TLS handshake."""
MAX_FRAME_BYTES = 256 * 1024
"""Largest frame without its length. Two of the largest envelopes fit."""
MAX_ACK_SEQUENCES = 256
"""Sequences in one `Ack`; four windows of unacknowledged mail."""

Body = Annotated[bytes, Meta(min_length=1, max_length=MAX_FRAME_BYTES - 64)]


class Hello(Message, tag=1):
    """Supernode, first frame of a link."""

    protocol_version: Annotated[int, Meta(ge=1, le=65535)]
    nonce: Bytes32
    """Fresh for this link; every login signs it."""
    unix_ms: U53
    """The supernode's clock."""
    reconnect_window_ms: U32
    """Window over which a node spreads its next reconnect, from the supernode's load."""


class HelloVersion(Message, tag=1, forbid_unknown_fields=False):
    """The part of a `Hello` that every version of the protocol begins with."""

    protocol_version: Annotated[int, Meta(ge=1, le=65535)]


class Login(Message, tag=2):
    """Node: prove the owner key of one mailbox of this home.

    The signature is over label ‖ SHA-256(certificate) ‖ nonce ‖ mailbox ‖ generation (u64)
    ‖ instance.
    """

    mailbox: Bytes16
    owner_key: Bytes32
    generation: U53
    """Counts starts of the device store; a lower one than the home has seen is refused."""
    instance: Bytes16
    """Random at each start; the same generation with another instance is refused."""
    signature: Bytes64


class LoginResult(Message, tag=3):
    """Supernode: answer to a `Login`."""

    mailbox: Bytes16
    code: U8
    """0: logged in; else an error code of the registry."""
    prekey_count: U32
    """One-time keys the home holds for this mailbox."""
    retry_after_ms: U32


class Ask(Message, tag=4):
    """Node: a request (`hark.wire.mailbox.MailboxRequest`) as an opaque body."""

    request_id: U32
    """Chosen by the node, not in use on this link."""
    body: Body


class Answer(Message, tag=5):
    """Supernode: the answer (`hark.wire.mailbox.MailboxAnswer`) to an `Ask`."""

    request_id: U32
    body: Body


class Mail(Message, tag=6):
    """Supernode: an envelope of a mailbox that this link has logged in to."""

    mailbox: Bytes16
    sequence: U53
    held_ms: U53
    """How long it has lain at the home, in milliseconds."""
    envelope: Envelope


class Ack(Message, tag=7):
    """Node: these are safe with me; delete them."""

    mailbox: Bytes16
    sequences: Annotated[list[U53], Meta(min_length=1, max_length=MAX_ACK_SEQUENCES)]


class Live(Message, tag=8):
    """Node: pass an envelope on if its recipient is connected; never store it."""

    request_id: U32
    mailbox: Bytes16
    token: Bytes16
    envelope: Envelope


class LiveResult(Message, tag=9):
    """Supernode: whether a `Live` was passed on."""

    request_id: U32
    passed: bool


class LiveMail(Message, tag=10):
    """Supernode: a `Live` envelope for a mailbox of this link."""

    mailbox: Bytes16
    envelope: Envelope


class Ping(Message, tag=11):
    """Either side: are you there?"""

    nonce: U32


class Pong(Message, tag=12):
    """The answer to a `Ping`, with its nonce."""

    nonce: U32


class Goodbye(Message, tag=13):
    """Either side: this link ends now, for this reason."""

    code: U8
    """Error code of the registry; 0: an ordinary end."""
    retry_after_ms: U32
    """Window over which the node spreads its reconnect, in milliseconds."""


class PrekeysLow(Message, tag=14):
    """Supernode: the one-time keys of this mailbox are running out."""

    mailbox: Bytes16
    prekey_count: U32


NodeFrame = Login | Ask | Ack | Live | Ping | Pong | Goodbye
SupernodeFrame = (
    Hello
    | LoginResult
    | Answer
    | Mail
    | LiveResult
    | LiveMail
    | Ping
    | Pong
    | Goodbye
    | PrekeysLow
)

NODE_FRAME_PARSER: Parser[NodeFrame] = Parser(NodeFrame)
SUPERNODE_FRAME_PARSER: Parser[SupernodeFrame] = Parser(SupernodeFrame)
HELLO_VERSION_PARSER: Parser[HelloVersion] = Parser(HelloVersion)
