"""What a supernode counts: whole-program totals, nothing per mailbox, link or address.

Fine-grained counters would help somebody who correlates; these are for an operator who asks
"is it well?". They are kept as plain numbers and lost at the end of the program.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Metric:
    """One number for `/metrics`."""

    name: str
    kind: str
    """`counter` (only grows) or `gauge`."""
    text: str


METRICS = (
    Metric("links_open", "gauge", "Links that are open now."),
    Metric("links_accepted", "counter", "Links taken since the start."),
    Metric("links_shed", "counter", "New links turned away, to come back later."),
    Metric("links_slow", "counter", "Links closed because they did not read."),
    Metric("links_breached", "counter", "Links closed because of bytes that are no frame."),
    Metric("link_bytes_received", "counter", "Bytes that came over links, inside TLS."),
    Metric("link_bytes_sent", "counter", "Bytes given to links, inside TLS."),
    Metric("asks", "counter", "Requests taken."),
    Metric("live_short_cuts", "counter", "Live envelopes passed inside one worker."),
    Metric("workers_restarted", "counter", "Workers that died and were started again."),
    Metric("store_batches", "counter", "Batches that the store has committed."),
    Metric("store_inputs", "counter", "Inputs in those batches."),
    Metric("store_faults", "counter", "Batches refused: disk full, or a bug."),
    Metric("store_queue", "gauge", "Inputs that wait for the store."),
    Metric("swept_mailboxes", "counter", "Mailboxes deleted because their time was over."),
    Metric("swept_envelopes", "counter", "Envelopes deleted because their time was over."),
    Metric("checkpoints", "counter", "Times the write-ahead log was emptied."),
)


@dataclass(slots=True)
class Counters:
    """Counts of one part of the program; written by the one thread that owns it."""

    values: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, count: int = 1) -> None:
        """Count."""
        self.values[name] = self.values.get(name, 0) + count

    def set(self, name: str, value: int) -> None:
        """Note a gauge."""
        self.values[name] = value


def total(parts: list[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums over all parts, with a zero for what was never counted."""
    return {metric.name: sum(part.get(metric.name, 0) for part in parts) for metric in METRICS}


def prometheus_text(values: Mapping[str, int]) -> str:
    """Return the numbers in the text format of Prometheus."""
    lines: list[str] = []
    for metric in METRICS:
        name = f"hark_supernode_{metric.name}"
        name += "_total" if metric.kind == "counter" else ""
        lines += [
            f"# HELP {name} {metric.text}",
            f"# TYPE {name} {metric.kind}",
            f"{name} {values.get(metric.name, 0)}",
        ]
    return "\n".join(lines) + "\n"
