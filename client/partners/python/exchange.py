"""What a partner nation's system asks of a Fairlead network: one class, `Exchange`, over gRPC with mutual TLS.

Every call is safe to make twice (the writes carry a request id), so a call whose node is away is made again: at the next node of the
configuration, with the same tokens, and after pauses that grow.

Thread safety: any thread may call; each watch belongs to one. `close` ends what is open.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import grpc
import grpc.experimental
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from fairlead.v1 import exchange_service_pb2 as v1
from fairlead.v1 import exchange_service_pb2_grpc as v1_grpc
from fairlead.v1 import log_service_pb2 as logs

CALL_SECONDS = 30.0  # of a call with all its attempts
ATTEMPT_SECONDS = 10.0  # of one attempt at one node
AVOID_SECONDS = 10.0  # how long a node that was away is asked last
SILENCE_SECONDS = 60.0  # a watch hears a heartbeat every 15 s; after this its connection is dead
PAUSE_SECONDS_MIN = 0.2
PAUSE_SECONDS_MAX = 5.0
PAGE_SIZE = 200
MESSAGE_BYTES_MAX = 64 << 20  # a page of 1,000 long records

AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclasses.dataclass(frozen=True)
class Config:
    """`nodes` are pairs of site and address: the nation's region first, then headquarters. The rest are PEM files."""

    network: str  # which its nodes' certificates bear
    nodes: tuple[tuple[str, str], ...]
    certificate: Path
    key: Path
    ca: Path

    @staticmethod
    def read(file: str | Path) -> Config:
        """Reads a configuration; its paths are relative to it. ValueError names what is missing."""
        folder = Path(file).parent
        raw = json.loads(Path(file).read_text(encoding="utf-8"))
        for key in ("network", "certificate", "key", "ca", "nodes"):
            if not raw.get(key):
                raise ValueError(f"{file}: no {key}")
        nodes = tuple((node["site"], node["address"]) for node in raw["nodes"])
        return Config(raw["network"], nodes, folder / raw["certificate"], folder / raw["key"], folder / raw["ca"])


def new_request_id() -> str:
    """A UUID version 7: the name under which a write has its one effect."""
    bits = time.time_ns() // 1_000_000 << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _sized(data: bytes) -> bytes:
    """The bytes behind their length, a varint."""
    length, size = b"", len(data)
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return length + bytes([size]) + data


def _hash_lines(hashes: Iterable[bytes]) -> str:
    return "".join(base64.b64encode(digest).decode() + "\n" for digest in hashes)


def _receipt_text(receipt: logs.Receipt) -> str:
    entry = receipt.log_entry
    extra = b"\x01" + _sized(entry.header) + (b"\x01" + _sized(entry.payload) if entry.has_payload else b"\x00")
    head = f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(extra).decode()}\nindex {receipt.sequence}\n"
    return f"{head}{_hash_lines(receipt.audit_path)}\n{receipt.checkpoint.note}"


def _checkpoint_in(receipt: str) -> tuple[str, int]:
    """The log and the size of the checkpoint in a receipt as `_receipt_text` writes it."""
    found = re.match(r"c2sp\.org/tlog-proof@v1\n(?:.+\n)*\n[^/\n]+/(.+)\n([0-9]+)\n", receipt)
    if not found:
        raise ValueError("receipt: must be a C2SP tlog-proof, with the checkpoint of its log")
    return found[1], int(found[2])


class ExchangeError(Exception):
    """An error that the network answered, or that no node of it could be reached."""

    def __init__(self, error: grpc.RpcError):
        super().__init__(error.details())
        self.code: grpc.StatusCode = error.code()
        self.reason = ""  # ErrorInfo's, such as RECORD_NOT_FOUND; empty when gRPC itself failed
        self.violations: list[tuple[str, str]] = []  # field and description, as BadRequest gives them
        self.retry_after = 0.0  # seconds, by RetryInfo
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self._read(status_pb2.Status.FromString(value))

    def _read(self, status: status_pb2.Status) -> None:
        for detail in status.details:
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
                message = kind()
                if not detail.Unpack(message):
                    continue
                if isinstance(message, error_details_pb2.ErrorInfo):
                    self.reason = message.reason
                elif isinstance(message, error_details_pb2.BadRequest):
                    self.violations = [(violation.field, violation.description) for violation in message.field_violations]
                else:
                    self.retry_after = message.retry_delay.ToMilliseconds() / 1000

    @property
    def away(self) -> bool:
        """The node may answer later, and another now."""
        return self.code in AWAY and not self._not_yet_proven

    @property
    def _not_yet_proven(self) -> bool:
        """The proof is this node's to give, in a moment."""
        return self.reason == "NOT_YET_PROVEN"

    @property
    def may_be_retried(self) -> bool:
        return self.away or self._not_yet_proven or (self.code is grpc.StatusCode.RESOURCE_EXHAUSTED and self.retry_after > 0)

    def __str__(self) -> str:
        """For people: the code, the reason, what is wrong and with which field."""
        reason = f" ({self.reason})" if self.reason else ""
        fields = "".join(f"\n  {field}: {description}" for field, description in self.violations)
        return f"{self.code.name}{reason}: {self.args[0]}{fields}"


@dataclasses.dataclass
class _Node:
    channel: grpc.Channel
    stub: v1_grpc.ExchangeServiceStub
    avoid_until: float = 0.0


def _pause(failures: int) -> float:
    """Half of a bound that doubles, and a random part of the other half."""
    bound = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN * 2 ** min(failures, 16))
    return bound * random.uniform(0.5, 1)


class _Silence:
    """Cancels a call that has been silent for too long."""

    def __init__(self, call: grpc.Call):
        self._call = call
        self._timer: threading.Timer | None = None
        self.fired = False
        self.heard()

    def heard(self) -> None:
        self.stop()
        self._timer = threading.Timer(SILENCE_SECONDS, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _fire(self) -> None:
        self.fired = True
        self._call.cancel()


class Exchange:
    """Connects at the first call. Use it as a context manager, or `close` it."""

    def __init__(self, config: Config):
        credentials = grpc.ssl_channel_credentials(config.ca.read_bytes(), config.key.read_bytes(), config.certificate.read_bytes())
        self._nodes = []
        for site, address in config.nodes:
            options = (
                # The address only says where to connect: whoever answers must hold the certificate of this site's node.
                ("grpc.ssl_target_name_override", f"{site}.node.{config.network}"),
                ("grpc.initial_reconnect_backoff_ms", int(PAUSE_SECONDS_MIN * 1000)),
                ("grpc.max_reconnect_backoff_ms", int(PAUSE_SECONDS_MAX * 1000)),
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                # A watch is read by its caller's thread: gRPC's own would be a daemon that the interpreter kills, with what it holds, as it ends.
                (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, True),
            )
            channel = grpc.secure_channel(address, credentials, options)
            self._nodes.append(_Node(channel, v1_grpc.ExchangeServiceStub(channel)))

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for node in self._nodes:
            node.channel.close()

    def records(self, page_size: int = PAGE_SIZE) -> Iterator[v1.ReleasedRecord]:
        """All that is released to the nation, fetched page by page."""
        request = v1.ListReleasedRecordsRequest(page_size=page_size)
        return self._pages("ListReleasedRecords", request, lambda page: page.records)

    def withdrawals(self, page_size: int = PAGE_SIZE) -> Iterator[v1.Withdrawal]:
        """What was recalled."""
        return self._pages("ListWithdrawals", v1.ListWithdrawalsRequest(page_size=page_size), lambda page: page.withdrawals)

    def suggestions(self, page_size: int = PAGE_SIZE) -> Iterator[v1.Suggestion]:
        """What the nation has proposed, each with its outcome."""
        return self._pages("ListSuggestions", v1.ListSuggestionsRequest(page_size=page_size), lambda page: page.suggestions)

    def record(self, name: str) -> v1.ReleasedRecord:
        return self._call("GetReleasedRecord", v1.GetReleasedRecordRequest(name=name))

    def suggestion(self, name: str) -> v1.Suggestion:
        return self._call("GetSuggestion", v1.GetSuggestionRequest(name=name))

    def question(self, name: str) -> v1.Question:
        return self._call("GetQuestion", v1.GetQuestionRequest(name=name))

    def acknowledge(self, name: str, remark: str = "", request_id: str = "") -> v1.Withdrawal:
        """Says that the nation holds what was recalled no more."""
        request = v1.AcknowledgeWithdrawalRequest(name=name, remark=remark, request_id=request_id or new_request_id())
        return self._call("AcknowledgeWithdrawal", request)

    def submit(self, suggestion: v1.Suggestion, request_id: str = "") -> v1.Suggestion:
        """Proposes to the region. To try again after a crash, present the same request id."""
        return self._call("SubmitSuggestion", v1.SubmitSuggestionRequest(suggestion=suggestion, request_id=request_id or new_request_id()))

    def ask(self, question: v1.Question, request_id: str = "") -> v1.Question:
        """Asks the help desk."""
        return self._call("AskQuestion", v1.AskQuestionRequest(question=question, request_id=request_id or new_request_id()))

    def receipts(self, record: str = "") -> Iterator[v1.ExchangeReceipt]:
        """What the site received of the nation and sent it, all of it or what is about `record`."""
        request = v1.ListExchangeReceiptsRequest(record=record, page_size=PAGE_SIZE)
        return self._pages("ListExchangeReceipts", request, lambda page: page.receipts)

    def receipt(self, name: str) -> str:
        """A receipt as a file for `fairlead verify receipt`: C2SP's tlog-proof, with the bytes that were
        submitted, or the digest of what was sent."""
        return _receipt_text(self._call("GetExchangeReceipt", v1.GetExchangeReceiptRequest(name=name)))

    def consistency(self, receipt: str) -> str:
        """Proof that the log of a saved receipt has only grown since, for `fairlead verify consistency`. ValueError: it is no receipt."""
        log, size = _checkpoint_in(receipt)
        proof = self._call("GetExchangeConsistencyProof", v1.GetExchangeConsistencyProofRequest(log=log, old_size=size))
        return f"old {size}\n{_hash_lines(proof.hashes)}\n{proof.checkpoint.note}"

    def watch(self, resume_token: str = "") -> Iterator[v1.WatchReleasedRecordsResponse]:
        """Each change of what is released, without end, over the loss of connections and nodes.

        Keep the `resume_token` of a `complete` response once all before it is stored, and begin with it the next time. After a `reset` all
        that is released follows: withdraw the rest.
        """
        failures = 0
        while True:
            node = self._next()
            call = node.stub.WatchReleasedRecords(v1.WatchReleasedRecordsRequest(resume_token=resume_token))
            silence = _Silence(call)
            retry_after = 0.0
            try:
                for response in call:
                    failures = 0
                    silence.heard()
                    if response.complete:
                        resume_token = response.resume_token
                    if response.ByteSize() > 0:  # what is empty is a heartbeat
                        yield response
            except grpc.RpcError as cause:
                error = ExchangeError(cause)
                if resume_token and any(field == "resume_token" for field, _ in error.violations):
                    resume_token = ""  # of another time: all of it, then
                elif not silence.fired and not error.may_be_retried:
                    raise error from cause
                if silence.fired or error.away:
                    node.avoid_until = time.monotonic() + AVOID_SECONDS
                retry_after = error.retry_after
            finally:
                silence.stop()
                call.cancel()
            time.sleep(max(retry_after, _pause(failures)))
            failures += 1

    def _next(self) -> _Node:
        """The first of the nodes that was not away lately; else the one that was so longest ago."""
        now = time.monotonic()
        return next((node for node in self._nodes if node.avoid_until <= now), None) or min(self._nodes, key=lambda node: node.avoid_until)

    def _call(self, method: str, request: Message) -> Message:
        deadline = time.monotonic() + CALL_SECONDS
        failures = 0
        while True:
            node = self._next()
            try:
                return getattr(node.stub, method)(request, timeout=min(ATTEMPT_SECONDS, deadline - time.monotonic()))
            except grpc.RpcError as cause:
                error = ExchangeError(cause)
                if not error.may_be_retried:
                    raise error from cause
                if error.away:
                    node.avoid_until = time.monotonic() + AVOID_SECONDS
                another = error.away and self._next().avoid_until <= time.monotonic()
                pause = 0.0 if another else max(error.retry_after, _pause(failures))
                if time.monotonic() + pause >= deadline:
                    raise error from cause
            time.sleep(pause)
            failures += 1

    def _pages(self, method: str, request: Message, messages: Callable[[Message], Iterator[Message]]) -> Iterator[Message]:
        while True:
            page = self._call(method, request)
            yield from messages(page)
            request.page_token = page.next_page_token
            if not request.page_token:
                return
