"""How many envelopes a second are sealed, and how many opened, on one core?

Crypto and layouts alone, nothing is stored: payload, bind, Olm, padding and the hybrid seal
one way; seal, layout, Olm, payload and bind the other. One direction of talk, a text of 160
characters.

    python -m benchmarks.bench_seal_open --seconds 5
"""

import argparse
import os
import time
from dataclasses import dataclass

from benchmarks._report import Goal, write_report
from hark.crypto.hashing import equal
from hark.crypto.olm import OlmAccount, OlmSession
from hark.crypto.xwing import EnvelopeSecret
from hark.identity.devices import Device
from hark.identity.envelope_key import ENVELOPE_KEY_LIFE_MS, EnvelopeKeyRecord
from hark.messaging.sealing import Party, bind_of, open_envelope, seal_envelope
from hark.wire.bodies import TEXT_PARSER, BodyType, TextBody
from hark.wire.codec import encode
from hark.wire.envelope import InnerMessage, OuterEnvelope, Payload
from hark.wire.ids import AccountId, DeviceId, KeyId, MessageId

TEXT_CHARS = 160
BATCH = 200


@dataclass(slots=True)
class Side:
    """One device."""

    account: OlmAccount
    party: Party
    secret: EnvelopeSecret
    record: EnvelopeKeyRecord


def make_side() -> Side:
    olm = OlmAccount.create()
    account, device_id = AccountId(os.urandom(32)), DeviceId(os.urandom(16))
    secret = EnvelopeSecret.generate(os.urandom)
    record = EnvelopeKeyRecord.sign(
        olm,
        account_id=account,
        device_id=device_id,
        key_id=KeyId(os.urandom(8)),
        counter=1,
        not_before_unix_ms=0,
        not_after_unix_ms=ENVELOPE_KEY_LIFE_MS,
        public=secret.public,
    )
    party = Party(account, Device(device_id, olm.ed_key, olm.curve_key))
    return Side(olm, party, secret, record)


def sessions(alice: Side, bob: Side) -> tuple[OlmSession, OlmSession]:
    """Return both ends of a session that has gone both ways."""
    (one_time,) = bob.account.generate_one_time_keys(1)
    outbound = alice.account.outbound_session(bob.account.curve_key, one_time)
    inbound, _ = bob.account.inbound_session(
        alice.account.curve_key, *outbound.encrypt(b"hello")
    )
    outbound.decrypt(*inbound.encrypt(b"hello"))
    return outbound, inbound


def seal_one(alice: Side, bob: Side, session: OlmSession, body: bytes) -> bytes:
    payload = Payload(
        bind=bind_of(alice.party, bob.party, bob.record.record_hash),
        message_id=MessageId(os.urandom(16)),
        sent_unix_ms=1,
        from_chain_seq=1,
        to_chain_seq=1,
        own_key_counter=1,
        body_type=BodyType.TEXT,
        body=body,
    )
    olm = session.encrypt(payload.encode())
    inner = InnerMessage(alice.party.account, alice.party.device.device_id, *olm, b"")
    return seal_envelope(bob.record, inner)


def open_one(alice: Side, bob: Side, session: OlmSession, envelope: bytes) -> str:
    inner = open_envelope(bob.record, bob.secret, OuterEnvelope.parse(envelope))
    payload = Payload.parse(session.decrypt(inner.olm_type, inner.olm_body))
    assert equal(payload.bind, bind_of(alice.party, bob.party, bob.record.record_hash))
    return TEXT_PARSER.parse(payload.body).text


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args(arguments)
    alice, bob = make_side(), make_side()
    outbound, inbound = sessions(alice, bob)
    body = encode(TextBody(1, "x" * TEXT_CHARS))
    sealed_per_s: list[float] = []
    opened_per_s: list[float] = []
    envelope_bytes = 0
    ends_at = time.monotonic() + options.seconds
    while time.monotonic() < ends_at:
        started = time.perf_counter()
        envelopes = [seal_one(alice, bob, outbound, body) for _ in range(BATCH)]
        sealed = time.perf_counter()
        for envelope in envelopes:
            open_one(alice, bob, inbound, envelope)
        opened = time.perf_counter()
        sealed_per_s.append(BATCH / (sealed - started))
        opened_per_s.append(BATCH / (opened - sealed))
        envelope_bytes = len(envelopes[0])
    write_report(
        "seal_open",
        question="How many envelopes a second are sealed, and how many opened, on one core?",
        parameters={"text_chars": TEXT_CHARS, "seconds": options.seconds, "batch": BATCH},
        figures={
            "sealed_per_s": _median(sealed_per_s),
            "opened_per_s": _median(opened_per_s),
            "envelope_bytes": envelope_bytes,
        },
        samples={"sealed_per_s": sealed_per_s, "opened_per_s": opened_per_s},
        goals=[Goal("sealed_per_s", at_least=5000), Goal("opened_per_s", at_least=5000)],
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
