"""How many texts a second does a device write and take, with ratchet and durable commit?

Two `Messaging` machines over SQLCipher files (WAL, `synchronous=FULL`), joined by a home that
answers at once in memory, so what is measured is the devices and not the network. *Single*:
each text is a transaction of its own; the home's answer to it (*answered*) is another one, and
so is taking it on the other side. *Burst*: texts of one person share transactions, those of the
answers included. A rate counts only the time that the one side spends. *Bare commit* is the
same store with one small row in each transaction: what disk and encryption allow at most.

    python -m benchmarks.bench_ratchet_commit --seconds 5
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks._report import Goal, write_report
from hark.identity.words import RootSeed
from hark.messaging.events import (
    AcknowledgeMail,
    AnswerReceived,
    AskHome,
    FindStamp,
    HomeUp,
    KeepHome,
    LogInMailbox,
    MailboxAttached,
    MailReceived,
    MessagingInput,
    StampFound,
)
from hark.messaging.machine import Messaging
from hark.messaging.provision import create_account
from hark.messaging.tables import BUNDLE, BundleRow
from hark.node.storage.sqlcipher import SqlcipherDeviceStore
from hark.runtime.clock import monotonic_now, unix_now_ms
from hark.wire.address import Address
from hark.wire.ids import AccountId, MailboxId, NodeId
from hark.wire.mailbox import (
    AddPrekeys,
    Bundle,
    Challenge,
    Claim,
    CreateMailbox,
    Done,
    GetChallenge,
    Held,
    MailboxAnswer,
    MailboxCreated,
    MailboxRequest,
    PrekeyCount,
    PublishBundle,
    Put,
)

HOME = Address(NodeId(bytes(32)), "home.example", 7443)
TEXT = "x" * 160
BURST = 200
HELD = Held(2**50, 1, 0, [], bytes(64))


class MemoryHome:
    """Answers everything at once; keeps envelopes until they are handed over."""

    def __init__(self) -> None:
        self.bundles: dict[bytes, PublishBundle] = {}
        self.prekeys: dict[bytes, list[bytes]] = {}
        self.mail: dict[bytes, list[bytes]] = {}

    def answer(self, request: MailboxRequest) -> MailboxAnswer:
        match request:
            case GetChallenge():
                return Challenge(bytes(32), 0, 600_000)
            case CreateMailbox():
                return MailboxCreated(os.urandom(16), 2**50)
            case PublishBundle(mailbox):
                self.bundles[mailbox] = request
            case AddPrekeys(mailbox, blobs):
                self.prekeys.setdefault(mailbox, []).extend(blobs)
                return PrekeyCount(len(self.prekeys[mailbox]))
            case Claim(mailbox):
                bundle, keys = self.bundles[mailbox], self.prekeys.get(mailbox)
                one_time = keys.pop(0) if request.one_time and keys else b""
                return Bundle(
                    bundle.record_counter,
                    bundle.chain_blob,
                    bundle.record_blob,
                    bundle.fallback_blob,
                    one_time,
                )
            case Put(mailbox, _, envelope):
                self.mail.setdefault(mailbox, []).append(envelope)
                return HELD
            case _:
                pass
        return Done()


class Device:
    """One side: a machine over an encrypted file."""

    def __init__(self, folder: Path, name: str, home: MemoryHome) -> None:
        self.home = home
        self.store = SqlcipherDeviceStore(folder / f"{name}.db", os.urandom(32))
        create_account(
            self.store,
            RootSeed(os.urandom(32)),
            name,
            [HOME],
            random_bytes=os.urandom,
            now_unix_ms=unix_now_ms(),
        )
        self.machine = Messaging(
            self.store,
            random_bytes=os.urandom,
            unix_ms=lambda _now: unix_now_ms(),
            instance=os.urandom(16),
        )
        self.mailboxes: list[MailboxId] = []
        self.sequence = 0
        self.machine.start(monotonic_now())

    @property
    def account(self) -> AccountId:
        return self.machine.whoami().account_id

    def perform(self) -> int:
        """Have the home answer what was asked; return how many effects there were."""
        effects = self.machine.take_effects()
        inputs: list[MessagingInput] = []
        for effect in effects:
            match effect:
                case KeepHome(address):
                    inputs.append(HomeUp(address.node_id, 0))
                case AskHome(ask_id, _, request):
                    inputs.append(AnswerReceived(ask_id, self.home.answer(request)))
                case FindStamp(stamp_id):
                    inputs.append(StampFound(stamp_id, bytes(8)))
                case LogInMailbox(node, mailbox):
                    self.mailboxes.append(mailbox)
                    inputs.append(MailboxAttached(node, mailbox, 0))
                case AcknowledgeMail():
                    pass
                case _:
                    pass
        if inputs:
            self.machine.handle_batch(inputs, monotonic_now())
        return len(effects)

    def fetch(self) -> list[MessagingInput]:
        """Return the mail that lies at the home, and take it from there."""
        mail: list[MessagingInput] = []
        for mailbox in self.mailboxes:
            for envelope in self.home.mail.pop(mailbox, []):
                self.sequence += 1
                mail.append(MailReceived(HOME.node_id, mailbox, self.sequence, 0, envelope))
        return mail


def settle(*devices: Device) -> None:
    """Let both sides act until nothing moves."""
    moved = True
    while moved:
        moved = False
        for device in devices:
            mail = device.fetch()
            if mail:
                device.machine.handle_batch(mail, monotonic_now())
            moved = bool(device.perform() or mail) or moved


def friends(folder: Path) -> tuple[Device, Device]:
    home = MemoryHome()
    alice, bob = Device(folder, "alice", home), Device(folder, "bob", home)
    settle(alice, bob)
    invitation = alice.machine.invite(monotonic_now())
    settle(alice, bob)
    bob.machine.add(invitation, "alice", monotonic_now())
    settle(alice, bob)
    bob.machine.send_text(alice.account, "hello", monotonic_now())
    settle(alice, bob)
    return alice, bob


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def single(alice: Device, bob: Device, samples: dict[str, list[float]]) -> None:
    """Write texts one by one: each waits for its own commits."""
    to, sent_s, answered_s, taken_s = bob.account, 0.0, 0.0, 0.0
    for _ in range(BURST):
        # Ratchet, outbox and FULL commit; the put may leave after it.
        sent_s += timed(partial(alice.machine.send_text, to, TEXT, monotonic_now()))
        answered_s += timed(alice.perform)
        for item in bob.fetch():
            taken_s += timed(partial(bob.machine.handle, item, monotonic_now()))
        bob.machine.take_effects()
    samples["single_sent"].append(BURST / sent_s)
    samples["single_answered"].append(BURST / answered_s)
    samples["single_taken"].append(BURST / taken_s)


def burst(alice: Device, bob: Device, samples: dict[str, list[float]]) -> None:
    """Write texts at once: they share commits, in windows of 40."""
    texts = [TEXT] * BURST
    sent_s = timed(partial(alice.machine.send_texts, bob.account, texts, monotonic_now()))
    started = time.perf_counter()
    while alice.perform():
        pass
    sent_s += time.perf_counter() - started
    mail = bob.fetch()
    assert len(mail) == BURST
    taken_s = timed(partial(bob.machine.handle_batch, mail, monotonic_now()))
    bob.machine.take_effects()
    samples["burst_sent"].append(BURST / sent_s)
    samples["burst_taken"].append(BURST / taken_s)


def bare(store: SqlcipherDeviceStore, samples: dict[str, list[float]]) -> None:
    """Commit one small row at a time."""
    started = time.perf_counter()
    for number in range(BURST):
        with store.transaction() as transaction:
            transaction.put(BUNDLE, BundleRow(1, number))
    samples["bare_commit"].append(BURST / (time.perf_counter() - started))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    options = parser.parse_args(arguments)
    names = (
        "bare_commit",
        "single_sent",
        "single_answered",
        "single_taken",
        "burst_sent",
        "burst_taken",
    )
    samples: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        alice, bob = friends(Path(folder))
        empty = SqlcipherDeviceStore(Path(folder) / "bare.db", os.urandom(32))
        ends_at = time.monotonic() + options.seconds
        while time.monotonic() < ends_at:
            bare(empty, samples)
            single(alice, bob, samples)
            burst(alice, bob, samples)
            settle(alice, bob)
        assert bob.machine.diagnostics().quarantine_by_cause == {}
    write_report(
        "ratchet_commit",
        question=(
            "How many texts a second does a device write and take, with ratchet and durable "
            "commit?"
        ),
        parameters={"text_chars": len(TEXT), "burst": BURST, "seconds": options.seconds},
        figures={f"{name}_per_s": _median(values) for name, values in samples.items()},
        samples=samples,
        goals=[
            Goal("single_sent_per_s", at_least=1000),
            Goal("burst_sent_per_s", at_least=2000),
        ],
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
