"""The proof by which a node opens its mailbox on one link (spec/link.md#login).

The signature binds the supernode's certificate (nobody in between can pass it on), the nonce
of this link (nobody can repeat it), the mailbox, and which start of the device store asks.
"""

from hark.crypto.labels import Label
from hark.crypto.signing import SigningKey, VerifyKey
from hark.wire.ids import MailboxId
from hark.wire.link import Login


def make_login(
    owner: SigningKey,
    mailbox: MailboxId,
    generation: int,
    instance: bytes,
    *,
    certificate_hash: bytes,
    nonce: bytes,
) -> Login:
    """Sign a login.

    Args:
        owner: the mailbox's owner key.
        mailbox: what to open.
        generation: number of this start of the device store, 0 <= generation < 2**53.
        instance: 16 random bytes of this start.
        certificate_hash: SHA-256 of the certificate that the supernode showed, DER.
        nonce: the 32 bytes of its hello.
    """
    message = _message(certificate_hash, nonce, mailbox, generation, instance)
    return Login(
        mailbox,
        owner.public.raw,
        generation,
        instance,
        owner.sign(Label.LOGIN, message),
    )


def check_login(login: Login, *, certificate_hash: bytes, nonce: bytes) -> None:
    """Check that the holder of `login.owner_key` signed it for this link.

    Whether that key owns the mailbox, and whether the generation is the newest, is the
    mailbox service's to say.

    Raises:
        ForgedError: the signature does not hold.
    """
    message = _message(certificate_hash, nonce, login.mailbox, login.generation, login.instance)
    VerifyKey(login.owner_key).verify(Label.LOGIN, message, login.signature)


def _message(
    certificate_hash: bytes, nonce: bytes, mailbox: bytes, generation: int, instance: bytes
) -> bytes:
    return certificate_hash + nonce + mailbox + generation.to_bytes(8, "big") + instance
