"""Strategies for valid names, and tables of invalid names, replicas and labels."""

import re
from typing import Any

import msgspec
from hypothesis import strategies as st

from contracts.field_types import Name

PATTERN = re.compile(msgspec.json.schema(Name)["pattern"])
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

names = (
    st.text(LETTERS + ".:/", min_size=1, max_size=512).filter(PATTERN.search)
    | st.text(LETTERS + ".", min_size=240, max_size=300).filter(PATTERN.search)
    | st.text(LETTERS, min_size=70, max_size=90)
)
simple_names = st.text(LETTERS, min_size=1, max_size=255)
provider_names = st.from_regex(re.compile(r"[a-z][a-z0-9-]{0,31}"), fullmatch=True)

HOSTILE_NAMES: list[Any] = [
    "",
    "/",
    "/etc",
    "..",
    "../secrets",
    "a/../b",
    "a..b",
    ".",
    ".hidden",
    "a/",
    "arn:aws:ecs:eu-west-1:1:service/",
    " a",
    "a ",
    "a b",
    "a\x00",
    "a\n",
    "a\r\nX: y",
    "a\t",
    "a?x=1",
    "a#b",
    "a%2Fb",
    "a\\b",
    "a,b",
    "a=b",
    "a'b",
    "{a}",
    "ünicode",
    "пod",
    "\N{ARABIC-INDIC DIGIT ONE}",
    "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "a" * 513,
    None,
    1,
    True,
    ["a"],
    {"a": "b"},
]

BAD_REPLICAS: list[Any] = ["3", "", -1, 1.5, 3.0, True, False, None, 150_001, 10**30, [], {}]

BAD_LABELS: list[Any] = [
    {"": "x"},
    {"a,b": "x"},
    {"a!": "x"},
    {"a{b}": "x"},
    {"a\N{RIGHT-TO-LEFT OVERRIDE}b": "x"},
    {"a\N{LINE SEPARATOR}b": "x"},
    {"a\x85b": "x"},
    {"a\n": "x"},
    {"a" * 318: "x"},
    {"a": "b,c=d"},
    {"a": "b\n"},
    {"a": "(b)"},
    {"a": "b\N{ZERO WIDTH SPACE}"},
    {"a": "b\x00"},
    {"a": "b" * 257},
    {"a": 1},
    {"a": ["b"]},
    ["a=b"],
    "a=b",
]
