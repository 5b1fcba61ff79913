"""What is done to a server, ours or a peer's, and what is measured of it."""

from dataclasses import dataclass

LOG_IN_SAMPLE_COUNT = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """How much load one server gets. The same for every server of a run."""

    base_client_count: int
    """Clients before memory is first read: they warm the server up."""
    client_count: int
    """Clients when memory is read again. All stay connected."""
    sender_count: int
    """Clients that send, each to another client that does not."""
    window_count: int
    """Messages that a sender has on the way at most."""
    message_count: int
    """Messages of one sample."""
    sample_count: int
    """Samples of messages."""
    body_bytes: int
    """Length of one message's body: a sealed envelope of the smallest size."""
    settle_s: float
    """Silence before memory is read, in seconds."""

    def log_in_targets(self) -> list[int]:
        """Return how many clients there are after each sample of log-ins."""
        added = self.client_count - self.base_client_count
        return [
            self.base_client_count + added * number // LOG_IN_SAMPLE_COUNT
            for number in range(1, LOG_IN_SAMPLE_COUNT + 1)
        ]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server showed under a `Plan`. Lists hold raw samples, in order."""

    bytes_per_client: float
    """Growth of the resident memory per client between the two readings."""
    log_ins_per_cpu_s: list[float]
    messages_per_cpu_s: list[float]
    messages_per_s: list[float]
    """By the clock on the wall, with the load generator on the same machine: not to be judged,
    but for the reader to see how busy the machine was."""
