"""The one reader of JSON: what it returns, what it refuses, and that no other module parses JSON."""

import os
from pathlib import Path

import pytest

import bnstudy
from bnstudy import small_json


def test_a_value_of_the_expected_type(tmp_path):
    (tmp_path / "a").write_text('{"a": [1, {"b": null}]}')
    assert small_json.read(tmp_path / "a", dict) == {"a": [1, {"b": None}]}
    assert small_json.parse(b"[1, 2]", list) == [1, 2]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", '"a"', "[" * 200_000, '{"a":' * 200_000, '{"a": 1, "a": 2}', '{"b": {"a": 1, "a": 1}}',
     '{"a": NaN}', '{"a": -Infinity}', '{"a": ' + "9" * 10_000 + "}", b'{"a": "\xff"}', b"\xff\xfe{\0}\0"],
)  # fmt: skip
def test_anything_else_is_one_error(text):
    with pytest.raises(ValueError):
        small_json.parse(text, dict)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "a").write_text("{}" + " " * small_json.MOST)
    with pytest.raises(ValueError, match="larger than"):
        small_json.read(tmp_path / "a", dict)
    assert small_json.read(tmp_path / "a", dict, most=1 << 21) == {}


def test_pipes_devices_and_folders_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "absent"):
        with pytest.raises(OSError):
            small_json.read(path, dict)


def test_no_other_module_parses_json():
    package = Path(bnstudy.__file__).parent
    parsing = [file.name for file in package.rglob("*.py") if "json.loads(" in file.read_text()]
    assert parsing == ["small_json.py"]
