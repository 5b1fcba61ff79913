"""All calls of one device: who may call now, which signal belongs to which call, what is shown.

It is fed with the signals that messaging has taken out of the mail, with what the media engine
tells, and with what a person does. Everything it orders comes out as effects. What happens
inside a call is in the modules beside it; here is what concerns more than one: the limit,
glare, signals for calls that are not known, and the memory of calls that have ended.
Source: spec/calls.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hark.calls import facts, joining, signals
from hark.calls.call import Call, Timer
from hark.calls.config import CallConfig
from hark.calls.early import EarlySignals
from hark.calls.events import (
    CallChanged,
    CallEffect,
    CallState,
    CallView,
    Peer,
    RecordCall,
    SendSignal,
    SignalReceived,
)
from hark.calls.media import MediaFact
from hark.calls.refusal import SignalRefusedError
from hark.calls.setup import Own
from hark.calls.table import Step
from hark.errors import CallBusyError, CallError, MalformedError, NoSuchCallError, UsageError
from hark.machine import Instant, RandomBytes
from hark.wire.call import (
    CallAnswer,
    CallEnd,
    CallOffer,
    CallOutcome,
    CallRinging,
    CallSignal,
    EndReason,
    Refusal,
    parse_signal,
)
from hark.wire.codec import encode
from hark.wire.ids import CALL_ID_BYTES, AccountId, CallId, DeviceId

DEFAULT_CONFIG = CallConfig()


class Calls:
    """One device's calls. Keeps the contract of `hark.machine.Machine`.

    Args:
        account: ours.
        device: this one.
        random_bytes: for names, secrets and nonces.
        config: times and bounds.
    """

    def __init__(
        self,
        *,
        account: AccountId,
        device: DeviceId,
        random_bytes: RandomBytes,
        config: CallConfig = DEFAULT_CONFIG,
    ) -> None:
        self._own = Own(account, device)
        self._random_bytes = random_bytes
        self._config = config
        self._limit = config.max_calls
        self._calls: dict[CallId, Call] = {}
        self._early = EarlySignals(config.early_s, config.max_early)
        self._shown: dict[CallId, CallView] = {}
        self._effects: list[CallEffect] = []
        self._now = Instant(0.0)

    # The machine.

    def handle(self, item: SignalReceived | MediaFact, now: Instant) -> None:
        """Take a signal or a fact. Never raises `PeerError`."""
        with self._moment(now):
            if isinstance(item, SignalReceived):
                self._take_signal(item)
            else:
                call = self._calls.get(item.call)
                if call is not None:
                    with self._checking(call):
                        facts.take(call, item, self._now)

    def handle_deadline(self, now: Instant) -> None:
        """Take the passing of time. Harmless when called early."""
        with self._moment(now):
            for call in list(self._calls.values()):
                while (timer := call.take_due(self._now)) is not None:
                    with self._checking(call):
                        facts.fire(call, timer, self._now)

    def deadline(self) -> Instant | None:
        """Return when to call `handle_deadline` next, or None for never."""
        moments = [call.deadline() for call in self._calls.values()]
        moments += [self._forget_at(call) for call in self._ended()]
        return min((moment for moment in moments if moment is not None), default=None)

    def take_effects(self) -> list[CallEffect]:
        """Return what must be done now, oldest first, and forget it."""
        effects = self._effects.copy()
        self._effects.clear()
        return effects

    # What a person does.

    def place(self, peer: Peer, now: Instant, *, hide_address: bool, records: bool) -> CallId:
        """Call a contact.

        Args:
            peer: whom.
            now: the moment.
            hide_address: tell and use relayed addresses only.
            records: whether we record from the start.

        Raises:
            UsageError: it is our own account.
            CallBusyError: there are as many calls as there may be.
        """
        if peer.account == self._own.account:
            raise UsageError("a call to oneself")
        if len(self._live()) >= self._limit:
            raise CallBusyError
        with self._moment(now):
            call = self._new(CallId(self._random_bytes(CALL_ID_BYTES)), peer, None)
            call.hide_address, call.part.records = hide_address, records
            call.record(CallOutcome.RINGING, self._now)
            call.open_connection(1, self._now)
        return call.id

    def answer(self, call: CallId, now: Instant, *, hide_address: bool, records: bool) -> None:
        """Take a call that rings here.

        Args:
            call: which.
            now: the moment.
            hide_address: tell and use relayed addresses only.
            records: whether we record from the start.

        Raises:
            NoSuchCallError: there is none, or it is over.
            CallError: it does not ring here.
        """
        with self._moment(now):
            self._answer(self._find(call), hide_address=hide_address, records=records)

    def decline(self, call: CallId, now: Instant) -> None:
        """Refuse a call that rings here.

        Raises:
            NoSuchCallError: there is none, or it is over.
            CallError: it does not ring here.
        """
        with self._moment(now):
            if not self._find(call).step(Step.DECLINED, self._now):
                raise CallError("this call does not ring here")

    def hang_up(self, call: CallId, now: Instant) -> None:
        """End a call, whatever its state.

        Raises:
            NoSuchCallError: there is none, or it is over.
        """
        with self._moment(now):
            self._find(call).step(Step.HUNG_UP, self._now)

    def switch(
        self,
        call: CallId,
        now: Instant,
        *,
        muted: bool | None = None,
        held: bool | None = None,
        records: bool | None = None,
    ) -> None:
        """Change how we take part; None leaves a thing as it is.

        Raises:
            NoSuchCallError: there is none, or it is over.
        """
        with self._moment(now):
            found = self._find(call)
            part = found.part
            part.muted = part.muted if muted is None else muted
            part.held = part.held if held is None else held
            part.records = part.records if records is None else records
            found.switch_sound()
            found.tell_status()

    def set_limit(self, count: int) -> None:
        """Allow so many calls at a time. Those that are going on stay."""
        self._limit = count

    # What a person is shown.

    def views(self) -> list[CallView]:
        """Return all calls, those included that ended within the last minute."""
        return [self._view(call) for call in self._calls.values()]

    def view(self, call: CallId) -> CallView | None:
        """Return one call, or None."""
        found = self._calls.get(call)
        return None if found is None else self._view(found)

    # Signals.

    def _take_signal(self, item: SignalReceived) -> None:
        try:
            signal = parse_signal(item.body)
        except MalformedError:
            self._refuse_malformed(item)
            return
        call = self._calls.get(CallId(signal.call))
        if call is not None and isinstance(signal, CallOffer):
            self._note_taken_name(item, call)
        if call is None:
            self._take_unknown(item, signal)
        elif call.peer.account == item.peer.account:
            if signals.is_early(call, signal):
                self._early.keep(item, call.id, self._now)
                return
            with self._checking(call):
                signals.take(call, item, signal, self._now)
            if isinstance(signal, CallAnswer) and call.device == item.device:
                self._take_early(call)

    def _note_taken_name(self, item: SignalReceived, call: Call) -> None:
        """Have no call ring on in the history that only has the name of another."""
        account, device = item.peer.account, item.device
        if (account, device) != (call.peer.account, call.caller_device):
            failed = RecordCall(call.id, account, device, CallOutcome.FAILED, 0)
            self._effects.append(failed)

    def _take_unknown(self, item: SignalReceived, signal: CallSignal) -> None:
        if isinstance(signal, CallOffer):
            if item.peer.account != self._own.account:
                self._take_offer(item, signal)
        elif isinstance(signal, signals.EXPECTANT):
            # We were started again meanwhile, or have never heard of it.
            end = encode(CallEnd(signal.call, EndReason.UNKNOWN_CALL, Refusal.NONE))
            self._effects.append(SendSignal(item.peer.account, end, item.device))
        else:
            self._early.keep(item, CallId(signal.call), self._now)

    def _take_early(self, call: Call) -> None:
        """Look again at what has overtaken an offer or answer."""
        assert call.device is not None
        account = call.peer.account
        for item in self._early.take(account, call.device, call.id, self._now):
            self._take_signal(item)

    def _refuse_malformed(self, item: SignalReceived) -> None:
        """End the calls with a device that sends what is no signal: no other is meant by it."""
        for call in self._live():
            if (call.peer.account, call.device) == (item.peer.account, item.device):
                call.refuse(Refusal.MALFORMED, self._now)

    # A call comes.

    def _take_offer(self, item: SignalReceived, offer: CallOffer) -> None:
        busy = len(self._live()) >= self._limit
        rivals = [
            call
            for call in self._live()
            if call.outgoing and call.device is None and call.peer.account == item.peer.account
        ]
        call = self._new(CallId(offer.call), item.peer, item.device)
        with self._checking(call):
            if any(
                rival.setup.is_ours(offer.secret, offer.commitment, offer.transport)
                for rival in rivals
            ):
                raise SignalRefusedError(Refusal.REFLECTED)
            joining.take_offer(call, item, offer)
        self._take_early(call)
        if call.state is not CallState.INCOMING:
            return
        if rivals:
            self._settle_glare(call, rivals)
        elif busy:
            call.step(Step.BUSY, self._now)
        else:
            call.send(CallRinging(call.id))
            call.wait(Timer.RING_CONFIRM, self._now, self._config.ring_confirm_s)

    def _settle_glare(self, call: Call, rivals: list[Call]) -> None:
        """Both have called at once: the call with the smallest name goes on, answered."""
        if any(rival.id < call.id for rival in rivals):
            call.step(Step.OVERRULED, self._now)
            return
        ours = rivals[0]
        for rival in rivals:
            rival.step(Step.OVERRULED, self._now)
        call.part.muted, call.part.held = ours.part.muted, ours.part.held
        self._answer(call, hide_address=ours.hide_address, records=ours.part.records)

    def _answer(self, call: Call, *, hide_address: bool, records: bool) -> None:
        if not call.step(Step.TAKEN, self._now):
            raise CallError("this call does not ring here")
        call.hide_address, call.part.records = hide_address, records
        call.timers.pop(Timer.RING_CONFIRM, None)
        call.open_connection(1, self._now)

    # Inside.

    def _new(self, call: CallId, peer: Peer, device: DeviceId | None) -> Call:
        new = self._calls[call] = Call(
            call,
            self._own,
            peer,
            device=device,
            config=self._config,
            random_bytes=self._random_bytes,
            effects=self._effects,
            now=self._now,
        )
        return new

    def _find(self, call: CallId) -> Call:
        found = self._calls.get(call)
        if found is None or found.state is CallState.ENDED:
            raise NoSuchCallError
        return found

    def _view(self, call: Call) -> CallView:
        return call.view(call.duration_ms(self._now))

    def _live(self) -> list[Call]:
        return [call for call in self._calls.values() if call.state is not CallState.ENDED]

    def _ended(self) -> list[Call]:
        return [call for call in self._calls.values() if call.state is CallState.ENDED]

    def _forget_at(self, call: Call) -> Instant:
        assert call.ending
        return Instant(call.ending.at + self._config.keep_ended_s)

    @contextmanager
    def _moment(self, now: Instant) -> Iterator[None]:
        """Take one input; tell of what it has changed."""
        self._now = max(self._now, now)
        yield
        for call in self._calls.values():
            # That time passes is no change.
            view = call.view(duration_ms=0)
            if self._shown.get(call.id) != view:
                self._shown[call.id] = view
                self._effects.append(CallChanged(self._view(call)))
        self._forget()

    def _forget(self) -> None:
        ended = sorted(self._ended(), key=self._forget_at)
        too_many = len(ended) - self._config.max_ended
        for place, call in enumerate(ended):
            if place < too_many or self._forget_at(call) <= self._now:
                del self._calls[call.id]
                del self._shown[call.id]

    @contextmanager
    def _checking(self, call: Call) -> Iterator[None]:
        """Do something with a call, and then what can be checked; a refusal ends it."""
        try:
            yield
            joining.advance(call, self._now)
        except SignalRefusedError as error:
            call.refuse(error.refusal, self._now)
