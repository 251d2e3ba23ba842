"""A guest from its module to its result, compiled and run in this process as an enclave runner does it."""

from strongroom.guest.runner.guest_run import OneGuest


def run_guest(wasm, request, helper, *, limits):
    """The serialized result. Raises what compiling and running raise."""
    guest = OneGuest()
    guest.compile(wasm)
    return guest.run(request, helper, limits=limits)
