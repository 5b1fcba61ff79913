"""The ratchet between two devices: Olm version 1, by vodozemac.

`OlmAccount` holds a device's long-lived keys and prekeys, `OlmSession` the double ratchet with
one device of a peer. Both change when they are used: a user of this module loads a value from
its pickle, uses it and stores the new pickle in *one* transaction, and throws the value away
when anything fails (a ratchet that goes back repeats key and IV).

What a peer sent raises `ForgedError` and nothing else; a pickle that does not open raises
`StoreDamagedError`. Facts that shape the callers: a pre-key message built on a *fallback* key
can be replayed and gives a new session each time, so envelopes are de-duplicated before and
`matches` is asked first; 40 skipped message keys are kept per receiving chain.
Source: the Olm specification, version 1; spec/messaging.md.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NewType, Self

import vodozemac

from hark.crypto.labels import Label
from hark.crypto.signing import VerifyKey
from hark.errors import ForgedError, HarkError, StoreDamagedError

PRE_KEY = 0
"""Olm message type: opens a session."""
NORMAL = 1
"""Olm message type: continues one."""

CURVE_KEY_BYTES = 32
PICKLE_KEY_BYTES = 32

PickleKey = NewType("PickleKey", bytes)
"""32 secret bytes under which pickles are encrypted. They lie inside an encrypted database;
the pickle's own encryption has no fresh randomness and is no protection by itself."""


class OlmAccount:
    """A device's Olm keys: identity keys, one-time keys, fallback key."""

    __slots__ = ("_account",)

    def __init__(self, account: vodozemac.Account) -> None:
        self._account = account

    @classmethod
    def create(cls) -> Self:
        """Make a new account; the library draws its own randomness."""
        return cls(vodozemac.Account())

    @classmethod
    def from_pickle(cls, data: bytes, key: PickleKey) -> Self:
        """Load what `pickle` stored.

        Raises:
            StoreDamagedError: altered, cut off, or made under another key.
        """
        with _library_errors_as(StoreDamagedError("an Olm account does not load")):
            return cls(vodozemac.Account.from_pickle(data.decode("ascii"), key))

    def pickle(self, key: PickleKey) -> bytes:
        """Return the present state, encrypted. The same state gives the same bytes."""
        return self._account.pickle(key).encode("ascii")

    @property
    def curve_key(self) -> bytes:
        """The identity key for key agreement (Curve25519), 32 bytes."""
        return self._account.curve25519_key.to_bytes()

    @property
    def ed_key(self) -> bytes:
        """The device's signing key (Ed25519), 32 bytes."""
        return _unbase64(self._account.ed25519_key.to_base64())

    @property
    def public(self) -> VerifyKey:
        """`ed_key` as a key that verifies."""
        return VerifyKey(self.ed_key)

    def sign(self, label: Label, message: bytes) -> bytes:
        """Return the device's 64-byte Ed25519 signature over the label and `message`."""
        return _unbase64(self._account.sign(label + message).to_base64())

    def generate_one_time_keys(self, count: int) -> list[bytes]:
        """Make `count` new one-time keys and return them, 32 bytes each.

        They count as unpublished until `mark_published`. The library keeps about 5,000 private
        halves and then forgets the oldest.
        """
        before = set(self.unpublished_one_time_keys())
        self._account.generate_one_time_keys(count)
        return [key for key in self.unpublished_one_time_keys() if key not in before]

    def unpublished_one_time_keys(self) -> list[bytes]:
        """Return the one-time keys made since the last `mark_published`, sorted."""
        return sorted(key.to_bytes() for key in self._account.one_time_keys.values())

    def rotate_fallback(self) -> bytes:
        """Make a new fallback key and return it, 32 bytes.

        The one before stays usable until the next call, so rotating every 7 days means that a
        fallback key lives 14.
        """
        # Both names are missing from the library's type stubs.
        self._account.generate_fallback_key()  # type: ignore[attr-defined]
        (key,) = self._account.fallback_key.values()  # type: ignore[attr-defined]
        fallback: bytes = key.to_bytes()
        return fallback

    def mark_published(self) -> None:
        """Remember that all one-time keys and the fallback key made so far were published."""
        self._account.mark_keys_as_published()

    def outbound_session(self, their_curve: bytes, their_one_time_key: bytes) -> "OlmSession":
        """Open a session to a device.

        Args:
            their_curve: the device's `curve_key`, from its *verified* record, 32 bytes.
            their_one_time_key: a signed one-time or fallback key of the device, verified.

        Raises:
            ForgedError: either is no usable key.
        """
        with _library_errors_as(ForgedError("no session can be opened with these keys")):
            return OlmSession(
                self._account.create_outbound_session(
                    vodozemac.Curve25519PublicKey.from_bytes(their_curve),
                    vodozemac.Curve25519PublicKey.from_bytes(their_one_time_key),
                )
            )

    def inbound_session(
        self, their_curve: bytes, olm_type: int, body: bytes
    ) -> tuple["OlmSession", bytes]:
        """Take a pre-key message: open the session that it begins, and decrypt it.

        On success the one-time key that it names is gone; on failure nothing has changed.

        Args:
            their_curve: the sender's `curve_key` from its verified record, never from the
                message.
            olm_type: as `OlmSession.encrypt` returned it; must be `PRE_KEY`.
            body: the Olm message.

        Returns:
            The session and the plaintext.

        Raises:
            ForgedError: not a pre-key message of that sender to this account, or it names a
                one-time key that is used up or unknown.
        """
        with _library_errors_as(ForgedError("a pre-key message does not open")):
            session, plaintext = self._account.create_inbound_session(
                vodozemac.Curve25519PublicKey.from_bytes(their_curve),
                _pre_key_message(olm_type, body),
            )
            return OlmSession(session), plaintext


class OlmSession:
    """The double ratchet between two devices."""

    __slots__ = ("_session",)

    def __init__(self, session: vodozemac.Session) -> None:
        self._session = session

    @classmethod
    def from_pickle(cls, data: bytes, key: PickleKey) -> Self:
        """Load what `pickle` stored.

        Raises:
            StoreDamagedError: altered, cut off, or made under another key.
        """
        with _library_errors_as(StoreDamagedError("an Olm session does not load")):
            return cls(vodozemac.Session.from_pickle(data.decode("ascii"), key))

    def pickle(self, key: PickleKey) -> bytes:
        """Return the present state, encrypted. The same state gives the same bytes."""
        return self._session.pickle(key).encode("ascii")

    @property
    def session_id(self) -> str:
        """A name that both ends derive alike: 43 characters of base64."""
        return self._session.session_id

    def encrypt(self, plaintext: bytes) -> tuple[int, bytes]:
        """Encrypt one message and move the ratchet.

        Returns:
            The Olm type (`PRE_KEY` until the peer has answered, then `NORMAL`) and the body.
        """
        return self._session.encrypt(plaintext).to_parts()

    def decrypt(self, olm_type: int, body: bytes) -> bytes:
        """Decrypt one message. A failure leaves the session as it was.

        Raises:
            ForgedError: altered, replayed, too far ahead or too old, or of another session.
        """
        with _library_errors_as(ForgedError("a message does not decrypt")):
            return self._session.decrypt(vodozemac.AnyOlmMessage.from_parts(olm_type, body))

    def matches(self, body: bytes) -> bool:
        """Return whether `body`, a pre-key message, belongs to this session.

        Raises:
            ForgedError: `body` is no pre-key message.
        """
        with _library_errors_as(ForgedError("not a pre-key message")):
            return self._session.session_matches(_pre_key_message(PRE_KEY, body))


def _pre_key_message(olm_type: int, body: bytes) -> vodozemac.PreKeyMessage:
    message = vodozemac.AnyOlmMessage.from_parts(olm_type, body).to_pre_key()
    if message is None:
        raise ForgedError("not a pre-key message")
    return message


@contextmanager
def _library_errors_as(refusal: HarkError) -> Iterator[None]:
    """Turn whatever the library raises into `refusal`.

    All its errors are `ValueError`s (an integer out of range: `OverflowError`). None of their
    texts is kept: some name keys. A panic inside the library arrives as a `BaseException` of
    the binding, which no name can be imported for; it too is only a message that does not open.
    """
    try:
        yield
    except (ValueError, OverflowError):
        raise refusal from None
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise refusal from None


def _unbase64(text: str) -> bytes:
    """Decode the library's unpadded base64."""
    return base64.b64decode(text + "=" * (-len(text) % 4))
