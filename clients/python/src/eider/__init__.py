"""Client of Eider: durable appends, merges and deletes by key, scans. See `connect` and `Table`."""

from importlib.metadata import version

from .client import Client, connect
from .errors import EiderError
from .rows import Rows
from .table import Table, Written

__version__ = version("eider-client")
__all__ = ["Client", "EiderError", "Rows", "Table", "Written", "connect"]
