"""The commands of `hark`, each with the module that is loaded for it alone.

A command loads what it needs and nothing else: `hark whoami` has to answer at once, and only
`up` may load the parts that hold keys.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of `hark --help`."""

    module: str
    """Below `hark.app.cli`; it offers `COMMAND`."""
    summary: str


COMMANDS = {
    "demo": Entry("demo.command", "Show two people and a supernode at work."),
    "init": Entry("init", "Make an account."),
    "up": Entry("up", "Run the account's node."),
    "down": Entry("down", "Stop the account's node."),
    "whoami": Entry("whoami", "Show the account."),
    "invite": Entry("invite", "Make an invitation link."),
    "add": Entry("add", "Add a contact by a link."),
    "accept": Entry("accept", "Accept a stranger's request."),
    "block": Entry("block", "Block a contact."),
    "contacts": Entry("contacts", "List contacts and requests."),
    "verify": Entry("verify", "Compare the safety number with a contact."),
    "send": Entry("send", "Send a message."),
    "chat": Entry("chat", "Talk with a contact."),
    "history": Entry("history", "Show a conversation."),
    "call": Entry("call", "Call a contact and talk."),
    "answer": Entry("answer", "Take a call."),
    "hangup": Entry("hangup", "End a call, or decline it."),
    "voicemail": Entry("voicemail", "List and hear spoken messages."),
    "privacy": Entry("privacy", "Show or change what others may learn about you."),
    "restore": Entry("restore", "Restore an account from its 24 words."),
    "doctor": Entry("doctor", "Check that all is well."),
    "echo": Entry("echo", "Answer messages with themselves, calls with a sound test (a bot)."),
    "supernode": Entry("supernode", "Run or inspect a supernode."),
}
