"""Synthetic records, made as `bnstudy bench report` makes them."""

from bnstudy.bench.synthetic import record, records

__all__ = ["record", "records"]
