"""Pages from the templates of this folder. Each has its styles inside, and needs no other file but pictures."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from bnstudy import __version__
from bnstudy.report.run_lists import duration
from bnstudy.tables.formats import templates


def html(template: str, *styles: str, **values: Any) -> str:
    """The page of a template with these style sheets after base.css. Every value is escaped, except markup."""
    css = "".join(_source(sheet) for sheet in ("base.css", *styles))
    return _environment().get_template(template).render(css=Markup(css), version=__version__, **values)


@cache
def _environment() -> Environment:
    environment = templates("bnstudy.report")
    environment.filters["duration"] = duration
    return environment


@cache
def _source(name: str) -> str:
    return (files("bnstudy.report") / name).read_text(encoding="utf-8")
