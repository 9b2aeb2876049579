"""Pages from the templates of this folder. Each has its styles and its script inside, and needs no other file but
pictures. A page is complete without its script."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from bnstudy import __version__, disk
from bnstudy.report import answer
from bnstudy.report.run_lists import duration
from bnstudy.tables.formats import templates


def html(template: str, *styles: str, **values: Any) -> str:
    """The page of a template with these style sheets between base.css and print.css. Every value is escaped, except
    markup."""
    css, script = "".join(_source(sheet) for sheet in ("base.css", *styles, "print.css")), _source("page.js")
    shared = {"css": Markup(css), "script": Markup(script), "script_digest": _digest(script), "version": __version__}
    return _environment().get_template(template).render(**shared, **values)


def _digest(script: str) -> str:
    """The digest of a script as a Content-Security-Policy names it: a browser runs no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def current(path: Path) -> str:
    """The page as it is; empty if there is none, or if it cannot be read."""
    try:
        return disk.read(path).decode()
    except (OSError, ValueError):
        return ""


@cache
def _environment() -> Environment:
    environment = templates("bnstudy.report")
    environment.filters |= {"duration": duration, "counted": answer.counted, "titled": answer.titled}
    return environment


@cache
def _source(name: str) -> str:
    return (files("bnstudy.report") / name).read_text(encoding="utf-8")
