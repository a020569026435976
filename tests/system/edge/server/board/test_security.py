"""What the board refuses, asked by hand over HTTP: other names, other sites' pages, other people, too much."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from edge.server.board.users import User, add_user, new_token
from tests.edge.conftest import wait_for
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, steady, tile

PASSWORD = "correct horse"
JSON = {"content-type": "application/json"}
ORDER = {"site": "ward-b", "node": "box-1", "stream": "bed1", "verb": "pause", "fields": {"by": "somebody else"}}


BED = "site=ward-b&node=box-1&stream=bed1"


class Answer:
    """Status, headers and text of an answer."""

    def __init__(self, board: RunningBoard, method: str, path: str, body: Any = None, **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(board.url.rsplit(":", 1)[1].rstrip("/")), timeout=60)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        text = body if isinstance(body, (str, type(None))) else json.dumps(body)
        connection.request(method, path, text, {**(JSON if body is not None else {}), **names})
        found = connection.getresponse()
        self.status, self.headers, self.text = found.status, found.headers, found.read().decode()
        connection.close()

    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)


def signed_in(board: RunningBoard, **given: str) -> dict[str, str]:
    """Headers of one who has signed in."""
    answer = Answer(board, "POST", "/api/login", given)
    assert answer.status == 200, answer.text
    cookie = answer.headers["set-cookie"].split(";")[0]
    return {"cookie": cookie, "x_csrf_token": answer.json()["csrf"]}


@pytest.fixture(scope="module")
def hashed() -> str:
    """Looked at in a moment, for it is tried hundreds of times; how long a real one takes is argon2's."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@pytest.fixture
def closed(start_board: Callable[..., RunningBoard], tmp_path: Path, hashed: str) -> RunningBoard:
    """A board where people sign in."""
    for name, role in (("viewer", "view"), ("nurse", "acknowledge"), ("sister", "admit"), ("chief", "configure")):
        add_user(tmp_path / "users", User(name, role, hashed))  # type: ignore[arg-type]
    return start_board(users="users")


def test_every_page_forbids_scripts_frames_and_guessing_types(board: RunningBoard) -> None:
    headers = Answer(board, "GET", "/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] is None


def test_no_page_has_a_script_or_a_style_of_its_own(board: RunningBoard) -> None:
    for path in ("/", "/bed", "/fleet", "/shift"):
        page = Answer(board, "GET", path).text
        assert '<script type="module" src=' in page
        assert "</script>" not in page.replace('"></script>', "")
        assert not {"<style", " style=", " onclick=", "javascript:"} & set(page.split(">"))


def test_a_name_that_is_not_the_boards_is_refused(board: RunningBoard) -> None:
    assert Answer(board, "GET", "/", host="evil.example").status == 421
    assert Answer(board, "GET", "/", host="localhost:1").status == 200


def test_another_sites_page_is_refused(board: RunningBoard) -> None:
    assert Answer(board, "GET", "/api/me", sec_fetch_site="cross-site").status == 403
    assert Answer(board, "POST", "/api/orders", ORDER, origin="https://evil.example").status == 403
    assert Answer(board, "POST", "/api/orders", "{}", content_type="text/plain").status == 415


def test_an_order_needs_the_sessions_token_beside_its_cookie(board: RunningBoard) -> None:
    me = Answer(board, "GET", "/api/me")
    cookie = me.headers["set-cookie"].split(";")[0]
    assert "HttpOnly" in me.headers["set-cookie"]
    assert "SameSite=strict" in me.headers["set-cookie"]
    assert Answer(board, "POST", "/api/orders", ORDER).status == 401
    assert Answer(board, "POST", "/api/orders", ORDER, cookie=cookie).status == 403
    assert Answer(board, "POST", "/api/orders", ORDER, cookie=cookie, x_csrf_token="guessed").status == 403


def test_who_has_not_signed_in_sees_nothing_of_the_ward(closed: RunningBoard) -> None:
    of_all = ("me", "stream", "fleet", "shift", "shift.csv", "clip?id=x", "clip/sound?id=x")
    of_a_bed = (f"bed?{BED}", f"bed/day?{BED}", f"bed/events?{BED}")
    refused = {path: Answer(closed, "GET", f"/api/{path}").status for path in (*of_all, *of_a_bed)}
    assert refused == dict.fromkeys(refused, 401)


def test_roles_decide_who_may_order_what(closed: RunningBoard, ward: FakeWard) -> None:
    ward.publish_bed("bed1")
    limit = {**ORDER, "verb": "limit", "fields": {"condition": "continuous", "limit_s_per_min": 4, "why": "asthma"}}
    patient = {**ORDER, "verb": "patient", "fields": {"age": "8 months"}}
    may = {}
    for name in ("viewer", "nurse", "sister", "chief"):
        headers = signed_in(closed, name=name, password=PASSWORD)
        orders = (ORDER, patient, limit)
        may[name] = [Answer(closed, "POST", "/api/orders", order, **headers).status for order in orders]
    assert may == {"viewer": [403] * 3, "nurse": [200, 403, 403], "sister": [200, 200, 403], "chief": [200] * 3}
    by = [body["by"] for verb, body in ward.orders if verb != "patient"]  # not the name that was sent
    assert by == ["nurse", "sister", "chief", "chief"]


def test_what_was_done_and_refused_is_in_the_audit_log(closed: RunningBoard, ward: FakeWard, tmp_path: Path) -> None:
    ward.publish_bed("bed1")
    Answer(closed, "POST", "/api/login", {"name": "nurse", "password": "wrong horse"})
    Answer(closed, "POST", "/api/orders", ORDER, **signed_in(closed, name="nurse", password=PASSWORD))
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert [line["what"] for line in lines] == ["sign-in refused", "signed in", "order"]
    assert (lines[2]["by"], lines[2]["bed"], lines[2]["verb"], lines[2]["ok"]) == (
        "nurse",
        "ward-b/box-1/bed1",
        "pause",
        True,
    )
    assert "horse" not in (tmp_path / "audit.log").read_text()


def test_an_order_that_a_role_may_not_give_is_in_the_audit_log(closed: RunningBoard, tmp_path: Path) -> None:
    Answer(closed, "POST", "/api/orders", ORDER, **signed_in(closed, name="viewer", password=PASSWORD))
    line = json.loads((tmp_path / "audit.log").read_text().splitlines()[-1])
    assert (line["what"], line["by"], line["bed"], line["verb"]) == (
        "order refused",
        "viewer",
        "ward-b/box-1/bed1",
        "pause",
    )


@pytest.mark.parametrize("given", ['{"name": "nurse", "password": "\\ud800"}', '{"token": "\\udfff"}'])
def test_half_a_letter_is_no_password(closed: RunningBoard, tmp_path: Path, given: str) -> None:
    assert Answer(closed, "POST", "/api/login", given).status == 401
    assert [json.loads(line)["what"] for line in (tmp_path / "audit.log").read_text().splitlines()] == [
        "sign-in refused"
    ]


def test_passwords_are_not_guessed(closed: RunningBoard) -> None:
    wrong = [Answer(closed, "POST", "/api/login", {"name": "nurse", "password": "wrong horse"}) for _ in range(7)]
    assert [answer.status for answer in wrong] == [403] * 5 + [429] * 2
    assert Answer(closed, "POST", "/api/login", {"name": "nurse", "password": PASSWORD}).status == 429


def test_signing_out_ends_the_session(closed: RunningBoard) -> None:
    headers = signed_in(closed, name="chief", password=PASSWORD)
    assert Answer(closed, "GET", "/api/fleet", **headers).status == 200
    assert Answer(closed, "POST", "/api/logout", {}, **headers).status == 200
    assert Answer(closed, "GET", "/api/fleet", **headers).status == 401


def test_what_is_too_long_or_no_json_is_refused(board: RunningBoard) -> None:
    assert Answer(board, "POST", "/api/orders", "x" * 5000).status == 413
    assert Answer(board, "POST", "/api/login", "[" * 3000).status == 400
    assert Answer(board, "PUT", "/", "{}").status == 405
    assert Answer(board, "GET", "/static/../server.py").status == 404


def test_an_order_to_what_is_no_topic_is_refused(board: RunningBoard, ward: FakeWard) -> None:
    wait_for(lambda: "box-1" in Answer(board, "GET", "/api/fleet").text, "the board at the broker")
    me = Answer(board, "GET", "/api/me")
    headers = {"cookie": me.headers["set-cookie"].split(";")[0], "x_csrf_token": me.json()["csrf"]}
    for stream in ("+", "a/b", "#", "x" * 65, "a\0", 5, None):
        answer = Answer(board, "POST", "/api/orders", {**ORDER, "stream": stream}, **headers)
        assert answer.status == 400
    nobody = {**ORDER, "node": "box-2"}
    assert "no answer within" in Answer(board, "POST", "/api/orders", nobody, **headers).json()["reason"]


def test_a_screen_opens_with_its_token_and_may_only_look(
    start_board: Callable[..., RunningBoard], ward: FakeWard, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    token, digest = new_token()
    add_user(tmp_path / "users", User("wall", "view", digest))
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    board = start_board(users="users")
    page = open_page(f"{board.url}#token={token}")
    page.locator(".tile.level-alarm").wait_for()
    assert token not in page.url
    steady(page)
    tile(page, "bed1").get_by_role("button", name="Acknowledge").click()
    page.get_by_text("You may look, and not acknowledge.").wait_for(state="attached")  # it is shown for 5 s
    assert ward.orders == []


def test_a_person_signs_in_on_the_page(closed: RunningBoard, ward: FakeWard, open_page: Callable[..., Any]) -> None:
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    page = open_page(closed.url)
    page.locator("#login-name").fill("nurse")
    page.locator("#login-password").fill("wrong horse")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("name or password is wrong").wait_for()
    page.locator("#login-password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator(".tile.level-alarm").wait_for()
    steady(page)
    tile(page, "bed1").get_by_role("button", name="Acknowledge").click()  # who it is is known
    page.wait_for_selector(".tile.level-seen")
    wait_for(lambda: len(ward.orders) > 0, "the order")
    assert [body["by"] for _, body in ward.orders] == ["nurse"]


@pytest.mark.parametrize("level", ["site", "node", "stream"])
def test_an_order_to_a_name_that_can_be_no_topic_is_refused_and_the_broker_stays(
    board: RunningBoard, ward: FakeWard, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    ward.publish_bed("bed1")
    me = Answer(board, "GET", "/api/me")
    headers = {"cookie": me.headers["set-cookie"].split(";")[0], "x_csrf_token": me.json()["csrf"]}
    for name in ("lost\n", "bed\x7f", "bed\uffff", "bed\x01", "bed/1", "Bed"):
        found = [Answer(board, "POST", "/api/orders", {**ORDER, level: name}, **headers).status for _ in range(10)]
        assert found == [400] * 10, name
    order = {**ORDER, "fields": {"by": "nurse"}}
    assert Answer(board, "POST", "/api/orders", order, **headers).json() == {"ok": True, "reason": ""}
    assert "broker=lost" not in caplog.text
    assert len(ward.orders) == 1
