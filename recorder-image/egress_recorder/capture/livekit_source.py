"""The LiveKit source: a room, its people, their tracks.

In: the server's URL, a token file, who is wanted. Out: feeds on the stage and `participant` events.
A track has a feed while it is subscribed and not muted; so a camera that is switched off leaves the grid, and
comes back to the same place. Frames themselves are `livekit_frames`' business.
Must not: print the token; subscribe to anybody who is not wanted.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit import rtc

from egress_recorder.capture.branches import AudioFeed, Feed, VideoFeed
from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.errors import JoinRefused, SourceUnreachable
from egress_recorder.capture.events import Change, Event, Participant, Warned
from egress_recorder.capture.livekit_frames import CloseTap, Taps, open_taps
from egress_recorder.capture.livekit_sync import FIRST_GUESS, Receipt, receipt, video_shift
from egress_recorder.capture.livekit_words import (
    closed_error,
    is_refusal,
    lacks_listening,
    plain,
    refusal_sentence,
)
from egress_recorder.capture.logs import hide
from egress_recorder.capture.sources import Stage
from egress_recorder.capture.timing import SECOND

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
LEAVE_SECONDS = 3.0
STEP_SECONDS = 1.0
SETTLING_SECONDS = 10.0
SETTLING_STEP_SECONDS = 0.25
"""A track that has just come brings a burst, which NetEq first holds back and then plays off: look more often."""
SOUND, CAMERA, OTHER = range(3)
FROZEN_TRACK_SECONDS = 10.0
"""No picture for so long, of a camera that is on: perhaps it is only the way here that is broken."""


@dataclass(kw_only=True)
class _Live:
    """A track that is on the stage."""

    identity: str
    feed: Feed
    close: CloseTap
    track: Any
    publication: Any
    since: float = field(default_factory=time.monotonic)
    quality: int | None = None
    measured: tuple[Receipt, Receipt] | None = None
    """What had been received at the last but one look, and at the last."""
    height: int = 0
    """At which it is shown."""
    renewed: bool = False
    """Whether it was subscribed to anew since its last picture."""
    renewing: bool = False

    def quiet_seconds(self) -> float:
        """Say for how long no picture has come."""
        seen = self.feed.seen_at if isinstance(self.feed, VideoFeed) else None
        return time.monotonic() - max(self.since, (seen or 0) / SECOND)


class LiveKitSource:
    """Records a LiveKit room."""

    def __init__(self, config: CaptureConfig, *, emit: Callable[[Event], None]) -> None:
        self._config, self._emit = config, emit
        self._room = rtc.Room()
        self._stage: Stage | None = None
        self._taps: Taps | None = None
        self._live: dict[str, _Live] = {}
        self._users = config.users
        self._order: dict[str, int] = {name: place for place, name in enumerate(config.users)}
        self._present: set[str] = set()
        self._leaving = False
        self._keeping_step: asyncio.Task[None] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def join(self) -> None:
        """Connect to the room; retry within the join timeout what may be a server that is just starting."""
        source, token = self._config.source, self._token()
        self._room.on("disconnected", self._on_disconnected)
        deadline = asyncio.get_running_loop().time() + self._config.join_timeout_seconds
        said = "no answer"
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            options = rtc.RoomOptions(auto_subscribe=False, connect_timeout=min(5.0, max(1.0, left)))
            try:
                await asyncio.wait_for(self._room.connect(source.url, token, options), left)
            except rtc.ConnectError as error:
                said = plain(error.message)
                if is_refusal(said):
                    raise JoinRefused(refusal_sentence(said, source.channel)) from None
                log.info("not joined yet: %s", said)
            except TimeoutError:
                break
            else:
                self._check_room(source.channel)
                return
            await asyncio.sleep(min(RETRY_SECONDS, max(0.0, deadline - asyncio.get_running_loop().time())))
        raise SourceUnreachable(
            f"The RTC server {source.url} could not be joined within "
            f"{self._config.join_timeout_seconds:g} s: {said}."
        )

    def _check_room(self, channel: str) -> None:
        """Refuse a token for another room: the token decides where one gets in, the task says what is recorded."""
        if channel and self._room.name != channel:
            raise JoinRefused(
                f"The access token is for the channel {self._room.name}, not for {channel}. "
                "Start a new task with a token for its channel."
            )

    def _token(self) -> str:
        path = Path(self._config.source.token_file)
        try:
            token = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise JoinRefused(f"The access token cannot be read: {error.strerror}: {path}.") from error
        hide(token)
        if lacks_listening(token):
            raise JoinRefused(
                "The access token forbids to subscribe (canSubscribe): nothing could be recorded with it. "
                "Start a new task with a token that allows it."
            )
        return token

    def play(self, stage: Stage) -> None:
        """Subscribe to everybody who is wanted, now and from now on."""
        self._stage, self._taps = stage, open_taps()
        stage.on_broken = self._on_broken
        room = self._room
        room.on("participant_connected", self._on_joined)
        room.on("participant_disconnected", self._on_left)
        room.on("track_published", self._on_published)
        room.on("track_unpublished", lambda publication, _: self._off(publication.sid))
        room.on("track_subscribed", lambda _, publication, participant: self._sync(publication, participant))
        room.on(
            "track_unsubscribed", lambda _, publication, participant: self._sync(publication, participant)
        )
        room.on("track_muted", lambda participant, publication: self._sync(publication, participant))
        # Perhaps muted between the two halves of a renewal: then it has to be subscribed to.
        room.on(
            "track_unmuted", lambda participant, publication: self._on_published(publication, participant)
        )
        room.on("active_speakers_changed", self._on_speakers)
        room.on("track_subscription_failed", self._on_subscription_failed)
        room.on(
            "reconnecting",
            lambda: self._warn("Reconnecting", "The connection to the channel is interrupted."),
        )
        room.on("reconnected", self._subscribe_all)
        self._subscribe_all()
        stage.begin(pictures=self._camera_is_on())
        self._keeping_step = asyncio.ensure_future(self._keep_in_step())

    async def leave(self) -> None:
        """Leave the room, and give up after a moment if it does not let go."""
        self._leaving = True
        if self._keeping_step is not None:
            self._keeping_step.cancel()
        for live in self._live.values():
            live.close()
        self._live.clear()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._room.disconnect(), LEAVE_SECONDS)

    def _wanted(self, identity: str) -> bool:
        return not self._users or identity in self._users

    def choose(self, users: tuple[str, ...]) -> None:
        """Record these from now on, everyone if there are none: who is no longer wanted leaves the picture."""
        self._users = users
        if self._stage is None or self._leaving:
            return
        for participant in list(self._room.remote_participants.values()):
            wanted = self._wanted(participant.identity)
            if wanted == (participant.identity in self._present):
                continue
            if wanted:
                self._on_joined(participant)
            else:
                self._on_left(participant)
            # Also where it seems to be so: what was asked for a moment ago may still be on its way back.
            for publication in list(participant.track_publications.values()):
                publication.set_subscribed(wanted)

    def _subscribe_all(self) -> None:
        for participant in list(self._room.remote_participants.values()):
            self._on_joined(participant)
            for publication in list(participant.track_publications.values()):
                self._on_published(publication, participant)

    def _camera_is_on(self) -> bool:
        """Say whether somebody who is to be seen shows something."""
        return any(
            publication.kind == rtc.TrackKind.KIND_VIDEO and not publication.muted
            for participant in self._room.remote_participants.values()
            if self._wanted(participant.identity)
            for publication in participant.track_publications.values()
        )

    def _on_joined(self, participant: Any) -> None:
        identity = participant.identity
        if self._wanted(identity) and identity not in self._present:
            self._present.add(identity)
            self._order.setdefault(identity, len(self._order))
            self._emit(Participant(identity=identity, change=Change.JOINED))

    def _on_left(self, participant: Any) -> None:
        identity = participant.identity
        for sid in [sid for sid, live in self._live.items() if live.identity == identity]:
            self._off(sid)
        if identity in self._present:
            self._present.discard(identity)
            self._emit(Participant(identity=identity, change=Change.LEFT))

    def _on_published(self, publication: Any, participant: Any) -> None:
        if not self._wanted(participant.identity) or self._leaving:
            return
        self._on_joined(participant)
        if publication.subscribed and publication.track is not None:
            self._sync(publication, participant)
        else:
            publication.set_subscribed(True)

    def _sync(self, publication: Any, participant: Any) -> None:
        """Make what is on the stage agree with what the track is now."""
        wanted = self._wanted(participant.identity) and not self._leaving
        track = publication.track
        live = self._live.get(publication.sid)
        if wanted and live is not None and live.renewing and not publication.muted:
            self._renew(live)
        elif wanted and track is not None and publication.subscribed and not publication.muted:
            if live is not None and live.track is not track:  # joined anew: nothing comes from the old one
                self._off(publication.sid)
            if publication.sid not in self._live:
                self._on(publication, participant, track)
        else:
            self._off(publication.sid)

    def _on(self, publication: Any, participant: Any, track: Any) -> None:
        if self._stage is None or self._taps is None:
            return
        identity = participant.identity
        if publication.kind == rtc.TrackKind.KIND_VIDEO:
            kind = CAMERA if publication.source == rtc.TrackSource.SOURCE_CAMERA else OTHER
            video = self._stage.add_video(
                order=(self._order.setdefault(identity, len(self._order)), kind),
                whose=identity,
                shared=publication.source == rtc.TrackSource.SOURCE_SCREENSHARE,
            )
            video.show_later(FIRST_GUESS)
            video.on_cell = lambda height: self._choose_layer(publication, height)
            close = self._taps.video(track, video)
            self._live[publication.sid] = _Live(
                identity=identity, feed=video, close=close, track=track, publication=publication
            )
            self._emit(Participant(identity=identity, change=Change.VIDEO_ON))
        elif publication.kind == rtc.TrackKind.KIND_AUDIO:
            audio = self._stage.add_audio()
            close = self._taps.audio(
                track, audio, sample_rate=self._config.sample_rate, channels=self._config.channels
            )
            self._live[publication.sid] = _Live(
                identity=identity, feed=audio, close=close, track=track, publication=publication
            )
            self._emit(Participant(identity=identity, change=Change.AUDIO_ON))

    def _on_speakers(self, speakers: list[Any]) -> None:
        if self._stage is not None and not self._leaving:
            there = (one.identity for one in speakers if one.identity in self._present)
            self._stage.hear([self._order[identity] for identity in there])

    def _off(self, sid: str) -> None:
        live = self._live.pop(sid, None)
        if live is None or self._stage is None:
            return
        live.close()
        self._stage.remove(live.feed)
        match live.feed:
            case VideoFeed():
                self._emit(Participant(identity=live.identity, change=Change.VIDEO_OFF))
            case AudioFeed():
                self._emit(Participant(identity=live.identity, change=Change.AUDIO_OFF))

    def _choose_layer(self, publication: Any, height: int) -> None:
        """Ask the server for the smallest simulcast layer that fills the cell: less to decode, copy and scale."""
        live = self._live.get(publication.sid)
        full = publication.height
        if live is not None:
            live.height = height
        if live is None or not publication.simulcasted or not full:
            return
        quality = rtc.VideoQuality.VIDEO_QUALITY_HIGH
        if height <= full / 4:
            quality = rtc.VideoQuality.VIDEO_QUALITY_LOW
        elif height <= full / 2:
            quality = rtc.VideoQuality.VIDEO_QUALITY_MEDIUM
        if quality != live.quality:
            live.quality = quality
            publication.set_video_quality(quality)

    def _look_for_frozen(self) -> None:
        """Subscribe anew, once, to a camera that is on and of which no picture comes; its place is kept."""
        for live in self._live.values():
            # A screen may well stand still, and some publishers then send nothing.
            screen = live.publication.source == rtc.TrackSource.SOURCE_SCREENSHARE
            if not isinstance(live.feed, VideoFeed) or live.renewing or screen:
                continue
            if live.quiet_seconds() < FROZEN_TRACK_SECONDS:
                live.renewed = False
            elif not live.renewed:
                live.renewed = live.renewing = True
                seconds = f"{FROZEN_TRACK_SECONDS:g} s"
                self._warn(
                    "TrackFrozen",
                    f"No picture has come from {live.identity} for {seconds}, though the camera is on: subscribing anew.",
                )
                live.publication.set_subscribed(False)

    def _renew(self, live: _Live) -> None:
        """Go on with a renewal: the old track is gone, or the new one is there."""
        track = live.publication.track
        if track is None or not live.publication.subscribed:
            live.publication.set_subscribed(True)
        elif track is not live.track and self._taps is not None and isinstance(live.feed, VideoFeed):
            live.close()
            live.close, live.track = self._taps.video(track, live.feed), track
            live.quality, live.measured, live.renewing = None, None, False
            self._choose_layer(live.publication, live.height)

    async def _keep_in_step(self) -> None:
        """Hold everybody's pictures back to where their sound is, and look after those that stand still."""
        while True:
            self._look_for_frozen()
            youngest = max((live.since for live in self._live.values()), default=0.0)
            settling = time.monotonic() - youngest < SETTLING_SECONDS
            await asyncio.sleep(SETTLING_STEP_SECONDS if settling else STEP_SECONDS)
            for sid, live in list(self._live.items()):
                counted = await receipt(live.track) if sid in self._live else None
                if counted is not None:
                    live.measured = (live.measured[1] if live.measured else counted, counted)
            sounds = {live.identity: live for live in self._live.values() if isinstance(live.feed, AudioFeed)}
            for picture in self._live.values():
                sound = sounds.get(picture.identity)
                if sound and isinstance(picture.feed, VideoFeed) and picture.measured and sound.measured:
                    shift = video_shift(sound.measured, picture.measured)
                    if shift is not None:
                        picture.feed.show_later(shift)

    def _on_broken(self, name: str) -> None:
        for sid, live in list(self._live.items()):
            if live.feed.name == name:
                self._warn("TrackFailed", f"A track of {live.identity} could not be decoded and is left out.")
                self._off(sid)

    def _on_subscription_failed(self, participant: Any, _sid: str, error: str) -> None:
        self._warn(
            "SubscriptionFailed", f"A track of {participant.identity} could not be subscribed to: {error}."
        )

    def _on_disconnected(self, reason: int) -> None:
        if self._leaving or self.closed.done():
            return
        self.closed.set_exception(closed_error(reason, self._config.source.channel))

    def _warn(self, reason: str, message: str) -> None:
        self._emit(Warned(reason=reason, message=message))
