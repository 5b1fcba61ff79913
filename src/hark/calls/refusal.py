"""How the checks of a call say that a signal is refused."""

from hark.wire.call import Refusal


class SignalRefusedError(Exception):
    """A signal failed a check. Not an error of ours: the call ends, and both sides say why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal
