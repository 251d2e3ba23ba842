"""Has the deeds of services recorded that ``deeds`` names; a service knows nothing of it."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

import grpc

from strongroom.engine.auditing import Audit
from strongroom.engine.record_budget import RecordBudget
from strongroom.errors import Conflict, InvalidInput, LimitExceeded, NotFound, StrongroomError, WrongState
from strongroom.services.deeds import Deed, Facts, deeds_of

__all__ = ["BEGUN", "audited", "outcome_of"]

BEGUN: Final = "begun"
"""The outcome of a deed that cannot be undone, in the record before it."""
FAILED: Final = "failed"
"""The outcome of one that ended with a fault of ours."""
LEFT: Final = "left"
"""The outcome of one whose caller went away before its end."""
OF_CALLERS: Final = (Conflict, InvalidInput, LimitExceeded, NotFound, WrongState)
"""What ends a call that did nothing: anybody can make such calls without end, so their records have a budget."""


def outcome_of(failure: BaseException) -> str:
    """How a deed ended that ``failure`` ended, in a word."""
    if isinstance(failure, GeneratorExit):
        return LEFT
    return failure.code if isinstance(failure, StrongroomError) else FAILED


def audited(name: str, servicer: Any, audit: Audit, own_owner: str = "") -> Any:  # Any: one of the generated classes
    """``servicer``, service ``name`` of ours, with its deeds recorded. ``own_owner`` is meant where none is named."""
    return _Audited(name, servicer, audit, own_owner)


class _Audited:
    """Looks like the servicer that it has."""

    def __init__(self, name: str, servicer: Any, audit: Audit, own_owner: str) -> None:
        self._servicer = servicer
        budget = RecordBudget()
        for method, deed in deeds_of(name).items():
            behaviour = getattr(servicer, method)
            setattr(self, method, _Recorded(deed, behaviour, audit, own_owner, budget))

    def __getattr__(self, method: str) -> Any:
        return getattr(self._servicer, method)


class _Recorded:
    """One method whose deeds are recorded."""

    def __init__(
        self, deed: Deed, behaviour: Callable[..., Any], audit: Audit, own_owner: str, budget: RecordBudget
    ) -> None:
        self._deed = deed
        self._budget = budget
        self._behaviour = behaviour
        self._audit = audit
        self._own_owner = own_owner

    def __call__(self, request: Any, context: grpc.ServicerContext) -> Any:
        if not hasattr(request, "DESCRIPTOR"):
            # A request in parts: the first one says what it is about.
            first = next(request, None)
            parts = iter(()) if first is None else chain([first], request)
            return self._behaviour(parts, context) if first is None else self._one(first, parts, context)
        if not self._deed.only_if(request):
            return self._behaviour(request, context)
        return self._one(request, request, context)

    def _one(self, named: Any, request: Any, context: grpc.ServicerContext) -> Any:
        facts = self._begin(named)
        try:
            answer = self._behaviour(request, context)
        except BaseException as error:
            self._ended(named, error, facts)
            raise
        if isinstance(answer, Iterator):
            return self._stream(named, answer, facts)
        self._done(named, {**facts, **self._deed.result(answer)})
        return answer

    def _stream(self, named: Any, answers: Iterator[Any], facts: Facts) -> Iterator[Any]:
        try:
            yield from answers
        except BaseException as error:
            self._ended(named, error, facts)
            raise
        self._done(named, facts)

    def _begin(self, named: Any) -> Facts:
        facts = {name: value for name, value in self._deed.facts(named).items() if value != ""}
        if self._deed.before:
            self._audit.record(**self._what(named), outcome=BEGUN, **facts)  # type: ignore[arg-type]  # names of facts are none of its own
        else:
            self._audit.check()
        return facts

    def _done(self, named: Any, facts: Facts) -> None:
        self._audit.record(**self._what(named), **facts)  # type: ignore[arg-type]  # as above

    def _ended(self, named: Any, error: BaseException, facts: Facts) -> None:
        """How it failed is not waited for: whoever asked hears of that, and not of this."""
        # What was announced has its outcome too.
        if isinstance(error, OF_CALLERS) and not self._deed.before:
            left_out = self._budget.take()
            if left_out is None:
                return
            facts = {**facts, "left_out_before": left_out} if left_out else facts
        self._audit.begin(**self._what(named), outcome=outcome_of(error), **facts)  # type: ignore[arg-type]  # as above

    def _what(self, named: Any) -> dict[str, str]:
        deed = self._deed
        action = deed.action if isinstance(deed.action, str) else deed.action(named)
        reason = str(getattr(named, "reason", "") or getattr(named, "cancel_reason", ""))
        owner = deed.owner(named)
        if not owner and "owner" in named.DESCRIPTOR.fields_by_name:
            owner = self._own_owner
        return {"action": action, "subject": deed.subject(named), "owner": owner, "reason": reason}
