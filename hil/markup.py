"""Text on its way into HTML, SVG and XML: whatever a device, a file or a person called something, it stays text.

XML 1.0 (section 2.2) has no way at all to write most control characters or a lone surrogate, and a browser drops or
replaces them; each becomes U+FFFD, so that a reader sees that something was there.
"""

import re
from html import escape

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(value: str) -> str:
    """The value without what XML can't hold."""
    return _UNWRITABLE.sub("\ufffd", value)


def text(value: str) -> str:
    """The value as character data, also within a quoted attribute."""
    return escape(clean(value), quote=True)
