"""Pages for the owner. Each route reads one snapshot and fills one template; who is not signed in sees how to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from sqlalchemy import Connection, func, select
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from posd.club.bell import rung
from posd.club.dashboard.chart import sales_chart
from posd.club.dashboard.figures import ACTIVE_DAYS, DAY_MS, PERIOD_DAYS, Figures, read_figures
from posd.club.dashboard.fleet import Till, is_lost, read_fleet
from posd.club.dashboard.speech import Speech
from posd.club.dashboard.standings import MembersPage, read_members
from posd.club.login import SESSION_LIFE_MS, end_session, is_session, open_session, use_login_key
from posd.club.service import LOOK_AGAIN_S, Service
from posd.club.shop import LANGUAGES
from posd.club.tables import club as clubs
from posd.club.tables import head, till

LANGUAGE_COOKIE = "posd_language"
YEAR_S = 365 * 86_400

Page = Callable[[Request], Awaitable[Response]]

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("posd.club.dashboard", "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


# ---- pages ----


async def overview(request: Request) -> Response:
    service = service_of(request)
    now_ms = service.clock.now().wall_ms
    figures, fleet = await service.read(lambda c: _overview(c, service, now_ms))
    speech = speech_of(request)
    chart, scale = sales_chart(speech, figures.days)
    values: dict[str, Any] = {
        "f": figures,
        "fleet": fleet,
        "chart": chart,
        "scale_of_chart": scale,
        "today": figures.today.on,
    }
    periods = {"period_days": PERIOD_DAYS, "active_days": ACTIVE_DAYS}
    return page(request, "overview.html", is_lost=is_lost, code=code, **values, **periods)


def code(text: str) -> Markup:
    """A command to be typed as it stands."""
    return Markup("<code>{}</code>").format(text)


def _overview(connection: Connection, service: Service, now_ms: int) -> tuple[Figures, tuple[Till, ...]]:
    figures = read_figures(connection, service.club, now_ms)
    return figures, read_fleet(connection, service.club, now_ms, service.heard)


async def members(request: Request) -> Response:
    service, before = service_of(request), request.query_params.get("before", "")
    listed: MembersPage = await service.read(lambda c: read_members(c, service.club, before))
    return page(request, "members.html", listed=listed)


# ---- news ----


async def live(request: Request) -> Response:
    return StreamingResponse(_news(service_of(request)), media_type="text/event-stream")


async def _news(service: Service) -> AsyncIterator[str]:
    """``changed`` whenever the page would look different. It carries nothing: the page asks for itself again."""
    with service.bell.listening() as event:
        last = await service.read(_mark)
        yield "retry: 1000\n\n"
        while not service.ending:
            await rung(event, LOOK_AGAIN_S)
            mark = await service.read(_mark)
            if mark != last:
                last = mark
                yield "event: changed\ndata:\n\n"


def _mark(connection: Connection) -> tuple[object, ...]:
    """Differs when anything on the overview does, whichever process changed it."""
    tills = connection.execute(select(func.count(), func.max(till.c.seen_ms)).select_from(till)).one()
    stored = connection.execute(select(func.sum(head.c.seq), func.sum(head.c.posted_seq))).one()
    return (*tills, *stored, connection.execute(select(clubs.c.changes)).scalar())


# ---- in and out ----


async def login(request: Request) -> Response:
    service, caller = service_of(request), request.client.host if request.client else ""
    key = request.query_params.get("key", "")
    if service.guesses.wait_s(caller):
        return signed_out(request, used=True)
    if not use_login_key(service.state_dir, key):
        service.guesses.guessed_wrong(caller)
        return signed_out(request, used=True)
    now_ms = service.clock.now().wall_ms
    token = await service.write(lambda c: open_session(c, service.club.club_id, now_ms))
    answer = page(request, "welcome.html")
    secure, life_s = request.url.scheme == "https", SESSION_LIFE_MS // 1000
    name = cookie_name(service)
    answer.set_cookie(name, token, max_age=life_s, httponly=True, samesite="strict", secure=secure)
    return answer


async def logout(request: Request) -> Response:
    service, token = service_of(request), request.cookies.get(cookie_name(service_of(request)), "")
    await service.write(lambda c: end_session(c, service.club.club_id, token))
    return RedirectResponse("/", 303)


async def missing(request: Request) -> Response:
    return page(request, "missing.html", status=404)


def signed_in_only(answer: Page) -> Page:
    """The route for those who are signed in; the others get 401 and a page that says how."""

    async def guarded(request: Request) -> Response:
        service = service_of(request)
        token, now_ms = request.cookies.get(cookie_name(service), ""), service.clock.now().wall_ms
        known = await service.read(lambda c: is_session(c, service.club.club_id, token, now_ms))
        return await answer(request) if known else signed_out(request, used=False)

    return guarded


def signed_out(request: Request, *, used: bool) -> Response:
    return page(request, "signed_out.html", status=401, used=used, session_days=SESSION_LIFE_MS // DAY_MS)


def cookie_name(service: Service) -> str:
    """Named after the club: all servers on 127.0.0.1 share one jar, whatever their port (RFC 6265 §8.5)."""
    return f"posd_club_{service.club.club_id[-8:]}"


# ---- making a page ----


@dataclass(frozen=True, slots=True)
class Tongue:
    code: str
    name: str


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    speech = speech_of(request)
    tongues = [Tongue(code, str(Speech(code, speech.settings).word("language"))) for code in LANGUAGES]
    text = _templates.get_template(template).render(
        s=speech, w=speech.word, club=service_of(request).club, tongues=tongues, path=request.url.path, **values
    )
    answer = HTMLResponse(text, status)
    if request.query_params.get("lang") == speech.language:
        answer.set_cookie(LANGUAGE_COOKIE, speech.language, max_age=YEAR_S, httponly=True, samesite="strict")
    return answer


def speech_of(request: Request) -> Speech:
    """In the language that was asked for, was asked for last, or is the club's."""
    settings = service_of(request).club.settings
    wishes = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), settings.language)
    return Speech(next(wish for wish in wishes if wish in LANGUAGES), settings)


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ROUTES = [
    Route("/login", login, methods=["GET"]),
    Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    Route("/", signed_in_only(overview), methods=["GET"]),
    Route("/members", signed_in_only(members), methods=["GET"]),
    Route("/live", signed_in_only(live), methods=["GET"]),
    Route("/logout", signed_in_only(logout), methods=["POST"]),
    Route("/{rest:path}", signed_in_only(missing), methods=["GET"]),
]
