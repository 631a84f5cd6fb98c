"""Protocol-buffer messages and framed record files, as far as logs need them. What their fields mean is the readers'.

Two formats keep their numbers so. A decoder of this size spares a dependency on tensorboard (which brings grpc and
loads TensorFlow where it finds it) and on wandb, and it reads on where their own readers stop at a torn record.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

LEVELDB_BLOCK = 32768
"""Bytes of a block of the LevelDB log format; no record's header crosses the border of two."""

RECORD = 64_000_000
"""Bytes of the largest record that is looked at: what is longer holds images or sound."""

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
        key, place = (data[place], place + 1) if data[place] < 0x80 else varint(data, place)  # most have one byte
        number, kind = key >> 3, key & 7
        value: int | bytes
        if kind == 0:
            value, place = varint(data, place)
        else:
            if kind == 2:
                short = place < end and data[place] < 0x80
                size, place = (data[place], place + 1) if short else varint(data, place)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise Torn
            if place + size > end:
                raise Torn
            value = data[place : place + size]
            place += size
        yield number, kind, value


def tfrecords(file: BinaryIO) -> Iterator[bytes]:
    """The records of a TFRecord file (length, checksum, bytes, checksum) that are no longer than RECORD.

    Torn where it is cut, and at an empty record: none is written, so that what follows are zeros of a full disk.
    """
    end = os.fstat(file.fileno()).st_size
    place = 0
    while place < end:
        header = file.read(12)
        if len(header) < 12:
            raise Torn
        (size,) = struct.unpack_from("<Q", header)
        place += 16 + size
        if size == 0 or place > end:
            raise Torn
        if size > RECORD:
            file.seek(size + 4, os.SEEK_CUR)
        else:
            yield file.read(size + 4)[:size]


def leveldb_records(file: BinaryIO) -> Iterator[bytes]:
    """The records of a LevelDB log from the place on at which the file stands; Torn where it is cut.

    Each fragment is checksum, length, type (1 whole, 2 first, 3 middle, 4 last); a block's last bytes may be padding.
    """
    place = file.tell()
    file.seek(0)
    pieces: list[bytes] = []
    length = 0
    while block := file.read(LEVELDB_BLOCK):
        for kind, piece in _fragments(block, place):
            if kind in (1, 2):
                pieces, length = [], 0
            length += len(piece)
            if length > RECORD:
                raise Torn
            if piece:
                pieces.append(piece)
            if kind in (1, 4):
                yield b"".join(pieces)
                pieces, length = [], 0
        place = 0


def _fragments(block: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of the fragments of one block from a place on."""
    while place <= LEVELDB_BLOCK - 7 and place < len(block):
        if place + 7 > len(block):
            raise Torn
        size, kind = struct.unpack_from("<HB", block, place + 4)
        if kind == 0 and size == 0:  # a block that was allotted and never filled
            return
        if kind not in (1, 2, 3, 4) or place + 7 + size > len(block):
            raise Torn
        yield kind, block[place + 7 : place + 7 + size]
        place += 7 + size
