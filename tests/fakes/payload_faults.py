"""What a payload that does not open says."""

import pytest

from strongroom.errors import RuntimeDecryptionError

__all__ = ["fault_of"]


def fault_of(opening) -> RuntimeDecryptionError:
    """The error of ``opening``, which must be one of a payload and name no cause that could hold any of it."""
    with pytest.raises(RuntimeDecryptionError) as caught:
        opening()
    assert caught.value.__cause__ is None
    return caught.value
