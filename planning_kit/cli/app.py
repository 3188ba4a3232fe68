"""`planning-kit app`: the what-if and the talks as a page without code."""

from __future__ import annotations

import click


@click.command()
@click.argument("plan_folder", metavar="[FOLDER]", default="", required=False)
@click.option("--port", default=8866, show_default=True, help="If it is taken, the next free one.")
@click.option("--ip", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--region", default="", help="Opened first; by default the first of the plan.")
@click.option("--scenario", default="base", show_default=True, help="Opened first.")
@click.option("--run", default="", help="A run whose tables are taken; by default the newest.")
@click.option("--base-url", default="/", show_default=True, help="Path of the page at a proxy.")
@click.option("--user-header", default="", metavar="NAME", help="Header a proxy names users in.")
@click.option("--no-browser", is_flag=True, help="Only say the link.")
def app(
    plan_folder: str,
    port: int,
    ip: str,
    region: str,
    scenario: str,
    run: str,
    base_url: str,
    user_header: str,
    no_browser: bool,
) -> None:
    """Serve the what-if panel and the one-to-one talks as a page without code.

    The link it prints holds a key; without it nobody gets in. JUPYTER_TOKEN sets another key. Which user
    may see which regions stands in plan.toml, [app.users].

    \b
    Example:
      planning-kit app my-plan
      planning-kit app my-plan --no-browser --base-url /goals/ --user-header X-Forwarded-User
    """
    from importlib.util import find_spec

    from planning_kit.messages import UsageError

    if find_spec("voila") is None:
        raise UsageError("the app needs Voilà: pip install 'planning-kit[app]'.")
    from planning_kit.cli.app_server import Page, serve
    from planning_kit.data import prepare
    from planning_kit.plan import load_plan
    from planning_kit.run.manifest import chosen_run

    plan = load_plan(plan_folder)
    prepared = prepare(plan)
    plan.scenario(scenario)
    if run:
        chosen_run(plan, run)
    page = Page(plan, prepared.regions, scenario, region, run, user_header)
    serve(page, ip, port, base_url, browser=not no_browser)
