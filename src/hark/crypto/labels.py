"""Every domain-separation label, in one table.

A label is `hark/<word>/<version>` and a NUL. It goes before whatever is hashed or signed and
is the `info` of every key derivation, so that a value made for one purpose is never valid
for another. No label is the beginning of another one: the NUL sees to that.

The table in `spec/registry.toml`, section `labels`, is compared with this one by a test.
Source: spec/identity.md#labels.
"""

from enum import Enum


class Label(bytes, Enum):
    """One purpose. A member is its bytes, NUL included."""

    # Identity: who somebody is and which keys are theirs.
    ACCOUNT = b"hark/acct/1\0"
    """Hash: genesis to account id."""
    STATEMENT = b"hark/stmt/1\0"
    """Signature and hash: a statement of the chain."""
    ROOT_PROOF = b"hark/root-proof/1\0"
    """Signature: the new root's consent in a `rotate_root` statement."""
    ACCOUNT_KEY = b"hark/acct-key/1\0"
    """Hash: an account key, as the safety number and the directory name it."""
    COMPOSITE_ED25519 = b"hark/composite-ed/1\0"
    """Derivation: 32-byte seed to the Ed25519 half of a composite key."""
    COMPOSITE_MLDSA = b"hark/composite-mldsa/1\0"
    """Derivation: 32-byte seed to the ML-DSA-65 half of a composite key."""
    ENVELOPE_KEY = b"hark/ek/1\0"
    """Signature and hash: an envelope-key record."""
    ONE_TIME_PREKEY = b"hark/prekey/1\0"
    """Signature: a one-time prekey."""
    FALLBACK_PREKEY = b"hark/fallback/1\0"
    """Signature: the fallback prekey."""
    BUNDLE_KEY = b"hark/bundle-key/1\0"
    """Derivation: account id to the key of the blobs at its homes."""
    BUNDLE_BLOB = b"hark/bundle/1\0"
    """Associated data of a blob at a home."""
    SAFETY_NUMBER = b"hark/safety/1\0"
    """Hash: one half of a safety number."""
    SAS = b"hark/sas/1\0"
    """Derivation: the seven emoji of a short authentication string."""
    INVITE_PUT = b"hark/invite-put/1\0"
    """Hash: invitation token to the pass that its holder shows to the home."""
    PUT_PASS = b"hark/put-pass/1\0"
    """Hash: a pass, as the home stores it."""

    # Messages.
    ENVELOPE = b"hark/env/1\0"
    """HPKE `info` of the sealed envelope."""
    BIND = b"hark/bind/1\0"
    """Hash: who speaks to whom under which envelope key."""

    # Link and mailbox.
    LOGIN = b"hark/login/1\0"
    """Signature: a mailbox owner opens the mailbox on one link."""
    CUSTODY = b"hark/custody/1\0"
    """Signature: a home's promise to hold a batch of envelopes."""
    STAMP = b"hark/stamp/1\0"
    """Hash: the proof of work of a stranger's request."""
    CHALLENGE = b"hark/challenge/1\0"
    """Authentication code: a home's own challenge for a stamp."""
    DELIVERY_TOKEN = b"hark/delivery-token/1\0"
    """Hash: a delivery token, as the home stores it."""

    # Calls.
    CALL_COMMITMENT = b"hark/call-commit/1\0"
    """Hash: the caller's nonce, told before it is revealed."""
    CALL_OFFER = b"hark/call-offer/1\0"
    """Hash: an offer, as its answer names it."""
    CALL_SETUP = b"hark/call-setup/1\0"
    """Hash: an offer and the answer to it."""
    CALL_TRANSCRIPT = b"hark/call-transcript/1\0"
    """Hash: everything that two devices told each other to set up a call."""
    MEDIA_KEY = b"hark/media-key/1\0"
    """Derivation: the secrets of offer and answer to the base key of one sender's frames."""

    # Storage.
    STORE_KEY = b"hark/store-key/1\0"
    """Associated data of the wrapped store key."""
