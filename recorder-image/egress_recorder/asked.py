"""What the manifest says of the task itself, for the time when its resource is gone. Pure; nothing secret comes out."""

from egress_api.manifest import Asked, without_query
from egress_api.media import Layout
from egress_api.recorder import RecorderConfig


def asked_of(config: RecorderConfig, *, users: tuple[str, ...], layout: Layout) -> Asked:
    """Return what the manifest says of the task itself: no token, and of a page's URL no query."""
    return Asked(
        namespace=config.namespace,
        request_id=config.request_id,
        created_at=config.created_at,
        layout=layout,
        channel=config.channel,
        users=list(users),
        regions=config.regions,
        url=without_query(config.url) if config.url else None,
        web_gl=config.web_gl,
        start=config.start,
        format=config.format,
        outputs=config.outputs,
        video=config.video,
        audio=config.audio,
        placement=config.placement,
    )
