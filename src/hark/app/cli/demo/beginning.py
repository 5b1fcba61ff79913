"""Steps 1 to 3: accounts, an invitation, messages with their true states."""

from hark.app.cli.demo.cast import (
    ALICE,
    BOB,
    ECHO,
    Cast,
    Facts,
    in_rows,
    make_account,
    received,
    recovery_words,
    same_number,
    send,
    until_contacts,
)
from hark.app.cli.demo.stage import DemoError
from hark.app.cli.output import safety_rows
from hark.app.cli.qr import draw

GREETING = "Hello Bob, nobody else can read this."
ANSWER = "Hello Alice, and nobody else can read that."
QUESTION = "Is anybody there?"
STATE_TIMEOUT_S = 30.0


def accounts(cast: Cast) -> Facts:
    """Step 1: a supernode is started and the accounts are made."""
    stage, teller = cast.stage, cast.teller
    teller.step(1, "A supernode, and an account for each")
    with teller.waiting("starting a supernode"):
        address = stage.start_supernode()
    teller.say(f"A supernode runs (process {stage.pid('supernode')}). Its database is on disk.")
    teller.fact("address", str(address))
    for profile in (ALICE, BOB, ECHO):
        with teller.waiting(f"making the account of {profile}"):
            make_account(cast, profile, str(address))
    for profile in (ALICE, BOB):
        account = cast.accounts[profile]
        teller.say(
            f"{account.name} has an account, a store under a key of its own, and a node:"
        )
        teller.fact("account", account.account)
        teller.fact("process", str(stage.pid(profile)))
    teller.say("Bob's 24 recovery words, shown once and kept nowhere by hark:")
    words = recovery_words(stage, BOB).split()
    teller.show(in_rows([f"{place:>2}. {word:<9}" for place, word in enumerate(words, 1)], 6))
    return {
        "accounts": {name: account.account for name, account in cast.accounts.items()},
        "recovery_word_count": len(words),
    }


def invitation(cast: Cast) -> Facts:
    """Step 2: Alice invites, Bob adds by the link; both see the same safety number."""
    teller = cast.teller
    teller.step(2, "Alice invites Bob by a link")
    link = cast.client(ALICE).invite().link
    teller.show(draw(link))
    teller.fact("link", link)
    with teller.waiting("Bob adds Alice by the link"):
        cast.client(BOB).add(link, "Alice")
        until_contacts(cast, ALICE, BOB, "Bob")
    teller.say("Bob has added Alice. To each of them the other is a contact now.")
    number = same_number(cast, BOB)
    teller.say("Both see the same safety number, so nobody is in between:")
    teller.show("\n".join(safety_rows(number)))
    for profile, other in ((ALICE, "Bob"), (BOB, "Alice")):
        cast.client(profile).verify(other)
    return {"link_characters": len(link), "safety_number": number, "same_on_both_sides": True}


def messages(cast: Cast) -> Facts:
    """Step 3: messages both ways, with their true states; a bot answers."""
    teller = cast.teller
    teller.step(3, "Messages both ways")
    for profile, other in ((ALICE, "Bob"), (BOB, "Alice")):
        cast.client(profile).chat(other, is_open=True)
    there = _send_until_read(cast, ALICE, BOB, GREETING)
    back = _send_until_read(cast, BOB, ALICE, ANSWER)
    cast.stage.start_echo(ECHO)
    with teller.waiting("Alice adds an echo bot and writes to it"):
        cast.client(ALICE).add(cast.client(ECHO).invite().link, "Echo")
        until_contacts(cast, ECHO, ALICE, "Echo")
        cast.client(ALICE).chat("Echo", is_open=True)
        send(cast, ALICE, "Echo", QUESTION)
        cast.stage.until(
            lambda: QUESTION in received(cast.client(ALICE), "Echo"), "the echo answers"
        )
    teller.say(f"A bot on the same control API answers Alice: “{QUESTION}”")
    return {"alice_to_bob_states": there, "bob_to_alice_states": back, "echo_answered": True}


def _send_until_read(cast: Cast, sender: str, recipient: str, text: str) -> list[str]:
    """Send a message, read it on the other side; return the states it went through."""
    client, reader = cast.client(sender), cast.client(recipient)
    from_account = cast.accounts[sender].account
    cast.teller.say(f"{sender.title()} writes: “{text}”")
    states: list[str] = []
    with client.events() as events:
        message_id = send(cast, sender, recipient.title(), text)
        while "read" not in states:
            event = events.next(timeout_s=STATE_TIMEOUT_S)
            if event is None:
                raise DemoError(f"a message has only been {' → '.join(states)}")
            message = event.message
            if message is None or message.id != message_id or message.state in states:
                continue
            states.append(message.state)
            cast.teller.fact("", f"→ {message.state}")
            if message.state == "delivered":
                # The person looks at the conversation.
                reader.read(from_account)
    if text not in received(reader, from_account):
        raise DemoError("a message is read, but it is not there")
    return states
