"""Make the pictures of charts small enough to be kept in a notebook."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR, _COLOUR_AND_ALPHA = 2, 6


def shrink_png(picture: bytes) -> bytes:
    """Pack a PNG again without losing a dot; a chart becomes four to five times smaller.

    vl-convert packs fast, not small: one filter for every row, and a fourth channel that a chart
    on white does not need. A picture of another build is given back as it is.

    Source of the format: Portable Network Graphics Specification (Third Edition), W3C 2025.
    """
    chunks = list(_chunks(picture))
    header = chunks[0][1]
    packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
    dots = _opaque_dots(header, packed)
    if dots is None:
        return picture
    height, width, _ = dots.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with filter 0: none
    rows[:, 1:] = dots.reshape(height, -1)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _COLOUR, 0, 0, 0)),
            *(_chunk(*c) for c in chunks if c[0] == b"pHYs"),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _opaque_dots(header: bytes, packed: bytes) -> np.ndarray | None:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if (depth, colour, interlaced) != (8, _COLOUR_AND_ALPHA, 0):
        return None
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 4 * width)
    filters = rows[:, 0]
    if filters.max() > 1:  # 0: as it is; 1: each dot is the difference to its left neighbour
        return None
    dots = rows[:, 1:].reshape(height, width, 4)
    summed = np.cumsum(dots, axis=1, dtype=np.uint8)
    dots = np.where(filters[:, None, None] == 1, summed, dots)
    return None if dots[..., 3].min() < 255 else dots[..., :3]


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        yield kind, picture[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
