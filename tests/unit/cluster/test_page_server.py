"""The demo's web server: what it serves, how it misbehaves, and what it remembers."""

import http.client
import importlib.util
import json
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from egress_cluster.demo import pages_config
from support import demo
from support.web_gallery import SCRIPTS, VIDEO, WEBGL

FOLDER = demo.DEMO_FOLDER / "pages"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("egress_demo_pages", FOLDER / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pages = load("server.py")
    made = pages.Server(("127.0.0.1", 0), folder=FOLDER, memory=pages.Memory())
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()
    thread.join()


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def asked(url: str) -> Any:
    return json.loads(get(url)[2])


def test_a_page_is_served_as_what_it_is(server: str) -> None:
    for name, kind in (
        ("clock.html", "text/html; charset=utf-8"),
        ("clock.js", "text/javascript; charset=utf-8"),
        ("clip.webm", "video/webm"),
    ):
        status, headers, body = get(f"{server}/{name}?run=x")
        assert (status, headers["Content-Type"], body) == (200, kind, (FOLDER / name).read_bytes())


@pytest.mark.parametrize("path", ["/nothing.html", "/../demo.py", "/%2e%2e/publisher.py", "/.hidden", "/a/b"])
def test_what_is_not_there_is_404(server: str, path: str) -> None:
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=5)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_a_part_of_a_file_is_served(server: str) -> None:
    whole = (FOLDER / "clip.webm").read_bytes()
    status, headers, body = get(f"{server}/clip.webm", Range="bytes=100-199")
    assert (status, headers["Content-Range"], body) == (206, f"bytes 100-199/{len(whole)}", whole[100:200])
    assert get(f"{server}/clip.webm", Range="bytes=100-")[2] == whole[100:]
    assert get(f"{server}/clip.webm", Range=f"bytes={len(whole)}-")[0] == 416


@pytest.mark.parametrize("code", [404, 503])
def test_a_status_is_answered_as_asked(server: str, code: int) -> None:
    assert get(f"{server}/status/{code}")[0] == code


def test_a_redirect_leads_where_it_was_told(server: str) -> None:
    assert get(f"{server}/redirect?to=/still.html")[2] == (FOLDER / "still.html").read_bytes()
    assert get(f"{server}/redirect-loop")[0] == 302


def test_a_download_is_no_page(server: str) -> None:
    assert "attachment" in get(f"{server}/download")[1]["Content-Disposition"]


def test_hang_accepts_and_never_answers(server: str) -> None:
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=0.3) as connection:
        connection.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_once_is_true_once_for_each_run_and_key(server: str) -> None:
    answers = [
        asked(f"{server}/once?{query}")["first"] for query in ("run=a&key=k", "run=a&key=k", "run=b&key=k")
    ]
    assert answers == [True, False, True]


def test_reports_come_back_to_their_run(server: str) -> None:
    for run, what in (("r1", "one"), ("r2", "two"), ("r1", "three")):
        get_report = urllib.request.Request(
            f"{server}/report?run={run}", data=json.dumps({"what": what}).encode()
        )
        with urllib.request.urlopen(get_report, timeout=5) as answer:
            assert answer.status == 200
    told = asked(f"{server}/reports?run=r1")
    assert [one["what"] for one in told] == ["one", "three"]
    assert all(one["at"] > 0 for one in told)


@pytest.mark.parametrize("body", [b"", b"[]", b"not json"])
def test_a_report_that_is_none_is_refused(server: str, body: bytes) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{server}/report?run=r", data=body), timeout=5)
    with refused.value as answer:
        assert answer.code == 400


def test_the_log_has_what_a_run_asked_for(server: str) -> None:
    get(f"{server}/still.html?run=logged")
    get(f"{server}/still.html")
    (one,) = asked(f"{server}/log?run=logged")
    assert (one["method"], one["path"]) == ("GET", "/still.html")


def test_its_certificate_is_nobody_s() -> None:
    pages = load("server.py")
    made = pages.secured(pages.Server(("127.0.0.1", 0), folder=FOLDER, memory=pages.Memory()))
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with pytest.raises(urllib.error.URLError, match="self-signed"):
            get(f"https://127.0.0.1:{made.server_address[1]}/still.html")
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        url = f"https://127.0.0.1:{made.server_address[1]}/still.html"
        with urllib.request.urlopen(url, timeout=5, context=trusting) as answer:
            assert answer.read() == (FOLDER / "still.html").read_bytes()
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def test_every_file_goes_into_the_config_map() -> None:
    made = pages_config(FOLDER)
    names = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert made["data"].keys() | made["binaryData"].keys() == names
    assert set(made["binaryData"]) == {"clip.webm"}
    assert len(json.dumps(made)) < 900_000


def test_the_clock_is_drawn_as_the_people_are() -> None:
    script = (FOLDER / "clock.js").read_text()
    names = demo.publisher()
    for rectangle in ("STRIP", "HUE", "CLOCK", "MOTION", "FLASH"):
        found = re.search(rf"const {rectangle} = \[(.*)\];", script)
        assert found is not None
        assert tuple(_number(part) for part in found[1].split(",")) == getattr(names, rectangle)
    for constant in (
        "STRIP_BLOCKS", "FLASH_SECONDS", "BEEP_SECONDS", "TONE_AMPLITUDE", "BEEP_AMPLITUDE", "BEEP_PER_TONE",
    ):  # fmt: skip
        found = re.search(rf"const {constant} = (.*);", script)
        assert found is not None
        assert float(found[1]) == getattr(names, constant)


def _number(text: str) -> float:
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def test_the_gallery_s_places_are_the_tests() -> None:
    page = (FOLDER / "gallery.html").read_text()
    for name, place in (("webgl", WEBGL), ("video", VIDEO), ("scripts", SCRIPTS)):
        assert f"frame('{name}.html', [{', '.join(str(edge) for edge in place)}])" in page
