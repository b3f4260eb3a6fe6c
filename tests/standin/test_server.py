"""The server: persistent connections, concurrent callers, and throttling."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from http_server import Server
from samples import ami, image, instance, snap, template
from switches import Bucket

FORM = "application/x-www-form-urlencoded"
SCOPE = "AWS4-HMAC-SHA256 Credential=any/20260101/eu-central-1/ec2/aws4_request, "


@pytest.fixture
def address(standin):
    host, port = standin.url.removeprefix("http://").split(":")
    return host, int(port)


def ask(connection, body="Action=DescribeImages&Version=2016-11-15"):
    headers = {"Content-Type": FORM, "Authorization": SCOPE}
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def raw(address, request):
    """Everything that the server writes until it closes the connection."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_a_connection_stays_open(standin, address):
    standin.load(images=[image(1)])
    connection = HTTPConnection(*address)
    ask(connection)
    own_port = connection.sock.getsockname()[1]
    for _ in range(3):
        status, body = ask(connection)
        assert (status, ami(1).encode() in body) == (200, True)
        # HTTPConnection automatically opens another connection if the server closes one.
        assert connection.sock.getsockname()[1] == own_port
    # Errors, moto's responses and the control endpoint do not close it.
    assert ask(connection, "Action=DeregisterImage&ImageId=ami-00000007")[0] == 400
    assert ask(connection, "Action=DescribeVpcs&Version=2016-11-15")[0] == 200
    connection.request("GET", "/_standin/calls")
    calls = json.load(connection.getresponse())
    assert (calls["DescribeImages"], calls["DescribeVpcs"]) == (4, 1)
    assert connection.sock.getsockname()[1] == own_port
    connection.close()


def test_requests_may_follow_each_other_at_once(address):
    one = b"GET /_standin/calls HTTP/1.1\r\n\r\n"
    last = b"GET /_standin/calls HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert raw(address, one + one + last).count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(
    "request_line",
    [b"GET /_standin/calls HTTP/1.0\r\n", b"GET /_standin/calls HTTP/1.1\r\n"],
)
def test_it_closes_when_asked_to(address, request_line):
    header = b"" if b"1.0" in request_line else b"Connection: close\r\n"
    answer = raw(address, request_line + header + b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert json.loads(body) == {}


@pytest.mark.parametrize(
    "nonsense",
    [
        b"what?\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
    ],
)
def test_nonsense_is_answered_and_the_connection_closed(standin, address, nonsense):
    assert raw(address, nonsense).startswith(b"HTTP/1.1 400 Bad Request")
    assert standin.control("GET", "calls") == {}


def test_a_body_may_come_in_chunks(standin, address):
    body = b"Action=DescribeImages&Version=2016-11-15"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:9], body[9:]))
    head = (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n"
        b"Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/ec2/aws4_request\r\n\r\n"
    )
    answer = raw(address, head + chunks + b"0\r\n\r\n")
    assert standin.control("GET", "calls") == {"DescribeImages": 1}, answer


def test_a_slip_of_the_server_is_an_answer_too(capsys):
    def slip(_):
        raise KeyError("slip")

    with Server("127.0.0.1", 0, slip, verbose=False) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = HTTPConnection(*server.server_address)
        for _ in range(2):
            assert ask(connection) == (500, b"KeyError('slip')\n")
        connection.close()
        server.shutdown()
    assert "KeyError: 'slip'" in capsys.readouterr().err


def test_a_body_may_wait_for_permission(standin, address):
    body = b"Action=DescribeImages&Version=2016-11-15"
    head = (
        f"POST / HTTP/1.1\r\nAuthorization: {SCOPE}\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    answer = raw(address, head.encode() + body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


# Throttling


def due(capacity, per_second, times):
    """How many calls at these times such a bucket must allow."""
    level, last, granted = capacity, times[0], 0
    for at in times:
        level, last = min(capacity, level + (at - last) * per_second), at
        if level >= 1:
            level, granted = level - 1, granted + 1
    return granted


@pytest.mark.parametrize(
    ("capacity", "per_second"), [(1, 40), (50, 20), (20, 120), (30, 0)]
)
def test_a_bucket_is_exact_whoever_asks(standin, address, capacity, per_second):
    """Ten callers together get exactly the tokens in the bucket."""
    standin.load(images=[image(1)])
    bucket = {"capacity": capacity, "per_second": per_second}
    standin.switch(buckets={"DescribeImages": bucket})
    began = time.monotonic()

    def hammer(_):
        connection, statuses = HTTPConnection(*address), []
        while time.monotonic() < began + 1.2:
            statuses.append(ask(connection)[0])
        connection.close()
        return statuses.count(200), statuses.count(503)

    with ThreadPoolExecutor(10) as pool:
        each = list(pool.map(hammer, range(10)))
    seconds = time.monotonic() - began
    granted, refused = (sum(counts) for counts in zip(*each, strict=True))
    assert granted <= capacity + per_second * seconds
    log = standin.control("GET", "calls?log=1")
    assert len(log) == granted + refused
    # By the server's own clock, so that a slow computer makes no difference.
    times = sorted(one["at"] for one in log)
    assert granted == pytest.approx(due(capacity, per_second, times), abs=3)
    if granted > 120:
        # Every caller gets some tokens, and none gets all.
        shares = [one for one, _ in each]
        assert min(shares) > 0
        assert max(shares) < granted / 10 * 4


def test_a_bucket_counts_right_under_many_threads():
    """Over HTTP, the server's other work hides a race condition. Here nothing does."""
    bucket = Bucket(20_000, 0, 20_000, time.monotonic())

    def take_all(_):
        granted = 0
        while bucket.take():
            granted += 1
        return granted

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take_all, range(8))) == 20_000
    finally:
        sys.setswitchinterval(usual)


def test_a_bucket_does_not_overflow(standin, address):
    bucket = {"capacity": 2, "per_second": 20}
    standin.switch(buckets={"DescribeImages": bucket})
    time.sleep(0.6)
    connection = HTTPConnection(*address)
    granted = [ask(connection)[0] for _ in range(8)].count(200)
    connection.close()
    assert 2 <= granted <= 4


def test_a_refused_call_does_not_wait_for_the_account(standin, address):
    standin.load(images=[image(n, n) for n in range(3000)])
    standin.switch(buckets={"DescribeTags": {"capacity": 1, "per_second": 0}})
    connection = HTTPConnection(*address)
    ask(connection, "Action=DescribeTags&Version=2016-11-15")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, HTTPConnection(*address))
        refused = 0
        while not slow.done():
            status, _ = ask(connection, "Action=DescribeTags&Version=2016-11-15")
            assert status == 503
            refused += 1
    # A waiting call would be in it at most once or twice.
    assert refused > 5
    connection.close()


LATENCY = 0.3


def test_latency_delays_every_call_and_no_call_delays_another(standin, address):
    standin.load(images=[image(1)])
    standin.switch(
        latency_seconds=LATENCY,
        buckets={"DescribeTags": {"capacity": 1, "per_second": 0}},
    )
    connections = [HTTPConnection(*address) for _ in range(8)]
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        statuses = [status for status, _ in pool.map(ask, connections)]
    took = time.perf_counter() - began
    assert statuses == [200] * 8
    # In sequence they would take eight times as long.
    assert LATENCY <= took < 4 * LATENCY
    for status in (200, 503):
        began = time.perf_counter()
        assert (
            ask(connections[0], "Action=DescribeTags&Version=2016-11-15")[0] == status
        )
        assert time.perf_counter() - began >= LATENCY
    began = time.perf_counter()
    standin.control("GET", "calls")
    assert time.perf_counter() - began < LATENCY
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("seconds", [-1, 61])
def test_a_latency_that_makes_no_sense_is_refused(standin, seconds):
    answer = standin.control("POST", "switches", {"latency_seconds": seconds})
    assert answer["errors"] == ["latency_seconds: not a number from 0 to 60"]


def test_a_denied_call_takes_nothing_out_of_the_bucket(standin, fails):
    bucket = {"capacity": 1, "per_second": 0}
    describe = standin.ec2.describe_images
    standin.switch(buckets={"DescribeImages": bucket}, deny=["DescribeImages"])
    fails("UnauthorizedOperation", describe)
    fails("UnauthorizedOperation", describe)
    log = standin.control("GET", "calls?log=1")
    assert [one["answer"] for one in log] == ["UnauthorizedOperation"] * 2


@pytest.mark.parametrize(
    "bucket",
    [
        {"capacity": 0, "per_second": 1},
        {"capacity": 1, "per_second": -1},
        {"capacity": 1},
        {"capacity": "1", "per_second": 1},
    ],
)
def test_a_bucket_that_makes_no_sense_is_refused(standin, bucket):
    answer = standin.control("POST", "switches", {"buckets": {"CreateTags": bucket}})
    text = "buckets.CreateTags: needs a capacity from 1 and a number per_second"
    assert answer["errors"] == [text]


ABOUT_ONE = (
    "DescribeImages&ImageId.1={ami}",
    "DescribeSnapshots&SnapshotId.1={snap}",
    "DescribeInstances&Filter.1.Name=image-id&Filter.1.Value.1={ami}",
    "DescribeImageReferences&ImageId.1={ami}&IncludeAllResourceTypes=true",
    "CreateTags&ResourceId.1={ami}&ResourceId.2={snap}&Tag.1.Key=a&Tag.1.Value=b",
    "DisableImage&ImageId={ami}",
    "DeregisterImage&ImageId={ami}",
    "DeregisterImage&ImageId={ami}&DeleteAssociatedSnapshots=true",
)


def times(standin, connection, count):
    """The duration of each of these calls in an account with this many images."""
    standin.load(
        images=[image(n, n, tags={"n": str(n)}) for n in range(count)],
        instances=[instance(n, n) for n in range(count)],
        launch_templates=[template(n, *[ami(n)] * 5) for n in range(count // 5)],
    )
    found, numbers = {}, iter(range(count))
    for action in ABOUT_ONE:
        each = []
        for _ in range(50):
            number = next(numbers)
            ids = {"ami": ami(number), "snap": snap(number)}
            body = f"Action={action.format(**ids)}&Version=2016-11-15"
            began = time.perf_counter()
            assert ask(connection, body)[0] == 200
            each.append(time.perf_counter() - began)
        found[action] = sorted(each)[5]
    return found


def test_a_call_about_one_image_does_not_look_at_all(standin, address):
    """The duration is about the same in a large and a small account."""
    connection = HTTPConnection(*address)
    small, large = (times(standin, connection, count) for count in (400, 8000))
    connection.close()
    slow = {
        action: (seconds, small[action])
        for action, seconds in large.items()
        if seconds > small[action] * 2 + 0.0003
    }
    assert slow == {}
