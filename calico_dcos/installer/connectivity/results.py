"""How the actions of a probe went, told to the scheduler after each of them."""

from typing import Any, Dict, List, NamedTuple, Optional

from ..report import Reporter

PASSED, FAILED, NOT_TESTED = "passed", "failed", "not tested"
MESOS, DOCKER = "mesos", "docker"
MESSAGE_MAX = 400

Result = NamedTuple(
    "Result",
    [
        ("test", str),
        ("action", str),
        ("outcome", str),
        ("message", str),
        ("rtt_ms", Optional[float]),
        ("mtu", Optional[int]),
    ],
)


class Results:
    """Collects results, and reports all of them each time: a report that gets lost is made good by the next."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.told = []  # type: List[Result]

    def passed(
        self, test: str, action: str, message: str, rtt_ms: Optional[float] = None, mtu: Optional[int] = None
    ) -> None:
        """Tell of an action that went as it should."""
        self._tell(Result(test, action, PASSED, message, rtt_ms, mtu))

    def failed(self, test: str, action: str, message: str) -> None:
        """Tell of an action that did not."""
        self._tell(Result(test, action, FAILED, message, None, None))

    def not_tested(self, test: str, actions: List[str], reason: str) -> None:
        """Tell of actions that were not taken, and why."""
        for action in actions:
            self._tell(Result(test, action, NOT_TESTED, reason, None, None))

    def finish(self) -> None:
        """Tell that there are no more."""
        self._report(is_last=True)

    def _tell(self, result: Result) -> None:
        self.told.append(result._replace(message=" ".join(result.message.split())[:MESSAGE_MAX]))
        self._report(is_last=False)

    def _report(self, *, is_last: bool) -> None:
        self._reporter.probed(build_rows(self.told), is_last=is_last)


def build_rows(results: List[Result]) -> List[Dict[str, Any]]:
    """Build what is reported."""
    return [dict(one._asdict()) for one in results]
