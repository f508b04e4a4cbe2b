"""The policies of ``cluster/`` against what a sweep's storage does with a bucket: requests to a server, one by one."""

import logging
import re
from pathlib import Path
from urllib.parse import unquote

import boto3
import pytest
from moto.server import ThreadedMotoServer

from rac_ray.store.storage import Storage
from tests.cluster.aws import Request, allows, policy

BUCKET = "arn:aws:s3:::my-bucket"
OF_BUCKET = {"GET": "s3:ListBucket", "HEAD": "s3:ListBucket"}
OF_OBJECT = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}


def as_request(method: str, path: str) -> Request:
    """What a policy is asked for, by the request line of S3's HTTP interface."""
    address, _, query = unquote(path).removeprefix("/my-bucket").partition("?")
    if not address.strip("/"):
        return Request(OF_BUCKET[method], BUCKET)
    actions = {**OF_OBJECT, "POST": "s3:PutObject"} if re.match("uploads?", query) else OF_OBJECT
    return Request(actions[method], BUCKET + address)


def test_storage_may_do_what_it_does(laptop: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="werkzeug")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        boto3.client("s3", "us-east-1", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="my-bucket")
        caplog.clear()
        storage = Storage.at(f"s3://my-bucket/rac_ray?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1")
        storage.require_room(0)
        trial = storage.below("results", "trials", "a")
        trial.write_json("record.json", {"epoch": 1})
        trial.write_bytes("best.ckpt", b"0" * 20_000_000)
        assert trial.read_json("record.json") == {"epoch": 1}
        assert len(trial.read_bytes("best.ckpt")) == 20_000_000
        assert not storage.exists("nothing")
        assert storage.below("results", "trials").names() == ["a"]
        trial.delete("best.ckpt")
        assert not trial.exists("best.ckpt")
    finally:
        server.stop()
    lines = re.findall(r'"(?:\x1b\[\d+m)*([A-Z]+) (/my-bucket\S*) HTTP', caplog.text)
    requests = [as_request(method, path) for method, path in lines]
    assert {request.action for request in requests} == {"s3:ListBucket", *OF_OBJECT.values()}
    for role in ("head", "worker"):
        assert [request for request in requests if not allows(policy(role), request)] == []
