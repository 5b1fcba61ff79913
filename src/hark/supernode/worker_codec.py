"""Events of the mailbox service ↔ the messages between workers and the store process."""

from typing import assert_never

from hark.overlay.mailbox import events
from hark.overlay.mailbox.events import LinkRef, ServiceInput, ServiceOutput
from hark.wire import worker as wire
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId

WireServiceInput = (
    wire.WorkerAttach
    | wire.WorkerDetach
    | wire.WorkerAsked
    | wire.WorkerAcked
    | wire.WorkerLiveAsked
)


def input_to_wire(item: ServiceInput) -> WireServiceInput:
    """Return the message of an input."""
    match item:
        case events.Asked(link, request_id, request):
            return wire.WorkerAsked(link, request_id, request)
        case events.Acked(link, mailbox, sequences):
            return wire.WorkerAcked(link, mailbox, sequences)
        case events.LiveAsked(link, request_id, mailbox, token, envelope):
            return wire.WorkerLiveAsked(link, request_id, mailbox, token, envelope)
        case events.Attach(link, mailbox, owner_key, generation, instance):
            return wire.WorkerAttach(link, mailbox, owner_key, generation, instance)
        case events.Detach(link):
            return wire.WorkerDetach(link)
        case _:
            assert_never(item)


def input_from_wire(item: WireServiceInput) -> ServiceInput:
    """Return the input of a message."""
    link = LinkRef(item.link)
    match item:
        case wire.WorkerAsked():
            return events.Asked(link, item.request_id, item.request)
        case wire.WorkerAcked():
            return events.Acked(link, MailboxId(item.mailbox), item.sequences)
        case wire.WorkerLiveAsked():
            return events.LiveAsked(
                link, item.request_id, MailboxId(item.mailbox), item.token, item.envelope
            )
        case wire.WorkerAttach():
            return events.Attach(
                link, MailboxId(item.mailbox), item.owner_key, item.generation, item.instance
            )
        case wire.WorkerDetach():
            return events.Detach(link)
        case _:
            assert_never(item)


def output_to_wire(item: ServiceOutput) -> wire.WorkerOutput:
    """Return the message of an output."""
    match item:
        case events.Answered(link, request_id, answer):
            return wire.WorkerAnswered(link, request_id, answer)
        case events.Deliver(link, mailbox, sequence, held_ms, envelope):
            return wire.WorkerDeliver(link, mailbox, sequence, held_ms, envelope)
        case events.LiveAnswered(link, request_id, passed):
            return wire.WorkerLiveAnswered(link, request_id, passed)
        case events.LiveDelivered(link, mailbox, envelope):
            return wire.WorkerLiveDelivered(link, mailbox, envelope)
        case events.Attached(link, mailbox, code, prekey_count, retry_after_ms):
            return wire.WorkerAttached(link, mailbox, code, prekey_count, retry_after_ms)
        case events.Superseded(link):
            return wire.WorkerSuperseded(link)
        case events.PrekeysRunLow(link, mailbox, prekey_count):
            return wire.WorkerPrekeysRunLow(link, mailbox, prekey_count)
        case _:
            assert_never(item)


def output_from_wire(item: wire.WorkerOutput) -> ServiceOutput:
    """Return the output of a message."""
    link = LinkRef(item.link)
    match item:
        case wire.WorkerAnswered():
            return events.Answered(link, item.request_id, item.answer)
        case wire.WorkerDeliver():
            return events.Deliver(
                link, MailboxId(item.mailbox), item.sequence, item.held_ms, item.envelope
            )
        case wire.WorkerLiveAnswered():
            return events.LiveAnswered(link, item.request_id, item.passed)
        case wire.WorkerLiveDelivered():
            return events.LiveDelivered(link, MailboxId(item.mailbox), item.envelope)
        case wire.WorkerAttached():
            return events.Attached(
                link,
                MailboxId(item.mailbox),
                ErrorCode(item.code),
                item.prekey_count,
                item.retry_after_ms,
            )
        case wire.WorkerSuperseded():
            return events.Superseded(link)
        case wire.WorkerPrekeysRunLow():
            return events.PrekeysRunLow(link, MailboxId(item.mailbox), item.prekey_count)
        case _:
            assert_never(item)
