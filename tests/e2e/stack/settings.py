"""Postfix's two files made of several: the shipped ones of deploy/postfix, and the site's own around them."""

from __future__ import annotations

import re


def merged(*texts: str) -> str:
    """One main.cf of several. What stands in more than one gets all values, in order, as the shipped files say."""
    values: dict[str, list[str]] = {}
    for text in texts:
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                name, _, value = line.partition("=")
                values.setdefault(name.strip(), []).append(value.strip())
    return "".join(f"{name} = {', '.join(filter(None, each))}\n" for name, each in values.items())


def services(text: str) -> dict[str, str]:
    """The services of a master.cf by what they begin with, like "127.0.0.1:3588" or "smtp"; without comments."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    found = re.split(r"\n(?=\S)", "\n".join(lines))
    return {each.split(maxsplit=1)[0]: f"{each}\n" for each in found}


def at(service: str, place: str) -> str:
    """The same service at another place."""
    return f"{place} {service.split(maxsplit=1)[1]}"


def also(service: str, *options: str) -> str:
    """The same service with these options besides."""
    return service + "".join(f"  -o {option}\n" for option in options)


def without(service: str, *options: str) -> str:
    """The same service without these options. Raises LookupError if it has not got them."""
    for option in options:
        if f"  -o {option}\n" not in service:
            raise LookupError(f"no option {option!r} to leave out of\n{service}")
        service = service.replace(f"  -o {option}\n", "")
    return service
