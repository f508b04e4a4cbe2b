"""Credentials in the forms that error messages repeat them in."""

import pytest

from rac_ray.store.redaction import without_credentials

KEY = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"GET s3://user:{KEY}@bucket/x failed", "GET s3://***@bucket/x failed"),
        (f"s3://b/x?secret_key={KEY}&region=eu", "s3://b/x?secret_key=***&region=eu"),
        (f"api_key={KEY}, region=eu", "api_key=***, region=eu"),
        (f'{{"token": "{KEY}", "name": "a"}}', '{"token": "***", "name": "a"}'),
        (f'"{{\\"token\\": \\"{KEY}\\"}}"', '"{\\"token\\": \\"***\\"}"'),
        (f"{{'password': '{KEY}'}}", "{'password': '***'}"),
        (f"Authorization: Bearer {KEY}", "Authorization: Bearer ***"),
        (f"authorization={KEY}", "authorization=***"),
        (f"AccountName=a;AccountKey={KEY}==;x", "AccountName=a;AccountKey=***;x"),
        (f"https://a.blob/c?sv=1&sig={KEY}%3D&se=2", "https://a.blob/c?sv=1&sig=***&se=2"),
        ("the key AKIAIOSFODNN7EXAMPLE is unknown", "the key *** is unknown"),
        ("hf_abcdefghijklmnopqrst is refused", "*** is refused"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- end", "*** end"),
    ],
)
def test_credentials_are_blotted_out(text: str, expected: str) -> None:
    assert without_credentials(text) == expected
    assert without_credentials(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "out of memory: tried to allocate 2.0 GB, signs: 3",
        "FileNotFoundError: s3://bucket/study/ts_grid/trials/cnn3d-h4/record.json",
        "ValueError: design=3 of sigma 1",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert without_credentials(text) == text


def test_inside_of_lists_and_mappings() -> None:
    failure = {"reason": f"token={KEY}", "log_tail": [f"pwd: {KEY}", "epoch 1"], "attempt": 2, "retry": None}
    expected = {"reason": "token=***", "log_tail": ["pwd: ***", "epoch 1"], "attempt": 2, "retry": None}
    assert without_credentials(failure) == expected
