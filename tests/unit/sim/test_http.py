"""The request parser: bytes in any pieces, the same requests out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.sim.http import MAX_BODY_BYTES, MAX_HEAD_BYTES, BadRequest, Request, RequestParser, chunk, head

BODIES = st.lists(st.binary(max_size=200), min_size=1, max_size=4)


def parsed(pieces: list[bytes]) -> list[Request]:
    parser = RequestParser()
    requests = []
    for piece in pieces:
        parser.feed(piece)
        while (request := parser.next()) is not None:
            requests.append(request)
    return requests


def plain(body: bytes) -> bytes:
    return b"POST /v1/x?alt=sse HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(body: bytes) -> bytes:
    parts = [chunk(body[start : start + 7]) for start in range(0, len(body), 7)]
    return b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n"


@given(bodies=BODIES, cuts=st.lists(st.integers(0, 2_000)), as_chunks=st.booleans())
def test_requests_are_the_same_however_the_bytes_are_cut(bodies: list[bytes], cuts: list[int], as_chunks: bool) -> None:
    stream = b"".join(map(chunked if as_chunks else plain, bodies))
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert [request.body for request in parsed(pieces)] == bodies


def test_a_request_has_its_method_decoded_path_query_and_lower_case_headers() -> None:
    (request,) = parsed([b"GET /v1/models/a%3Ab?alt=sse&x= HTTP/1.1\r\nX-Sim-Usage:  {} \r\n\r\n"])
    assert (request.method, request.path, request.query) == ("GET", "/v1/models/a:b", {"alt": "sse"})
    assert request.headers == {"x-sim-usage": "{}"}
    assert request.keep_alive


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"])
def test_an_old_client_or_one_that_says_close_is_not_kept_alive(head: bytes) -> None:
    (request,) = parsed([head])
    assert not request.keep_alive


def test_a_client_that_waits_for_continue_is_seen_waiting_until_its_body_comes() -> None:
    parser = RequestParser()
    parser.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert parser.next() is None
    assert parser.awaits_continue
    parser.feed(b"ok")
    assert parser.next() is not None
    assert not parser.awaits_continue


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 413),
        (b"x" * (MAX_HEAD_BYTES + 1), 431),
    ],
)
def test_what_is_no_request_is_refused_with_its_status(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as refused:
        parsed([data])
    assert refused.value.status == status


def test_a_head_names_its_length_or_says_that_the_body_is_chunked() -> None:
    assert head(200, [("a", "b")], length=3) == b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 3\r\n\r\n"
    assert b"transfer-encoding: chunked" in head(529, [], length=None)
