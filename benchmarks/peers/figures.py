"""What is measured of a server, ours or a peer's."""

from dataclasses import dataclass


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
    body_bytes: int
    """Length of one message's body: a sealed envelope of the smallest size."""
    settle_s: float
    """Silence before memory is read, in seconds."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server showed under a `Plan`. Lists hold raw samples, in order."""

    bytes_per_client: float
    """Growth of the resident memory per client between the two readings."""
    log_ins_per_cpu_s: list[float]
    messages_per_cpu_s: list[float]
    messages_per_s: list[float]
    """By the wall clock, with the load generator on the same machine: no goal, for the reader
    to see how busy the machine was."""
