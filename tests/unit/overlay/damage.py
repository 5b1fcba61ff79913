"""Valid messages, damaged: strategies for property tests and fuzz targets."""

from hypothesis import strategies as st

from hark.overlay.link.login import make_login
from hark.wire import link, mailbox
from hark.wire.codec import Message, encode
from hark.wire.ids import MailboxId
from tests.unit.overlay.world import (
    CERTIFICATE_HASH,
    HELLO,
    INSTANCE,
    START_UNIX_MS,
    TOKEN,
    owner_key,
)

BOX = MailboxId(bytes([5]) * 16)
BOXES = [BOX, MailboxId(bytes(16)), MailboxId(bytes([6]) * 16)]


def edited(data: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    """Apply edits: kind, place (taken modulo the length) and byte."""
    damaged = bytearray(data)
    for kind, place, byte in edits:
        at = place % (len(damaged) + 1)
        if kind == "insert":
            damaged.insert(at, byte)
        elif kind == "cut":
            del damaged[at:]
        elif at < len(damaged):
            if kind == "replace":
                damaged[at] = byte
            else:
                del damaged[at]
    return bytes(damaged)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "cut", "replace", "remove"]),
        st.integers(0, 400),
        st.integers(0, 255),
    ),
    max_size=3,
)


def damaged(messages: st.SearchStrategy[Message]) -> st.SearchStrategy[bytes]:
    """Encode messages and damage some of them a little."""
    return st.builds(lambda message, edits: edited(encode(message), edits), messages, EDITS)


u32 = st.integers(0, 2**32 - 1)
u53 = st.integers(0, 2**53 - 1)
small_ids = st.integers(1, 4)
boxes = st.sampled_from(BOXES)
tokens = st.sampled_from([TOKEN, bytes(16)])
envelopes = st.binary(min_size=1, max_size=40)
blobs = st.binary(max_size=40)
stamps = st.builds(mailbox.Stamp, st.binary(min_size=32, max_size=32), st.just(bytes(8)))
admissions = st.one_of(
    st.builds(mailbox.DeliveryToken, tokens),
    st.builds(mailbox.InvitationPass, tokens),
    stamps,
)
hashes = st.sampled_from([bytes(32), bytes([1]) * 32])


def requests(box: st.SearchStrategy[MailboxId]) -> st.SearchStrategy[mailbox.MailboxRequest]:
    """Return requests to these mailboxes, with plausible and with wrong contents."""
    return st.one_of(
        st.builds(mailbox.GetChallenge, box),
        st.builds(
            mailbox.CreateMailbox,
            st.integers(0, 1),
            st.sampled_from([owner_key(number).public.raw for number in (1, 2)]),
            hashes,
            stamps,
        ),
        st.builds(mailbox.Put, box, admissions, envelopes),
        st.builds(mailbox.Claim, box, st.sampled_from([TOKEN, b""]), st.booleans()),
        st.builds(mailbox.SetToken, box, hashes),
        st.builds(mailbox.PublishBundle, box, st.integers(0, 5), blobs, blobs, blobs),
        st.builds(mailbox.AddPrekeys, box, st.lists(blobs, max_size=50)),
        st.builds(
            mailbox.RegisterPass,
            box,
            hashes,
            st.integers(START_UNIX_MS - 5, START_UNIX_MS + 5),
        ),
        st.builds(mailbox.DeleteMailbox, box),
    )


answers = st.one_of(
    st.builds(mailbox.Refused, st.integers(0, 255), u32),
    st.builds(mailbox.Challenge, st.binary(min_size=32, max_size=32), st.integers(0, 32), u32),
    st.builds(mailbox.MailboxCreated, boxes, u53),
    st.builds(mailbox.Held, u53, u32, u32, st.lists(hashes, max_size=16), st.just(bytes(64))),
    st.builds(mailbox.Bundle, u53, blobs, blobs, blobs, blobs),
    st.builds(mailbox.Done),
    st.builds(mailbox.PrekeyCount, u32),
)


def logins(nonce: bytes) -> st.SearchStrategy[link.Login]:
    """Return log-ins that hold on the link with this nonce."""
    return st.builds(
        lambda number, box, generation: make_login(
            owner_key(number),
            box,
            generation,
            INSTANCE,
            certificate_hash=CERTIFICATE_HASH,
            nonce=nonce,
        ),
        st.integers(1, 2),
        boxes,
        st.integers(0, 3),
    )


def node_frames(nonce: bytes) -> st.SearchStrategy[Message]:
    """Return what a node may send."""
    bodies = st.one_of(damaged(requests(boxes)), st.builds(encode, requests(boxes)))
    return st.one_of(
        logins(nonce),
        st.builds(link.Ask, small_ids, bodies.filter(bool)),
        st.builds(link.Ack, boxes, st.lists(small_ids, min_size=1, max_size=4)),
        st.builds(link.Live, small_ids, boxes, tokens, envelopes),
        st.builds(link.Ping, u32),
        st.builds(link.Pong, u32),
        st.builds(link.Goodbye, st.integers(0, 255), u32),
    )


def supernode_frames() -> st.SearchStrategy[Message]:
    """Return what a supernode may send."""
    bodies = st.one_of(damaged(answers), st.builds(encode, answers)).filter(bool)
    return st.one_of(
        st.just(HELLO),
        st.builds(link.LoginResult, boxes, st.sampled_from([0, 0, 4, 12, 200]), u32, u32),
        st.builds(link.Answer, small_ids, bodies),
        st.builds(link.Mail, boxes, u53, u53, envelopes),
        st.builds(link.LiveResult, small_ids, st.booleans()),
        st.builds(link.LiveMail, boxes, envelopes),
        st.builds(link.Ping, u32),
        st.builds(link.Pong, u32),
        st.builds(link.Goodbye, st.integers(0, 255), u32),
        st.builds(link.PrekeysLow, boxes, u32),
    )
