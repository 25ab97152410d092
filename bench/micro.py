"""Times the parts of the hot path, one by one, in this process.

    python -m bench.micro [WORDS...]        only those whose names hold one of the words

The best of several repetitions is what a part costs when nothing disturbs it; the median says how much did. What is
done to every event of a stream is given per event.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import shutil
import sys
import tempfile
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.kit.scenarios import body
from bench.kit.targets import KEY
from narthex.ledger.book import Book
from narthex.ledger.entries import Entry, Opened
from narthex.ledger.journal import Journal
from narthex.ledger.limits.headers import OPENAI as OPENAI_WORDS
from narthex.ledger.limits.meters import Meters
from narthex.ledger.prices import Prices
from narthex.pipeline.billing import Billing, Ledger
from narthex.pipeline.exchange import Exchange, Head
from narthex.pipeline.recovery import Recovery
from narthex.providers.catalog import Target
from narthex.providers.contract import Timeouts
from narthex.providers.scripted.provider import ScriptedProvider
from narthex.resilience.places import Places
from narthex.resilience.shedding import Shedder
from narthex.streams.stream import Stream
from narthex.tenancy.bounds import Bounds
from narthex.tenancy.keys import LOCAL, Caller, Keyring
from narthex.tenancy.scopes import Scopes
from narthex.tenancy.virtual_keys import new_key
from narthex.tokens.counting import count_chat
from narthex.types.accounts import Account
from narthex.types.catalog import Price
from narthex.types.dialects import Dialect
from narthex.types.limits import Limit, Measure, Period, SubjectKind
from narthex.types.usage import Usage
from narthex.wire.registry import CHAT_WIRES
from narthex.wire.splice import replace_model
from narthex.wire.sse import FrameSplitter

MODEL = "mock/gpt-bench"
REPETITIONS = 7
REPETITION_S = 0.05
TEXT_EVENTS = 50

Operation = Callable[[], object]

OPENAI = CHAT_WIRES[Dialect.OPENAI_CHAT]
ANTHROPIC = CHAT_WIRES[Dialect.ANTHROPIC_MESSAGES]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to time."""

    name: str
    prepare: Callable[[], Operation]
    """Makes what it needs, and returns what is timed."""
    per: int = 1
    """Events handled by one call."""


def stream_events() -> list[bytes]:
    """Return a stream's events: text, usage, [DONE]."""
    head = b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"gpt-bench",'
    events = [
        head
        + b'"choices":[{"index":0,"delta":{%b"content":" word%04dxxxxxxxxxxxxxxxxxxx"},"finish_reason":%b}]}\n\n'
        % (b'"role":"assistant",' if n == 0 else b"", n, b'"stop"' if n == TEXT_EVENTS - 1 else b"null")
        for n in range(TEXT_EVENTS)
    ]
    usage = b'"choices":[],"usage":{"prompt_tokens":112,"completion_tokens":50,"total_tokens":162}}\n\n'
    return [*events, head + usage, b"data: [DONE]\n\n"]


def whole_answer() -> bytes:
    """Return a whole answer of about 1.2 KB."""
    text = b"A narthex is the hall at the door of a great building, where everyone is received. " * 9
    return (
        b'{"id":"chatcmpl-bench0123456789abcdef","object":"chat.completion","created":1760000000,"model":"gpt-bench",'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":"'
        + text
        + b'","refusal":null},"logprobs":null,'
        b'"finish_reason":"stop"}],"usage":{"prompt_tokens":112,"completion_tokens":168,"total_tokens":280}}'
    )


def _identify() -> Operation:
    keyring = Keyring([("bench", KEY)])
    header = f"Bearer {KEY}".encode()
    return lambda: keyring.identify(header)


def _identify_virtual(*, is_new: bool) -> Callable[[], Operation]:
    """Check a virtual key with everything that scopes say; one that is new is made ready first, as after a change."""

    def prepare() -> Operation:
        keyring, plain = Keyring([]), new_key("key_mfrggzdfmztwq2lk").encode()
        header, peer, mark = b"Bearer " + plain, ("127.0.0.1", 50_000), keyring.mark_of(plain)
        scopes = Scopes(models=("mock/*",), routes=("chat",), addresses=("127.0.0.0/8",))

        def learn() -> None:
            keyring.learn([(mark, Caller(name="key_mfrggzdfmztwq2lk", bounds=Bounds(scopes, ends_at=1e12)))])

        def check() -> None:
            if is_new:
                learn()
            bounds = keyring.identify(header).bounds
            assert bounds is not None
            bounds.admit("chat", peer)
            bounds.permit(MODEL, MODEL)

        learn()
        return check

    return prepare


def _key_checks() -> list[Part]:
    return [
        Part("key check", _identify),
        Part("key check: virtual key with scopes", _identify_virtual(is_new=False)),
        Part("key check: virtual key learned just now", _identify_virtual(is_new=True)),
    ]


def _decode_head() -> Operation:
    decode, request = msgspec.json.Decoder(Head).decode, body("json", model=MODEL)
    return lambda: decode(request)


def _decode_request() -> Operation:
    decode, request = OPENAI.decode_request, body("json", model=MODEL)
    return lambda: decode(request)


def _encode_request() -> Operation:
    request = OPENAI.decode_request(body("json", model=MODEL))
    encode = ANTHROPIC.encode_request
    return lambda: encode(request, model="gpt-bench")


def _replace_model() -> Operation:
    request = body("json", model=MODEL)
    return lambda: replace_model(request, MODEL, "gpt-bench")


def _attempt(*, recovery: bool) -> Callable[[], Operation]:
    """Prepare an attempt that succeeds at once, with or without breaker, retries and budget around it."""

    def prepare() -> Operation:
        exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
        target = exchange.target = Target(
            name=MODEL, header=b"", model="gpt-bench", provider=ScriptedProvider("mock", {}), timeouts=Timeouts()
        )
        answer = Stream.of(b"{}", Dialect.OPENAI_CHAT)
        around = Recovery(chain=lambda _exchange: ())

        async def attempt(exchange: Exchange, _target: Target) -> None:
            exchange.answer = answer

        def run() -> None:
            drive = around.carry(exchange, attempt) if recovery else attempt(exchange, target)
            with contextlib.suppress(StopIteration):
                drive.send(None)

        return run

    return prepare


def _account(*, limits: int, journal: bool = True) -> Callable[[], Operation]:
    """Prepare what a call pays for being accounted for: identity, price, limits, reservation, entry, journal."""

    def prepare() -> Operation:
        billing = _billing(limits, _book() if journal else _Forgetful())
        keyring, header = Keyring([("bench", KEY)]), f"Bearer {KEY}".encode()
        exchange_of, end = _exchanges()

        def run() -> None:
            exchange = exchange_of(keyring.identify(header))
            billing.open(exchange)
            end(billing, exchange)

        return run

    return prepare


def _billing(limits: int, ledger: Ledger) -> Billing:
    price = Price(input_microusd_per_mtok=2_500_000, output_microusd_per_mtok=10_000_000)
    return Billing(ledger, Prices(lambda _model: price), Meters(_limits()[:limits]))


def _exchanges() -> tuple[Callable[[Caller], Exchange], Callable[[Billing, Exchange], None]]:
    """Return what makes a call, and what ends it well."""
    target = Target(
        name=MODEL, header=b"", model="gpt-bench", provider=ScriptedProvider("mock", {}), timeouts=Timeouts()
    )
    request, answer = body("json", model=MODEL), Stream.of(whole_answer(), Dialect.OPENAI_CHAT)
    usage = Usage(input_tokens=112, output_tokens=168)

    def make(caller: Caller) -> Exchange:
        exchange = Exchange(Dialect.OPENAI_CHAT, request, {}, caller=caller)
        exchange.target = target
        return exchange

    def end(billing: Billing, exchange: Exchange) -> None:
        exchange.sent, exchange.answer = True, answer
        assert exchange.bill is not None
        billing.close(exchange, exchange.bill, usage, None)

    return make, end


class _Forgetful:
    """A ledger that keeps nothing."""

    def opened(self, call: Opened, price: Price | None) -> None:
        pass

    def came(self, name: str, output_tokens: int) -> None:
        pass

    def settled(self, name: str, entries: tuple[Entry, ...]) -> None:
        pass


def _reserve_and_settle() -> Operation:
    """Hold what a call needs of four limits, and charge what it used."""
    meters = Meters(_limits())
    plan = meters.plan(Account(key_id="config:bench"))
    assert plan is not None

    def run() -> None:
        meters.hold(plan, (1, 154, 1_000, 1_154, 10_385_000_000, 1)).settle(112, 168, 1_960_000_000)

    return run


def _tell_limits() -> Operation:
    """Tell a caller how the limits stand."""
    meters = Meters(_limits())
    held = meters.reserve(Account(key_id="config:bench"), input_tokens=154, output_tokens=1_000, picousd=10_385_000_000)
    assert held is not None
    return lambda: held.headers(OPENAI_WORDS)


def _journal_record() -> Operation:
    """Copy a record of usual size into the journal; the thread that makes room in it is not needed for it."""
    folder = Path(tempfile.mkdtemp(prefix="narthex-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    journal, record = Journal(folder), bytes(240)

    def run() -> None:
        segment, _ = journal.append(record)
        segment.taken += 1
        segment.done += 1
        if journal.wants_spare:
            journal.make_spare()
            journal.sweep()

    return run


def _account_parts() -> list[Part]:
    return [
        Part("account: exchange alone", _bare_exchange),
        Part("account: reserve and settle four limits", _reserve_and_settle),
        Part("account: tell of four limits", _tell_limits),
        Part("account: a record of the journal", _journal_record),
        Part("account: key, entry", _account(limits=0, journal=False)),
        Part("account: key, four limits, entry", _account(limits=4, journal=False)),
        Part("account: key, journal, entry", _account(limits=0)),
        Part("account: key, four limits, journal, entry", _account(limits=4)),
    ]


def _book() -> Book:
    folder = Path(tempfile.mkdtemp(prefix="narthex-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    book = Book(folder, _Nowhere(), flush_s=0.02)
    book.start()
    atexit.register(book.close)
    return book


def _bare_exchange() -> Operation:
    """Make an exchange alone, which is no part of the account."""
    request = body("json", model=MODEL)
    return lambda: Exchange(Dialect.OPENAI_CHAT, request, {}, caller=LOCAL)


class _Nowhere:
    """A database that takes everything at once."""

    def add(self, entries: Sequence[Entry]) -> int:
        return len(entries)


def _limits() -> list[Limit]:
    """Return a limit of each usual kind, none of which is reached."""
    kinds = (
        (SubjectKind.KEY, "config:bench", Measure.REQUESTS, Period.MINUTE),
        (SubjectKind.KEY, "config:bench", Measure.TOKENS, Period.MINUTE),
        (SubjectKind.WORKSPACE, "ws_default", Measure.COST, Period.MONTH),
        (SubjectKind.ORGANISATION, "org_default", Measure.COST, Period.DAY),
    )
    return [
        Limit(id=f"lim_{number}", subject_kind=kind, subject=subject, measure=measure, amount=10**12, period=period)
        for number, (kind, subject, measure, period) in enumerate(kinds)
    ]


def _place() -> Operation:
    """Take a place at a model that never complained, and give it back."""
    places = Places()

    def run() -> None:
        place = places.of(MODEL).try_acquire(0.0)
        assert place is not None
        place.succeeded()

    return run


def _door() -> Operation:
    """See how urgent a call is, and whether this server takes it."""
    shedder, caller = Shedder(), LOCAL

    def run() -> None:
        shedder.check(caller.priority, 1)

    return run


def _scan_answer() -> Operation:
    scan, answer = OPENAI.scan_answer, whole_answer()
    return lambda: scan(answer)


def _scan_stream(pieces: Sequence[bytes]) -> Callable[[], Operation]:
    def prepare() -> Operation:
        make = OPENAI.scanner

        def scan() -> None:
            scanner = make()
            for piece in pieces:
                scanner.feed(piece)
            scanner.close()

        return scan

    return prepare


def _translate_stream() -> Operation:
    request, pieces = OPENAI.decode_request(body("sse", model=MODEL)), stream_events()

    def translate() -> None:
        parser, encoder = OPENAI.parser(), ANTHROPIC.encoder(request)
        for piece in pieces:
            for event in parser.feed(piece):
                encoder.encode(event)
        for event in parser.close():
            encoder.encode(event)

    return translate


def _split_frames() -> Operation:
    pieces = stream_events()

    def split() -> None:
        splitter = FrameSplitter()
        for piece in pieces:
            splitter.feed(piece)

    return split


def _log(*, retained: bool) -> Callable[[], Operation]:
    """Prepare a stream that is read as it is written, as the fast lane does, with or without being kept."""

    def prepare() -> Operation:
        pieces = stream_events()

        def run() -> None:
            stream = Stream(Dialect.OPENAI_CHAT)
            if retained:
                stream.retain(lambda _size: True)

            def read() -> None:
                reader.take()

            reader = stream.reader(read)
            for piece in pieces:
                stream.append(piece)
            stream.close()
            reader.leave()

        return run

    return prepare


def _count_tokens() -> Operation:
    request = OPENAI.decode_request(body("json", model=MODEL))
    return lambda: count_chat(request, "gpt-4o")


def parts() -> list[Part]:
    """Return everything that can be timed, in the order in which a request meets it."""
    events = stream_events()
    together = [b"".join(events[start : start + 8]) for start in range(0, len(events), 8)]
    return [
        *_key_checks(),
        *_account_parts(),
        Part("request: what dispatch needs", _decode_head),
        Part("request: decode in full", _decode_request),
        Part("request: write for another dialect", _encode_request),
        Part("request: put the provider's model in", _replace_model),
        Part("request: count tokens", _count_tokens),
        Part("attempt: alone", _attempt(recovery=False)),
        Part("attempt: with breaker, retries, budget and place", _attempt(recovery=True)),
        Part("attempt: place at the model", _place),
        Part("attempt: is it taken", _door),
        Part("answer: scan", _scan_answer),
        Part("stream: split, per event", _split_frames, len(events)),
        Part("stream: scan, events one by one, per event", _scan_stream(events), len(events)),
        Part("stream: scan, eight events a read, per event", _scan_stream(together), len(events)),
        Part("stream: write and read the log, per event", _log(retained=False), len(events)),
        Part("stream: write and read the log, kept, per event", _log(retained=True), len(events)),
        Part("stream: translate to another dialect, per event", _translate_stream, len(events)),
    ]


def time_us(operation: Operation, per: int) -> tuple[float, float]:
    """Return the best and the median time of an operation, in microseconds."""
    timer = timeit.Timer(operation)
    once_s = max(timer.timeit(3) / 3, 1e-8)
    number = max(1, round(REPETITION_S / once_s))
    times = sorted(timer.timeit(number) / number / per * 1e6 for _ in range(REPETITIONS))
    return times[0], times[REPETITIONS // 2]


def main() -> int:
    """Time the parts asked for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="time only the parts whose names hold one of these")
    words = parser.parse_args().words
    print("| part | best, µs | median, µs |\n|---|---|---|")
    for part in parts():
        if not words or any(word in part.name for word in words):
            operation = part.prepare()
            gc.collect()
            best, median = time_us(operation, part.per)
            print(f"| {part.name} | {best:.2f} | {median:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
