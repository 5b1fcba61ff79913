"""What can go wrong, as one tree.

::

    HarkError
    ├── PeerError                 they broke it: bytes or behaviour of a peer
    │   ├── MalformedError            bytes that do not parse
    │   ├── ForgedError               a signature, tag or binding that does not hold
    │   ├── ProtocolError             a well-formed message that is not allowed here
    │   └── RefusedError              a peer answered with an error code
    ├── UsageError                we broke it, or the person asked for something impossible
    │   ├── InvitationError
    │   ├── RecoveryWordsError
    │   ├── UnknownContactError
    │   ├── ContactFrozenError
    │   ├── ContactUnverifiedError
    │   ├── ContactBlockedError
    │   ├── ContactNotAcceptedError
    │   ├── MessageTooLongError
    │   ├── CallError
    │   │   ├── NoSuchCallError
    │   │   ├── CallBusyError
    │   │   └── CallNotMadeError
    │   ├── SoundFileError
    │   ├── AlreadyInitialisedError
    │   └── NotInitialisedError
    ├── OperatorError             disk, network, configuration
    │   ├── ConfigurationError
    │   ├── PortTakenError
    │   ├── DiskFullError
    │   ├── MissingPartError
    │   ├── SoundDeviceError
    │   ├── StoreError
    │   │   ├── StoreInUseError
    │   │   ├── StoreDamagedError
    │   │   ├── StoreVersionError
    │   │   ├── StoreStaleError
    │   │   └── WrongPassphraseError
    │   ├── NodeNotRunningError
    │   ├── UnreachableError
    │   ├── WrongSupernodeError
    │   └── VersionMismatchError
    └── CheckFailedError          a check that a command ran did not pass

The docstring of each class is the text for a person: what happened, what it means, what to
do. Only the entry points (`app`, `ops`, `supernode/__main__`) turn an error into that text
and into `exit_code`; the message given to the constructor adds the particulars and holds no
content, names, keys or addresses of other people.
"""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_STORE = 4
EXIT_UNREACHABLE = 5
EXIT_REFUSED = 6


class HarkError(Exception):
    """Something went wrong that hark has no better name for."""

    exit_code: int = EXIT_FAILED


class PeerError(HarkError):
    """The other side sent something that it must not send. It was refused; nothing is lost."""

    exit_code = EXIT_REFUSED


class MalformedError(PeerError):
    """The other side sent bytes that are not a valid message. They were refused."""


class ForgedError(PeerError):
    """A signature or seal did not hold. The message was refused: somebody altered it."""


class ProtocolError(PeerError):
    """The other side sent a valid message at a moment when it is not allowed."""


class RefusedError(PeerError):
    """The supernode refused the request."""

    def __init__(self, message: str, *, code: int, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.code = code
        """Error code as listed in `spec/registry.toml`, section `error`."""
        self.retry_after_ms = retry_after_ms
        """How long to wait before asking again, in milliseconds; 0 when not said."""


class UsageError(HarkError):
    """That cannot be done as it was asked."""

    exit_code = EXIT_USAGE


class InvitationError(UsageError):
    """This is not a usable invitation link.

    It may be cut off, mistyped, expired or used already. Ask for a new one.
    """


class RecoveryWordsError(UsageError):
    """These are not valid recovery words.

    Check them against what you wrote down: 24 words, in order.
    """


class UnknownContactError(UsageError):
    """There is no contact of that name. `hark contacts` lists them."""


class ContactFrozenError(UsageError):
    """This contact's account has been forked: two different recoveries claim the same moment.

    Nothing is sent until the owner recovers again and you have compared the safety number.
    """

    exit_code = EXIT_REFUSED


class ContactUnverifiedError(UsageError):
    """This contact's keys are new, and the new safety number has not been looked at.

    Nothing new is sent until you have compared it: `hark verify NAME`. What you wrote before
    waits until then.
    """

    exit_code = EXIT_REFUSED


class ContactBlockedError(UsageError):
    """You have blocked this contact. Nothing is sent to somebody who is blocked."""

    exit_code = EXIT_REFUSED


class ContactNotAcceptedError(UsageError):
    """This contact has not accepted you yet, so nothing of yours rings there.

    Your request now says that you would like to call. Neither side learns an address of the
    other before it is accepted.
    """

    exit_code = EXIT_REFUSED


class CallError(UsageError):
    """The call cannot be made, or cannot be changed in this way."""

    exit_code = EXIT_FAILED


class NoSuchCallError(CallError):
    """There is no such call, or it is over. `hark history NAME` shows the calls that were."""


class CallBusyError(CallError):
    """You are in a call already. Hang up first: `hark hangup`."""


class CallNotMadeError(CallError):
    """The call was not answered or could not be connected."""


class SoundFileError(UsageError):
    """This sound file cannot be used. A WAV file with some sound in it is needed."""


class MessageTooLongError(UsageError):
    """The message is too long for one message. Send it in parts."""


class AlreadyInitialisedError(UsageError):
    """There is an account in this place already. It was left as it is."""


class NotInitialisedError(UsageError):
    """There is no account in this place. Make one with `hark init`."""


class OperatorError(HarkError):
    """This machine or the network is in the way."""

    exit_code = EXIT_ENVIRONMENT


class ConfigurationError(OperatorError):
    """The configuration is not valid."""

    exit_code = EXIT_USAGE


class PortTakenError(OperatorError):
    """Another program is listening on this port. Choose another port or stop that program."""


class DiskFullError(OperatorError):
    """The disk is full. Nothing that was acknowledged is lost; free some space, try again."""


class MissingPartError(OperatorError):
    """A part that this needs is not installed."""


class SoundDeviceError(OperatorError):
    """There is no microphone or speaker that can be used.

    Plug one in or start the sound server, or use files: `--audio in.wav --record out.wav`.
    """


class StoreError(OperatorError):
    """The store on disk cannot be used."""

    exit_code = EXIT_STORE


class StoreInUseError(StoreError):
    """Another hark program is using this store. Only one may run on it at a time."""

    exit_code = EXIT_ENVIRONMENT


class StoreDamagedError(StoreError):
    """The store is damaged or cut off. It was left as it is, nothing was overwritten.

    Restore the account on a new place with `hark restore` and your 24 words.
    """


class StoreVersionError(StoreError):
    """The store was written by a newer version of hark. Update hark; nothing was changed."""


class StoreStaleError(StoreError):
    """This store is an old copy: the account has since been used from another one.

    Using it could repeat keys, so it stays closed. Go on with the newer copy, or start as a
    new device with `hark restore` and your 24 words.
    """


class WrongPassphraseError(StoreError):
    """The passphrase does not open this store."""


class NodeNotRunningError(OperatorError):
    """hark is not running for this account. Start it with `hark up`."""

    exit_code = EXIT_UNREACHABLE


class UnreachableError(OperatorError):
    """The supernode cannot be reached. Messages wait here and go as soon as it can be."""

    exit_code = EXIT_UNREACHABLE


class WrongSupernodeError(OperatorError):
    """Another supernode answers at this address than the one that was expected.

    Nothing was sent to it. Either its operator made a new key or somebody is in between.
    """

    exit_code = EXIT_REFUSED


class VersionMismatchError(OperatorError):
    """The supernode speaks another version of the protocol. One of the two needs an update."""

    exit_code = EXIT_REFUSED


class CheckFailedError(HarkError):
    """A check did not pass."""

    exit_code = EXIT_REFUSED
