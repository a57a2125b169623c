"""The wish to end: SIGTERM once means in order, twice means at once; being told means in order and with time."""

import asyncio
import contextlib


class StopSignal:
    """Set by signal handlers, watched by everything that waits."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.asked_at: float | None = None
        """Monotonic seconds of the first SIGTERM: the Pod's grace period counts from here. None where only the
        control volume told: then the Pod stays for as long as its recorder likes."""
        self.told = False
        """Whether the control volume told: the recording is to end, not this Pod alone."""
        self.hurried_at: float | None = None
        """Monotonic seconds of the second SIGTERM: from here nothing is waited for but what is on its way."""

    @property
    def hurry(self) -> bool:
        """Whether it was asked for again."""
        return self.hurried_at is not None

    @property
    def asked(self) -> bool:
        """Whether an end was asked for."""
        return self._asked.is_set()

    def tell(self) -> None:
        """Ask for the end, and leave time for it."""
        self.told = True
        self._asked.set()

    def ask(self, *, now: float) -> None:
        """Ask for the end within the grace period; again, to hurry."""
        if self.asked_at is not None:
            self.hurried_at = self.hurried_at or now
            return
        self.asked_at = now
        self._asked.set()

    async def wait(self, *, seconds: float) -> bool:
        """Wait until asked, at most so long; return whether it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        return self.asked
