"""A status in the making: small, named changes to a frozen status, then the merge patch that writes it.

In: the status as read, the clock, the spec's generation. Out: a new status, or the smallest merge patch
between two. Pure. It knows how a status is written, not what should stand in it.
"""

import re
from datetime import datetime
from typing import Any, Final

from egress_api.page import PageReport, PageStatus
from egress_api.results import LiveReport, RecorderReport
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.status import MAX_FILES, MAX_MESSAGE, EgressTaskStatus, with_condition
from egress_operator.figures import gaps_to_write, merged_gaps, pending_to_write, worth_writing

PAGE_CONDITIONS: Final = (ConditionType.PAGE_LOADED, ConditionType.PAGE_READY, ConditionType.FIRST_FRAME)
"""What has to happen before a page is recorded, in this order; tasks of channels have no such conditions."""
_ONE_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


def one_word(reason: str, *, otherwise: str) -> str:
    """Return a reason that the API server takes for a condition's: itself if it is one word."""
    return reason if _ONE_WORD.fullmatch(reason) else otherwise


class Draft:
    """A status being changed."""

    def __init__(self, status: EgressTaskStatus, *, now: datetime, generation: int) -> None:
        self.status = status
        self._now = now
        self._generation = generation

    def set(self, **fields: Any) -> None:
        """Set fields of the status by their Python names."""
        # model_copy takes any name: a mistyped one would be lost without a word.
        unknown = fields.keys() - EgressTaskStatus.model_fields.keys()
        if unknown:
            raise TypeError(f"a status has no {sorted(unknown)}")
        self.status = self.status.model_copy(update=fields)

    def state(self, state: State, reason: str, message: str) -> None:
        """Set where the task is, and why."""
        self.set(state=state, reason=reason, message=message[:MAX_MESSAGE])

    def condition(
        self, wanted: ConditionType, status: ConditionStatus, reason: str, message: str = ""
    ) -> None:
        """Set one condition; its transition time moves only when its status does."""
        conditions = with_condition(
            self.status.conditions,
            wanted,
            status,
            reason=reason,
            message=message,
            now=self._now,
            generation=self._generation,
        )
        self.set(conditions=conditions)

    def holds(self, wanted: ConditionType) -> bool:
        """Return whether a condition is True."""
        found = self.status.condition(wanted)
        return found is not None and found.status is ConditionStatus.TRUE

    def begin(self, *, source: str | None, page: bool = False) -> None:
        """First sight of a task: every condition is set, none is decided.

        Args:
            source: what is recorded, in a word.
            page: whether it is a web page: then its steps are conditions, too.
        """
        for wanted in ConditionType:
            if page or wanted not in PAGE_CONDITIONS:
                self.condition(wanted, ConditionStatus.UNKNOWN, Reason.ACCEPTED)
        self.condition(ConditionType.ACCEPTED, ConditionStatus.TRUE, Reason.ACCEPTED)
        self.set(source=source, enqueued_at=self._now, observed_generation=self._generation)
        self.state(State.ENQUEUED, Reason.ACCEPTED, "the task was accepted")

    def report(self, report: RecorderReport, *, final: bool, backlog_lasts: bool = False) -> None:
        """Take over what a recorder says of its files, its gaps, its uploads and its page.

        Args:
            report: from its /status or its termination message.
            final: whether every figure counts; else small changes of sizes and durations are left for later.
            backlog_lasts: whether more has waited for the store, for a while, than does in any recording.
        """
        old = self.status
        # An output never goes again: a report that lacks one has been cut, or is of an attempt that failed
        # before it had read what the earlier ones made.
        known = {file.name: file for file in [*old.files, *report.files]}
        files = list(known.values())[:MAX_FILES]
        if final or worth_writing(old.files, files):
            self.set(files=files)
        self.set(
            files_total=max(report.files_total, old.files_total, len(known)),
            manifest_uri=report.manifest_uri or old.manifest_uri,
            started_at=old.started_at or report.joined_at,
            first_frame_at=old.first_frame_at or report.first_frame_at,
        )
        self._gaps(report, final=final)
        if isinstance(report, LiveReport):
            self._uploads(report, backlog_lasts=backlog_lasts)
        if report.page is not None:
            self._page(report.page)

    def _gaps(self, report: RecorderReport, *, final: bool) -> None:
        old = self.status
        gaps = merged_gaps(old.gaps, report.gaps)
        # An attempt that has not read the manifest yet knows of none; of one that knows some, the sum goes with
        # them, and may be less: what was a loss beside a pause can turn out to be a part of it.
        lost = report.lost_seconds if report.gaps else max(old.lost_seconds, report.lost_seconds)
        if final or gaps_to_write(old.gaps, gaps, old_lost=old.lost_seconds, new_lost=lost):
            self.set(gaps=gaps, lost_seconds=lost)

    def _uploads(self, report: LiveReport, *, backlog_lasts: bool) -> None:
        failing, old = bool(report.upload_error), self.status.pending_bytes
        pending = pending_to_write(old, report.pending_bytes, failing=failing, lasting=backlog_lasts)
        self.set(pending_bytes=pending)
        found = self.status.condition(ConditionType.UPLOADED)
        if not failing:
            if found is not None and found.status is not ConditionStatus.UNKNOWN:
                self.condition(ConditionType.UPLOADED, ConditionStatus.UNKNOWN, Reason.RECORDING)
            return
        refused = report.upload_reason == Reason.STORE_REFUSED
        reason = Reason.STORE_REFUSED if refused else Reason.STORE_UNREACHABLE
        told = found is not None and (found.status, found.reason) == (ConditionStatus.FALSE, reason)
        # The sentences of two tries may differ in a request's number alone.
        if not told or pending != old:
            self.condition(ConditionType.UPLOADED, ConditionStatus.FALSE, reason, report.upload_error)

    def _page(self, page: PageReport) -> None:
        old = self.status.page or PageStatus()
        self.set(
            page=PageStatus(
                sandbox=page.sandbox or old.sandbox,
                http_status=page.http_status or old.http_status,
                reloads=page.reloads,
            )
        )
        for wanted, step in zip(PAGE_CONDITIONS, (page.loaded, page.ready, page.first_frame), strict=True):
            if step is not None:
                status = ConditionStatus.TRUE if step.done else ConditionStatus.FALSE
                self.condition(wanted, status, one_word(step.reason, otherwise=wanted), step.message)

    def page_again(self, reason: str) -> None:
        """Another recorder opens the page: how far the last one had come no longer holds."""
        for wanted in (ConditionType.PAGE_LOADED, ConditionType.PAGE_READY):
            if self.status.condition(wanted) is not None:
                self.condition(wanted, ConditionStatus.UNKNOWN, reason)

    def finish(self, state: State, reason: str, message: str, *, uploaded: bool) -> None:
        """End the task: a terminal state and every condition decided."""
        self.state(state, reason, message)
        self.set(
            stopped_at=self._now, retry_at=None, queue_position=None, observed_generation=self._generation
        )
        stopped = state is State.STOPPED
        for wanted, value in {
            ConditionType.RECORDING: False,
            ConditionType.UPLOADED: uploaded,
            ConditionType.COMPLETE: stopped,
            ConditionType.FAILED: not stopped,
        }.items():
            status = ConditionStatus.TRUE if value else ConditionStatus.FALSE
            self.condition(wanted, status, reason, self.status.message)
        for wanted in PAGE_CONDITIONS:
            found = self.status.condition(wanted)
            if found is not None and found.status is ConditionStatus.UNKNOWN:
                self.condition(wanted, ConditionStatus.FALSE, reason)
        if self.status.attempt == 0:
            self.condition(ConditionType.POD_SCHEDULED, ConditionStatus.FALSE, reason)


def status_patch(old: EgressTaskStatus | None, new: EgressTaskStatus) -> dict[str, Any]:
    """Return the merge patch from `old` to `new`; empty when nothing a reader could see has changed.

    Lists are replaced whole; what is no longer set becomes null, which removes it.
    """
    before = old.model_dump(mode="json", by_alias=True, exclude_none=True) if old is not None else {}
    after = new.model_dump(mode="json", by_alias=True, exclude_none=True)
    patch: dict[str, Any] = {key: value for key, value in after.items() if before.get(key) != value}
    patch.update({key: None for key in before if key not in after})
    return patch
