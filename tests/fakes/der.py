"""The few forms of DER that test certificates need in fields of their own."""


def wrapped(tag, content):
    """Tag, length, content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*items):
    """A SEQUENCE."""
    return wrapped(0x30, b"".join(items))


def octets(data):
    """An OCTET STRING."""
    return wrapped(0x04, data)


def integer(number):
    """An INTEGER that is not negative."""
    return wrapped(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def boolean(truth):
    """A BOOLEAN."""
    return wrapped(0x01, b"\xff" if truth else b"\0")


def enumerated(number):
    """An ENUMERATED below 128."""
    return wrapped(0x0A, bytes([number]))


def oid(dotted):
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    content = bytes([40 * first + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return wrapped(0x06, content)
