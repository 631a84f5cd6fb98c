"""Protocol-buffer messages and framed record files, as far as logs need them. What their fields mean is the readers'.

Two formats keep their numbers so. A decoder of this size spares a dependency on tensorboard (which brings grpc and
loads TensorFlow where it finds it) and on wandb, and it reads on where their own readers stop at a torn record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

LEVELDB_BLOCK = 32768
"""Bytes of a block of the LevelDB log format; no record's header crosses the border of two."""

Field = tuple[int, int, int | bytes]
"""Number, wire type (0 varint, 1 eight bytes, 2 bytes, 5 four bytes), value."""


class Torn(Exception):
    """The bytes end, or stop making sense, before the message does."""


def varint(data: bytes, place: int) -> tuple[int, int]:
    """The integer at a place and the place behind it."""
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise Torn
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def fields(data: bytes) -> Iterator[Field]:
    """The fields of a message in order; Torn where it is cut or is no message."""
    place, end = 0, len(data)
    while place < end:
        key, place = varint(data, place)
        number, kind = key >> 3, key & 7
        value: int | bytes
        if kind == 0:
            value, place = varint(data, place)
        else:
            if kind == 2:
                size, place = varint(data, place)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise Torn
            if place + size > end:
                raise Torn
            value = data[place : place + size]
            place += size
        yield number, kind, value


def tfrecords(data: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file (length, checksum, bytes, checksum); Torn where it is cut."""
    place = 0
    while place < len(data):
        if place + 12 > len(data):
            raise Torn
        (size,) = struct.unpack_from("<Q", data, place)
        if place + 16 + size > len(data):
            raise Torn
        yield data[place + 12 : place + 12 + size]
        place += 16 + size


def leveldb_records(data: bytes, start: int) -> Iterator[bytes]:
    """The records of a LevelDB log whose own header ends at `start`; Torn where it is cut.

    Each fragment is checksum, length, type (1 whole, 2 first, 3 middle, 4 last); a block's last bytes may be padding.
    """
    place = start
    pieces: list[bytes] = []
    while place < len(data):
        left = LEVELDB_BLOCK - place % LEVELDB_BLOCK
        if left < 7:
            place += left
            continue
        if place + 7 > len(data):
            raise Torn
        size, kind = struct.unpack_from("<HB", data, place + 4)
        if kind == 0 and size == 0:  # a block that was allotted and never filled
            place += left
            continue
        if kind not in (1, 2, 3, 4) or place + 7 + size > len(data) or size > left - 7:
            raise Torn
        piece = data[place + 7 : place + 7 + size]
        place += 7 + size
        pieces = [piece] if kind in (1, 2) else [*pieces, piece]
        if kind in (1, 4):
            yield b"".join(pieces)
            pieces = []
