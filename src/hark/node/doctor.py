"""What `hark doctor` finds in a running node: one line for each thing that can be unwell.

Each line says what was found and, when it is not well, what to do. None holds a name, an
address or content.
"""

import ssl
from collections.abc import Mapping

from hark.control.schema import Check
from hark.messaging.events import Cause
from hark.messaging.views import Diagnostics, OwnAccount, OwnHome
from hark.runtime.tls import hybrid_available
from hark.wire.ids import NodeId

MINUTE_MS = 60 * 1000
HOUR_MS = 60 * MINUTE_MS
OLD_KEY_MS = 48 * HOUR_MS
"""An envelope key is replaced after a day online; twice that means that it does not work."""

_WAITING_SENTENCES = {
    Cause.NO_HOME: "wait for a link to a supernode",
    Cause.FETCHING_KEYS: "wait for the recipient's keys",
    Cause.NEW_EPOCH: "wait until you have compared a new safety number: hark verify NAME",
    Cause.FROZEN: "wait, since the contact's account is forked: ask the owner to recover it",
    Cause.MAILBOX_FULL: "wait for room in the recipient's mailbox",
    Cause.TOKEN_STALE: "go by way of the recipient's requests mailbox",
    Cause.REFUSED: "were refused by a supernode and are tried again",
    Cause.KEYS_INVALID: "wait, since a supernode gave keys that do not verify",
    Cause.NOT_ACCEPTED: "wait until the other side accepts the contact",
    Cause.BLOCKED: "stay here: the contact is blocked",
    Cause.HEALING: "are being sent again in a new session",
}


def checks_of(
    own: OwnAccount, found: Diagnostics, reasons: Mapping[NodeId, str]
) -> list[Check]:
    """Return the lines of the doctor, the most important first.

    Args:
        own: who we are.
        found: how messaging is doing.
        reasons: for each home why its link is down; empty when it is up.
    """
    if found.overtaken:
        return [_overtaken()]
    return [
        *(
            _home(number, home, reasons.get(home.address.node_id, ""))
            for number, home in enumerate(own.homes, start=1)
        ),
        _outbox(found),
        _quarantine(found),
        _clock(found),
        _envelope_key(found),
        _internal_errors(found),
        _post_quantum(),
    ]


def _overtaken() -> Check:
    sentence = (
        "This store is an old copy: the account has since been used from another one, and a "
        "supernode knows. Nothing is sent or fetched here any more. Go on with the newer copy, "
        "or start as a new device: hark restore."
    )
    return Check(name="store", ok=False, sentence=sentence)


def _home(number: int, home: OwnHome, reason: str) -> Check:
    name = f"supernode {number}"
    if home.ready:
        return Check(name=name, ok=True, sentence="Connected, and mail can come.")
    if home.connected:
        sentence = "Connected, but the mailboxes are not ready yet. Wait a minute."
        return Check(name=name, ok=False, sentence=sentence)
    sentence = (
        f"Not connected: {reason}. Messages wait here until it can be reached. Check "
        "this machine's network; if that is well, ask the supernode's operator."
    )
    return Check(name=name, ok=False, sentence=sentence)


def _outbox(found: Diagnostics) -> Check:
    if not found.outbox_count:
        return Check(name="outbox", ok=True, sentence="Everything has been delivered.")
    parts = [
        f"{count} {_WAITING_SENTENCES.get(Cause(cause), 'are on their way')}"
        for cause, count in sorted(found.outbox_by_cause.items())
    ]
    stuck = {Cause.FROZEN, Cause.NEW_EPOCH, Cause.KEYS_INVALID} & {
        Cause(cause) for cause in found.outbox_by_cause
    }
    return Check(
        name="outbox", ok=not stuck, sentence="Not delivered: " + "; ".join(parts) + "."
    )


def _quarantine(found: Diagnostics) -> Check:
    count = sum(found.quarantine_by_cause.values())
    if not count:
        return Check(name="quarantine", ok=True, sentence="No envelope is set aside.")
    causes = ", ".join(
        f"{cause} {count}" for cause, count in sorted(found.quarantine_by_cause.items())
    )
    sentence = (
        f"{count} envelopes could not be opened yet ({causes}). Their senders send them again; "
        "they are tried anew when something changes, and go after seven days."
    )
    return Check(name="quarantine", ok=True, sentence=sentence)


def _clock(found: Diagnostics) -> Check:
    minutes = abs(found.clock_offset_ms) / MINUTE_MS
    if not found.clock_is_wrong:
        return Check(name="clock", ok=True, sentence="Agrees with the supernodes.")
    word = "behind" if found.clock_offset_ms > 0 else "ahead of"
    sentence = (
        f"This machine's clock is {minutes:.0f} minutes {word} the supernodes' clocks. "
        "Messages pass all the same; set the clock, so that their times are right."
    )
    return Check(name="clock", ok=False, sentence=sentence)


def _envelope_key(found: Diagnostics) -> Check:
    name = "envelope key"
    if not found.envelope_key_ages_ms:
        sentence = "None was published yet: no supernode has been reached so far."
        return Check(name=name, ok=False, sentence=sentence)
    hours = found.envelope_key_ages_ms[0] / HOUR_MS
    ok = found.envelope_key_ages_ms[0] < OLD_KEY_MS
    advice = "" if ok else " It is replaced as soon as a supernode can be reached."
    return Check(name=name, ok=ok, sentence=f"{hours:.0f} hours old.{advice}")


def _internal_errors(found: Diagnostics) -> Check:
    name = "internal errors"
    if not found.internal_errors:
        return Check(name=name, ok=True, sentence="None.")
    kinds = ", ".join(sorted(found.internal_errors))
    sentence = f"A bug of hark was met ({kinds}); nothing is lost. Please report it."
    return Check(name=name, ok=False, sentence=sentence)


def _post_quantum() -> Check:
    """What TLS can do here; the envelopes inside are post-quantum in any case."""
    if hybrid_available():
        sentence = "Links can agree on keys with X25519MLKEM768."
    else:
        sentence = (
            f"{ssl.OPENSSL_VERSION.split(' ')[0]} here has no hybrid group: links use X25519. "
            "The sealed envelopes inside are post-quantum all the same."
        )
    return Check(name="post-quantum links", ok=True, sentence=sentence)
