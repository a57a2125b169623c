"""Download a task's objects from an S3 server into a folder.

In: the server, a bucket and a prefix. Out: files, named as the objects are below the prefix. It keeps nothing in
memory but the object that is being written, and takes no object whose name leads out of the folder.
"""

from pathlib import Path

import obstore
from obstore.store import S3Store

from support.demo import Store


def fetch(store: Store, *, bucket: str, prefix: str, folder: Path) -> list[Path]:
    """Download every object under `prefix`; what lies in the folder already is overwritten."""
    remote = open_store(store, bucket=bucket)
    written = []
    for batch in obstore.list(remote, prefix=prefix):
        for found in batch:
            path = (folder / found["path"].removeprefix(prefix).lstrip("/")).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise ValueError(f"object {found['path']!r} would be written outside of {folder}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(obstore.get(remote, found["path"]).bytes()))
            written.append(path)
    return sorted(written)


def open_store(store: Store, *, bucket: str) -> S3Store:
    """Return obstore's client for a bucket."""
    return S3Store(
        bucket,
        endpoint=store.endpoint,
        region=store.region,
        access_key_id=store.access_key,
        secret_access_key=store.secret_key,
        client_options={"allow_http": True, "timeout": "30s"},
    )
