"""Serve the app's page with Voilà: who gets in, which regions somebody sees, what a page may ask."""

from __future__ import annotations

import logging
import os
import socket
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.log import log_request
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler
from traitlets import Unicode
from traitlets.config import Config
from voila.app import Voila

from planning_kit.messages import UsageError, require_labels, stop_on_faults
from planning_kit.messages.labels import unknown_labels
from planning_kit.plan import Plan, bundled
from planning_kit.run.kernels import PrivateKernelManager, start_template

_PORTS = 10
# Scripts, pictures and sockets of this server only, whatever a table or a note may hold.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
_EXTENSIONS = (
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
)
_IDLE_SECONDS = 3600  # a kernel that no page is connected to ends after an hour


class ByKey(IdentityProvider):
    """Lets in who has the key: in the link the first time, in a cookie from then on."""

    async def _get_user(self, handler: RequestHandler) -> Any:
        # There is no form to log in: who has no key is refused.
        if (user := await super()._get_user(handler)) is None:
            handler.current_user = None
            raise HTTPError(403)
        return user


class ByProxy(ByKey):
    """Takes the user's name from a header, of requests that carry the key in another.

    The proxy adds both. The key never reaches a browser, so that nobody can pass the proxy by and
    send a name of his own.
    """

    header = Unicode().tag(config=True)

    def get_token(self, handler: RequestHandler) -> str | None:
        """Read the key of the request's ``Authorization``, nowhere else."""
        found = self.auth_header_pat.match(handler.request.headers.get("Authorization", ""))
        return found[2] if found else None

    def get_user_cookie(self, handler: RequestHandler) -> None:
        """Know nobody again by a cookie."""

    def set_login_cookie(self, handler: RequestHandler, user: User) -> None:
        """Give no cookie."""

    def is_token_authenticated(self, handler: RequestHandler) -> bool:
        """Check where requests come from all the same: the proxy adds the key to every one."""
        return False

    def generate_anonymous_user(self, handler: RequestHandler) -> Any:
        """Name the user of a request that carried the key; without a name nobody."""
        name = handler.request.headers.get(self.header, "").strip()
        return User(name) if name else None


@dataclass(frozen=True)
class Page:
    """What the page shows, and to whom."""

    plan: Plan
    regions: Sequence[str]
    scenario: str
    region: str
    run: str
    user_header: str

    def __post_init__(self) -> None:
        if self.region:
            require_labels([self.region], self.regions, "region")
        stop_on_faults(self.plan.user_faults(self.regions), "plan.toml")

    def user(self, handler: Any) -> str:
        """Say who asks: whom the trusted proxy names, else whose server of a JupyterHub this is."""
        if self.user_header:
            return str(handler.current_user.username)
        return os.environ.get("JUPYTERHUB_USER", "")

    def open(self, handler: Any, notebook: Any, cwd: str) -> Any:
        """Write into the notebook what this request may see, before a kernel is started."""
        user = self.user(handler)
        regions = self.plan.regions_of(user, self.regions)
        if not regions:
            raise HTTPError(403, _nothing_for(user))
        asked = handler.get_query_argument("region", "")
        if fault := unknown_labels([asked] if asked else [], regions):
            raise HTTPError(403, f"region: {fault}")
        first = asked or (self.region if self.region in regions else regions[0])
        given = {
            "plan_folder": str(self.plan.folder),
            "run": self.run,
            "scenario": self.scenario,
            "regions": regions,
            "region": first,
            "user": user,
        }
        cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        cells[0].source = "\n".join(f"{name} = {value!r}" for name, value in given.items())
        notebook.metadata.title = self.plan.settings.name
        return notebook


def _nothing_for(user: str) -> str:
    who = f"{user!r} may see no region of this plan yet" if user else "it is not known who you are"
    return (
        f"Nothing is shown, as {who}. Which user may see which regions stands in plan.toml, "
        "[app.users]; who a user is says JupyterHub, or a proxy with --user-header."
    )


class PageKernel(PrivateKernelManager, ServerKernelManager):
    """A kernel of a page: forked where that works, on sockets that nobody else can open."""

    forking = True


class _Server(Voila):  # type: ignore[misc]
    """Voilà with our template before its own, and without anybody's settings."""

    name = "voila"

    def load_config_file(self, *args: Any, **kwargs: Any) -> None:
        """Read no settings of Voilà's: one lying in a plan folder would be run as a program."""

    def setup_template_dirs(self) -> None:
        """Look for templates among ours first."""
        super().setup_template_dirs()
        self.template_paths.insert(0, str(bundled("templates") / "app"))

    def random_ports(self, port: int, n: int) -> Iterator[int]:
        """Give the ports to try: a few in a row, so that a link stays where people look for it."""
        yield from range(port, port + _PORTS)
        last = port + _PORTS - 1
        raise UsageError(f"ports {port} to {last} are taken; choose another one with --port.")

    def say_link(self, browser: bool) -> None:
        """Say where the page is, now that the port is known, and with which key."""
        host = socket.gethostname() if self.ip in ("", "0.0.0.0", "::") else self.ip
        address, key = f"http://{host}:{self.port}{self.base_url}", self.identity_provider.token
        shown = key if self.identity_provider.token_generated else "..."
        if isinstance(self.identity_provider, ByProxy):
            click.echo(f"for the proxy: {address} with the header Authorization: token {shown}")
            return
        click.echo(f"the page is at: {address}?token={shown}")
        click.echo("Ctrl+C ends it, with every page that is open", err=True)
        if browser:
            webbrowser.open(f"{address}?token={key}")


def serve(page: Page, ip: str, port: int, base_url: str, *, browser: bool) -> None:
    """Serve the page until Ctrl+C; the kernels end with it."""
    c = Config()
    c.Voila.ip, c.Voila.port, c.Voila.open_browser = ip, port, False
    c.Voila.base_url = f"/{base_url.strip('/')}/".replace("//", "/")
    c.Voila.auto_token = True
    c.Voila.identity_provider_class = ByProxy if page.user_header else ByKey
    c.ByProxy.header = page.user_header
    c.Voila.notebook_path = str(bundled("templates") / "app" / "app.ipynb")
    c.Voila.tornado_settings = {
        "headers": {"Content-Security-Policy": _POLICY},
        "log_function": log_request,  # it leaves the key out
    }
    c.Voila.log_level = logging.ERROR
    c.VoilaConfiguration.prelaunch_hook = page.open
    c.VoilaConfiguration.allow_template_override = "NO"
    c.VoilaConfiguration.allow_theme_override = "NO"
    c.VoilaConfiguration.file_allowlist = []
    c.VoilaConfiguration.extension_allowlist = list(_EXTENSIONS)
    c.MappingKernelManager.cull_idle_timeout = _IDLE_SECONDS
    c.MappingKernelManager.kernel_manager_class = f"{__name__}.PageKernel"
    start_template()  # so that the first page need not wait for it
    server = _Server(config=c)
    server.initialize([])
    IOLoop.current().add_callback(server.say_link, browser)
    server.start()
