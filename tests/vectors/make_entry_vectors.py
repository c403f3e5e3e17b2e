#!/usr/bin/env python3
"""Writes entry.txt: an implementation of the grammar in api/entry.h that shares no code with the product.

Run it only when a format gets a new version: tests/vectors/make_entry_vectors.py > tests/vectors/entry.txt
"""

import hashlib
import struct


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return varint(len(b)) + b


def value_ids(ids):
    return varint(len(ids)) + b"".join(bytes([b]) * 16 + struct.pack(">H", op) for b, op in ids)


def header(log, seq, hlc, deps, audience, digest):
    out = b"\x01" + varint(log) + varint(seq) + struct.pack(">Q", hlc)
    out += varint(len(deps)) + b"".join(varint(l) + varint(s) for l, s in deps)
    out += b"\x00" if audience is None else b"\x01" + varint(len(audience)) + b"".join(map(varint, audience))
    return out + digest


def op(field, kind, value, replaces, sealed=None):
    flags = (value is not None) | (sealed is not None) << 1
    out = varint(field) + bytes([kind, flags])
    if value is not None:
        out += text(value)
    out += value_ids(replaces)
    return out + (value_ids(sealed) if sealed is not None else b"")


def mutation(type_number, record, seen, ops):
    return varint(type_number) + text(record) + value_ids(seen) + varint(len(ops)) + b"".join(ops)


def payload(nonce, actor, request_id, request_digest, method, mutations):
    out = b"\x01" + nonce + text(actor) + text(request_id) + request_digest + text(method)
    return out + varint(len(mutations)) + b"".join(mutations)


def named(tag, network, actor, method, request_id, rest=b""):
    return hashlib.sha256(b"".join(map(text, (tag, network, actor, method, request_id))) + rest).digest()[:16]


def base32(bits):
    n = int.from_bytes(bits, "big")
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[n >> 5 * i & 31] for i in range(25, -1, -1))


def case(name, *fields):
    print(f"\ncase {name}")
    for key, value in fields:
        print(key, value.hex() if isinstance(value, bytes) else value)


NETWORK, ACTOR, METHOD = "liaison.example", "officer/apac/watch", "fairlead.v1.EngagementService/CloseEngagement"
REQUEST = "018f4e2a-7c00-7abc-8def-0123456789ab"
MUTATIONS = [
    mutation(4, "engagements/01hxyz", [(0x55, 3)], [
        op(2, 1, bytes.fromhex("120568656c6c6f"), [(0x11, 0), (0x11, 1), (0x22, 0)]),
        op(9, 2, bytes.fromhex("4a0141"), []),
        op(9, 2, None, [(0x33, 7)]),
        op(20, 3, b"\x03", []),
        op(21, 4, b"\x04apac\x02hq", []),
        op(5, 5, b"\x1e\x03", [(0x44, 2)], sealed=[(0x11, 0), (0x33, 65535)]),
    ]),
    mutation(300, "ports/JPYOK", [], [op(1000, 200, b"", [], sealed=[])]),
]
PAYLOAD = payload(bytes(range(16)), ACTOR, REQUEST, bytes(range(16, 32)), METHOD, MUTATIONS)
EMPTY = payload(bytes(16), "", "", bytes(16), "", [])

print("# Golden bytes of the entry format, version 1 (api/entry.h). Written by make_entry_vectors.py beside it; the values that the bytes")
print("# encode are built by name in api/entry_test.cc. Hex unless it is plainly text.")
case("header-least", ("bytes", header(0, 0, 0, [], None, bytes(32))))
case("header-full", ("bytes", header(3, 300, 0x018F4E2A7C000005, [(1, 1), (2, 128), (70000, 2**40)], [1, 4, 300], hashlib.sha256(PAYLOAD).digest())))
case("header-nobody", ("bytes", header(2**32 - 1, 2**64 - 1, 2**64 - 1, [(0, 2**64 - 1)], [], b"\xff" * 32)))
case("payload-least", ("bytes", EMPTY), ("sha256", hashlib.sha256(EMPTY).digest()))
case("payload-full", ("bytes", PAYLOAD), ("sha256", hashlib.sha256(PAYLOAD).digest()), ("network", NETWORK),
     *[(f"mutation_id_{i}", named("fairlead/mutation/v1", NETWORK, ACTOR, METHOD, REQUEST, varint(i) + m)) for i, m in enumerate(MUTATIONS)])
case("created-record", ("network", NETWORK), ("actor", ACTOR), ("method", METHOD), ("request_id", REQUEST),
     ("id", base32(named("fairlead/record/v1", NETWORK, ACTOR, METHOD, REQUEST))))
