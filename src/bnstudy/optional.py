"""Optional packages, checked before the work begins and not after hours of it."""

from importlib.util import find_spec

from bnstudy.errors import UsageError


def need(package: str, extra: str, what: str) -> None:
    """Raise UsageError, naming `what` needs it, if the package of this extra is not installed."""
    if find_spec(package) is None:
        raise UsageError(
            f"{what}: the package {package} is not installed",
            f"Install it where bnstudy is: {package}, or in a checkout .[{extra}] (docs/guide/install.md).",
        )
