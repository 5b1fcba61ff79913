"""Steps 5 and 6: what survives when programs are killed and devices are lost."""

import time

from hark.app.cli.demo.cast import (
    ALICE,
    BOB,
    RESTORED,
    Cast,
    Facts,
    is_contact,
    received,
    same_number,
    send,
    until_attached,
    words_file,
)
from hark.app.cli.demo.stage import DemoError
from hark.app.cli.output import safety_rows
from hark.control.problems import sentence_of
from hark.errors import ContactUnverifiedError

WHILE_AWAY_COUNT = 20
"""Messages that are sent to the node that is stopped."""
SETTLE_S = 1.0
"""How long something that must not happen is given to happen, in seconds."""
AFTERWARDS = "It is you, we have compared the number."
TOLD_TIMEOUT_S = 30.0


def killed(cast: Cast) -> Facts:
    """Step 5: mail for a node that is stopped survives `kill -9` of the supernode."""
    stage, teller = cast.stage, cast.teller
    teller.step(5, "Bob is away, and the supernode is killed")
    stage.stop_node(BOB)
    teller.say(f"Bob's node is stopped. Alice sends him {WHILE_AWAY_COUNT} messages.")
    texts = [f"While you were away: {number}" for number in range(1, WHILE_AWAY_COUNT + 1)]
    sent = [send(cast, ALICE, "Bob", text) for text in texts]
    with teller.waiting("the supernode takes them"):
        stage.until(lambda: _states(cast, sent) == {"held"}, "all messages are held")
    teller.say("All are held: the supernode has promised, after writing them to disk.")
    killed_pid = stage.kill("supernode")
    teller.say(f"kill -9 {killed_pid}: the supernode is gone. Alice sends one more.")
    texts.append("And one without a supernode")
    last = send(cast, ALICE, "Bob", texts[-1])
    time.sleep(SETTLE_S)
    if (state := cast.client(ALICE).message(last).state) != "waiting":
        raise DemoError(f"without a supernode a message is {state}")
    teller.say("It is waiting, safe on Alice's device.")
    begin = time.monotonic()
    stage.start_supernode()
    client = stage.start_node(BOB)
    client.chat("Alice", is_open=True)
    teller.say("The supernode is started again, and Bob's node is back.")
    with teller.waiting("Bob gets what is his"):
        stage.until(lambda: len(received(client, "Alice")) > len(texts), "Bob has them all")
    seconds = time.monotonic() - begin
    # One more moment, in which a message that came twice would show.
    time.sleep(SETTLE_S)
    got = received(client, "Alice")[1:]
    if got != texts:
        raise DemoError(f"Bob has {len(got)} messages instead of {len(texts)}, or no order")
    teller.say(f"Bob has all {len(got)}: each exactly once, in the order in which they went.")
    return {
        "sent": len(texts),
        "received": len(got),
        "exactly_once_in_order": True,
        "back_after_s": round(seconds, 2),
    }


def restored(cast: Cast) -> Facts:
    """Step 6: Bob restores his account from the words; Alice is told and has to look."""
    stage, teller = cast.stage, cast.teller
    teller.step(6, "Bob loses his device and restores his account from 24 words")
    number_before = cast.client(ALICE).contact("Bob").safety_number
    stage.stop_node(BOB)
    with teller.waiting("restoring"):
        options = ["--words-file", str(words_file(stage, BOB))]
        options += ["--supernode", str(stage.address)]
        stage.hark(RESTORED, "restore", "--name", "Bob", *options)
        client = stage.start_node(RESTORED)
        until_attached(cast, RESTORED)
    old, new, alice = cast.accounts[BOB], client.whoami(), cast.accounts[ALICE].account
    if new.account != old.account or new.epoch <= old.epoch:
        raise DemoError("the restored account is not the old one in a new epoch")
    teller.say("On an empty store, from the words alone: the same account, in a new epoch.")
    teller.fact("account", new.account)
    teller.fact("epoch", f"{old.epoch} → {new.epoch}")
    teller.say("His contacts and messages are not in the words. So he invites Alice again.")
    with teller.waiting("Alice adds the new link"):
        _be_told(cast, client.invite().link)
        stage.until(lambda: is_contact(client, alice), "Bob has Alice as a contact again")
    teller.say("Alice is told that Bob's keys are new. She tries to write to him:")
    teller.say(f"“{_refusal(cast)}”")
    number = same_number(cast, RESTORED)
    if number == number_before:
        raise DemoError("the safety number is still the old one")
    teller.say("They compare the new number, and it is the same on both sides:")
    teller.show("\n".join(safety_rows(number)))
    cast.client(ALICE).verify("Bob")
    send(cast, ALICE, "Bob", AFTERWARDS)
    with teller.waiting("the message passes"):
        stage.until(lambda: AFTERWARDS in received(client, alice), "the message passes")
    teller.say("Once she has looked at it, messages pass again.")
    return {
        "same_account": True,
        "epoch_before": old.epoch,
        "epoch_after": new.epoch,
        "new_safety_number": True,
        "told": True,
        "refused_until_verified": True,
        "passes_after": True,
    }


def _states(cast: Cast, message_ids: list[str]) -> set[str]:
    return {cast.client(ALICE).message(message_id).state for message_id in message_ids}


def _be_told(cast: Cast, link: str) -> None:
    """Have Alice add Bob's new link, and wait until she is told that his keys are new."""
    alice = cast.client(ALICE)
    with alice.events() as events:
        alice.add(link, "Bob")
        while alice.contact(cast.accounts[BOB].account).trust != "new_epoch":
            if events.next(timeout_s=TOLD_TIMEOUT_S) is None:
                raise DemoError("Alice was not told of the new epoch")


def _refusal(cast: Cast) -> str:
    """Have Alice write to Bob in his new epoch; return the sentence of the refusal."""
    try:
        cast.client(ALICE).send("Bob", AFTERWARDS)
    except ContactUnverifiedError as error:
        return sentence_of(error)
    raise DemoError("a message went to keys that nobody has looked at")
