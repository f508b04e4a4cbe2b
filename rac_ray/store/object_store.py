"""Connections to file systems named by a URI, and what is tried again when one does not answer for a while.

One connection per bucket and process, with time-outs. The endpoint of an S3-compatible server stands in the URI,
``s3://bucket/folder?endpoint_override=127.0.0.1:9000&scheme=http``, which goes with a sweep to every machine; without
it ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL`` counts, which has to be set on every machine. Credentials come from
where the AWS or Google libraries look for them (environment, profile, the machine's role), never from the URI, which
is printed and recorded.
"""

import logging
import os
import random
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from pyarrow import fs

from rac_ray.errors import BadInput, one_of

RETRY_SECONDS = 120.0
"""How long a storage may fail before the error counts."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between tries: doubled each time, and shortened at random by up to a half."""
TOLD_PAUSE = 1.0
"""From this pause on it is said that something is tried again."""
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0
"""A request during which nothing is sent or received for so long is given up."""
SILENT_SECONDS = 20.0
"""Longest time that one operation waits for a server that does not answer: a write waits about twice."""

OBJECT_STORES = ("s3", "gcs", "abfs")
"""``FileSystem.type_name`` of those without folders."""
S3_OPTIONS = ("endpoint_override", "scheme", "region")
TRANSIENT = re.compile(
    r"AWS Error (NETWORK_CONNECTION|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|SLOW_DOWN|THROTTLING|REQUEST_TIMEOUT"
    r"|UNKNOWN \(HTTP status (408|429|5\d\d)\))"
    r"|google::cloud::Status\((UNAVAILABLE|DEADLINE_EXCEEDED|INTERNAL|RESOURCE_EXHAUSTED)"
)
REFUSED = re.compile(
    r"AWS Error (ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|NO_SUCH_BUCKET|INVALID_CLIENT_TOKEN_ID"
    r"|MISSING_AUTHENTICATION_TOKEN|EXPIRED_TOKEN|UNRECOGNIZED_CLIENT|UNKNOWN \(HTTP status (30\d|40[0-7])\))"
    r"|Could not create a (OAuth2 access token)"
)
"""Without credentials Google's client says, too, that it is unavailable."""

LOGGER = logging.getLogger(__name__)

Result = TypeVar("Result")

_JITTER = random.Random()
"""Its own stream: pauses must not move what training draws."""


def is_transient(error: OSError) -> bool:
    """Whether an object store may answer the same request a little later."""
    return TRANSIENT.search(str(error)) is not None and REFUSED.search(str(error)) is None


def persistent(act: Callable[[], Result], seconds: float = RETRY_SECONDS) -> Result:
    """What ``act`` returns, tried again with growing pauses for up to ``seconds``; then its own error is raised.

    Only what may pass is tried again. Errors of a disk, files that are not there and refused access are raised at once.
    """
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    told = False
    while True:
        try:
            return act()
        except OSError as error:
            if not is_transient(error) or time.monotonic() + pause > deadline:
                raise
            if pause >= TOLD_PAUSE and not told:
                LOGGER.warning("the storage does not answer, trying again for %.0f s: %s", seconds, error)
                told = True
        time.sleep(pause * _JITTER.uniform(0.5, 1.0))
        pause = min(2 * pause, LONGEST_PAUSE)


def refusal(root: str, error: OSError) -> BadInput | None:
    """The sentence for an error that is a wrong bucket or missing rights, else None."""
    found = REFUSED.search(str(error))
    if found is None:
        return None
    return BadInput(
        f"storage {root!r} refuses access ({found[1] or found[3]}); check the bucket's name, region and credentials"
    )


def split_root(root: str) -> tuple[str, str]:
    """A URI without its query, and the query with its question mark (or nothing)."""
    place, mark, query = root.partition("?")
    return place.rstrip("/"), mark + query


def opened(root: str) -> tuple[fs.FileSystem, str]:
    """The connection for a URI, and the path in it. Raises BadInput for what cannot be a storage."""
    place, query = split_root(root)
    if not place.startswith("s3://"):
        try:
            return fs.FileSystem.from_uri(_impatient(root))
        except (ValueError, OSError) as error:
            raise BadInput(f"cannot open storage {root!r}: {error}") from error
    bucket, _, folder = place.removeprefix("s3://").partition("/")
    path = f"{bucket}/{folder}".rstrip("/")
    return _bucket(bucket, query, _endpoint()), path


def _impatient(root: str) -> str:
    """A URI by which Google's own client tries again for no longer than another store is waited for."""
    place, query = split_root(root)
    if not place.startswith(("gs://", "gcs://")) or "retry_limit_seconds" in query:
        return root
    return f"{root}{'&' if query else '?'}retry_limit_seconds={SILENT_SECONDS:g}"


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


@lru_cache(maxsize=16)
def _bucket(bucket: str, query: str, endpoint: str) -> fs.S3FileSystem:
    """One connection, after a look whether the bucket is there and answers."""
    root = f"s3://{bucket}{query}"
    if not bucket or "@" in bucket:
        raise BadInput("an S3 storage is s3://bucket/folder, without credentials: those belong in the environment")
    options = dict(parse_qsl(query.removeprefix("?")))
    for name in options:
        if name not in S3_OPTIONS:
            raise one_of("option of an s3:// storage", name, S3_OPTIONS)
    if endpoint and "endpoint_override" not in options:
        url = urlsplit(endpoint)
        if not url.netloc:
            raise BadInput(f"AWS_ENDPOINT_URL is {endpoint!r}; valid: a URL such as http://127.0.0.1:9000")
        options |= {"endpoint_override": url.netloc, "scheme": url.scheme}
    try:
        system = persistent(lambda: _connection(bucket, options))
        found = persistent(lambda: system.get_file_info(bucket))
    except OSError as error:
        raise refusal(root, error) or error from error
    if found.type == fs.FileType.NotFound:
        raise BadInput(f"storage {root!r}: there is no bucket {bucket!r}; make it, or choose another")
    return system


def _connection(bucket: str, options: dict[str, str]) -> fs.S3FileSystem:
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        region = "us-east-1" if "endpoint_override" in options else _region_of(bucket)
    return fs.S3FileSystem(
        region=region,
        endpoint_override=options.get("endpoint_override"),
        scheme=options.get("scheme", "https"),
        connect_timeout=CONNECT_SECONDS,
        request_timeout=ANSWER_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        allow_delayed_open=True,
    )


def _region_of(bucket: str) -> str:
    try:
        return fs.resolve_s3_region(bucket)
    except OSError as error:
        if "not found" in str(error):
            raise BadInput(f"storage 's3://{bucket}': there is no bucket {bucket!r}; make it, or choose another") from (
                error
            )
        raise
