"""What the store's errors mean, and where its secret options are: the same for whoever writes and whoever reads."""

from pathlib import Path

import pytest

from egress_api import store_answers
from egress_api.credentials import read_credentials
from egress_api.recorder import StoreConfig


@pytest.mark.parametrize(
    ("answer", "refused", "words"),
    [
        (
            (
                "Error performing PUT http://s/b in 1ms - Server returned non-2xx status code: 403 Forbidden: "
                '<?xml version="1.0"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not '
                "match.</Message><CanonicalRequest>host:secret-host</CanonicalRequest></Error>"
            ),
            True,
            "403 Forbidden, SignatureDoesNotMatch: The signature does not match",
        ),
        (
            (
                "Server returned non-2xx status code: 404 Not Found: <?xml?><Error><Code>NoSuchBucket</Code>"
                "<Message>The specified bucket does not exist</Message></Error>"
            ),
            True,
            "404 Not Found, NoSuchBucket: The specified bucket does not exist",
        ),
        (
            (
                "Server returned non-2xx status code: 400 Bad Request: <?xml?><Error><Code>BadDigest</Code>"
                "<Message>The Content-MD5 you specified did not match what we received.</Message></Error>"
            ),
            False,
            "BadDigest: The Content-MD5 you specified did not match",
        ),
        (
            (
                "Server returned non-2xx status code: 404 Not Found: <?xml?>\n<Error>\n  <Code>ContainerNotFound</Code>\n"
                "  <Message>The specified container does not exist.\nRequestId:2cec3027\nTime:2026-11-23T23:43:36.034Z"
                "</Message>\n</Error>"
            ),
            True,
            "404 Not Found, ContainerNotFound: The specified container does not exist).",
        ),
        (
            (
                "Error performing GET http://a/c?comp=list&sig=Canonical%3D in 1.8ms, after 1 retries, max_retries: 1  - "
                "HTTP error: error sending"
            ),
            False,
            "Error performing GET http://a/c  - HTTP error: error sending.",
        ),
        ("Server returned non-2xx status code: 503 Slow Down: x", False, "503"),
        ("Server returned non-2xx status code: 429 Too Many: x", False, "429"),
        (
            "Error performing GET http://s/b in 101.8ms, after 1 retries, max_retries: 1  - HTTP error: error sending",
            False,
            "Error performing GET http://s/b  - HTTP error: error sending.",
        ),
        ("Unable to create dir /x: Permission denied (os error 13)", True, "Permission denied"),
        (
            "Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os error 28)",
            False,
            "No space left on device",
        ),
    ],
)
def test_an_answer_is_told_in_the_stores_own_words_and_no_more(
    answer: str, *, refused: bool, words: str
) -> None:
    meaning = store_answers.meaning(RuntimeError(answer), place="The store", verb="write", name="a.ts")
    assert meaning.refused is refused
    assert words in meaning.sentence
    assert "Canonical" not in meaning.sentence


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        ("404 Not Found: <Error><Code>NoSuchKey</Code><Message>…</Message></Error>", True),
        ("404 Not Found: <Error><Code>NoSuchBucket</Code><Message>…</Message></Error>", False),
        ("404 Not Found: <Error><Code>XAdminUserNotFound</Code><Message>…</Message></Error>", False),
        ("404 Not Found: <Error><Code>BlobNotFound</Code><Message>…</Message></Error>", True),
        ("404 Not Found: <Error><Code>ContainerNotFound</Code><Message>…</Message></Error>", False),
        ("404 Not Found: No such object: recordings/a.ts", True),
        ("404 Not Found: The specified bucket does not exist.", False),
        ("Object at location /recordings/a.ts not found: No such file or directory (os error 2)", True),
    ],
)
def test_only_an_object_that_is_not_there_counts_as_none(answer: str, *, gone: bool) -> None:
    assert store_answers.says_no_such_object(FileNotFoundError(answer)) == gone


def test_kubernetes_own_files_are_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "..2026_11_23").mkdir()
    (tmp_path / "..data").symlink_to("..2026_11_23")
    (tmp_path / "..2026_11_23" / "aws_access_key_id").write_text("AK\n")
    (tmp_path / "aws_access_key_id").symlink_to("..data/aws_access_key_id")
    assert read_credentials(tmp_path) == {"aws_access_key_id": "AK"}
    assert read_credentials(tmp_path / "missing") == {}


def test_options_of_the_client_are_kept_apart_from_the_stores() -> None:
    config = StoreConfig(url="s3://b/", options={"region": "eu", "allow_http": "true"})
    assert config.options_with({"aws_access_key_id": "AK"}) == (
        {"region": "eu", "aws_access_key_id": "AK"},
        {"allow_http": "true"},
    )
