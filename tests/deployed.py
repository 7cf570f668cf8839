"""The files of deploy/ on another site, by the very code that `smtpguard setup` makes them with."""

from __future__ import annotations

from smtpguard.tools.setup.deployed import DEPLOY, adapted, table, values_in

__all__ = ["DEPLOY", "adapted", "table", "values_in"]
