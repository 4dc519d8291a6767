"""The little CBOR that a COSE_Sign1 envelope needs (RFC 8949), written out, and a reader that takes nothing else.

Why by hand: the envelope is one fixed shape, so the whole parser is a page that can be read and fuzzed, and nothing
that comes over the network ever reaches a general decoder. The reader refuses every second way of writing the same
bytes (RFC 8949 section 4.2.1): a length that is not in its shortest form, indefinite lengths, bytes after the end.
"""

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG = range(7)


class CborError(Exception):
    """These bytes are not the CBOR that was expected here."""


def head(major: int, value: int) -> bytes:
    """The first bytes of an item: its kind and its value or length, in the shortest form."""
    kind = major << 5
    if value < 24:
        return bytes((kind | value,))
    if value < 0x100:
        return bytes((kind | 24, value))
    if value < 0x1_0000:
        return bytes((kind | 25,)) + value.to_bytes(2, "big")
    if value < 0x1_0000_0000:
        return bytes((kind | 26,)) + value.to_bytes(4, "big")
    return bytes((kind | 27,)) + value.to_bytes(8, "big")


def byte_string(data: bytes) -> bytes:
    return head(BYTES, len(data)) + data


def text_string(text: str) -> bytes:
    data = text.encode()
    return head(TEXT, len(data)) + data


def integer(value: int) -> bytes:
    return head(UNSIGNED, value) if value >= 0 else head(NEGATIVE, -1 - value)


class CborReader:
    """Reads item by item what the caller expects; anything else raises CborError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take_head(self) -> tuple[int, int]:
        """Kind and value of the next item."""
        first = self._take(1)[0]
        major, low = first >> 5, first & 0x1F
        if low < 24:
            return major, low
        if low > 27:
            raise CborError(f"byte 0x{first:02x}: indefinite or reserved length")
        width = 1 << (low - 24)
        value = int.from_bytes(self._take(width), "big")
        if value < (24, 0x100, 0x1_0000, 0x1_0000_0000)[low - 24]:
            raise CborError(f"{value} is not in its shortest form")
        return major, value

    def expect(self, major: int) -> int:
        """The value of the next item, which must be of this kind."""
        found, value = self.take_head()
        if found != major:
            raise CborError(f"item of major type {found} where {major} was expected")
        return value

    def take_bytes(self) -> bytes:
        return self._take(self.expect(BYTES))

    def take_integer(self) -> int:
        major, value = self.take_head()
        if major == UNSIGNED:
            return value
        if major == NEGATIVE:
            return -1 - value
        raise CborError(f"item of major type {major} where an integer was expected")

    def take_integer_or_text(self) -> int | str:
        if self._at < len(self._data) and self._data[self._at] >> 5 == TEXT:
            try:
                return self._take(self.expect(TEXT)).decode()
            except UnicodeDecodeError as error:
                raise CborError("a text that is not UTF-8") from error
        return self.take_integer()

    def next_major(self) -> int | None:
        """Kind of the next item without taking it; None at the end."""
        return self._data[self._at] >> 5 if self._at < len(self._data) else None

    def end(self) -> None:
        if self._at != len(self._data):
            raise CborError(f"{len(self._data) - self._at} bytes after the end")

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise CborError(f"ends {count - (len(self._data) - self._at)} bytes too early")
        self._at += count
        return self._data[self._at - count : self._at]
