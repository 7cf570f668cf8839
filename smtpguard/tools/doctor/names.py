"""The DNS: where mail for our domains goes, and what the guard domain says about who may write in its name (T-31)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from smtpguard.tools.doctor.premises import Premises, is_public_name
from smtpguard.tools.doctor.sheet import Sheet, words
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.resolution import Found

# Of a site with many list domains, so many are looked up: each is a few questions.
DOMAINS_MAX = 50
# Two labels at least: nothing above them is an organisation's.
_ORGANISATION_LABELS = 2


async def examine_names(premises: Premises, sheet: Sheet) -> None:
    """The guard domain, the mail server's domain and the list domains. A failing DNS is said once for each."""
    settings = premises.settings
    guard = settings.guard_domain
    if guard is None:
        sheet.skipped('"address" is not in the settings')
    elif not is_public_name(guard):
        sheet.skipped(f"{guard} is no name of the public DNS")
    else:
        await _each(
            sheet, (_route(premises, sheet, guard), _spf(premises, sheet, guard), _dmarc(premises, sheet, guard))
        )
        sheet.skipped(
            f"DKIM of {guard}: the selector is the mail server's; the Authentication-Results of a notice that has "
            "arrived elsewhere must say dkim=pass"
        )
    domain = settings.upstream.domain if settings.upstream is not None else None
    if domain is not None:
        await _each(sheet, (_services(premises, sheet, domain),))
    lists = [each for each in settings.list_domains if each != guard]
    public = [each for each in lists if is_public_name(each)]
    await _each(sheet, [_route(premises, sheet, each) for each in public[:DOMAINS_MAX]])
    if len(public) > DOMAINS_MAX:
        sheet.skipped(f"{len(public) - DOMAINS_MAX} more list domains were not looked up")
    if len(public) < len(lists):
        private = [each for each in lists if each not in public]
        sheet.skipped(f"{words(', '.join(private))}: no names of the public DNS")


async def _each(sheet: Sheet, checks: Sequence[object]) -> None:
    """All at once: a name server that does not answer is waited for once."""
    for found in await asyncio.gather(*checks, return_exceptions=True):  # type: ignore[call-overload]
        if isinstance(found, UpstreamError):
            sheet.warning(words(str(found)))
        elif isinstance(found, BaseException):
            raise found


async def _route(premises: Premises, sheet: Sheet, domain: str) -> None:
    """Raises UpstreamError, as all of these."""
    found = await premises.resolver.look_up(domain, "MX")
    if found.records is not None:
        hosts = [str(getattr(each, "exchange", "")).rstrip(".") or '"."' for each in found.records]
        sheet.ok(f"{domain}: mail for it goes to {words(', '.join(sorted(hosts)))} (MX)")
        return
    answers = await asyncio.gather(*(premises.resolver.look_up(domain, each) for each in ("A", "AAAA")))
    if any(each.records is not None for each in answers):
        sheet.ok(f"{domain}: mail for it goes to its own address (no MX)")
    else:
        sheet.warning(
            f"{domain}: has neither MX nor address, so its mail is refused by servers that look (RFC 5321, 5.1)"
        )


async def _spf(premises: Premises, sheet: Sheet, domain: str) -> None:
    texts = _texts(await premises.resolver.look_up(domain, "TXT"))
    policies = [each for each in texts if each.lower().split(" ")[0] == "v=spf1"]
    if len(policies) != 1:
        how = "no SPF policy" if not policies else f"{len(policies)} SPF policies, which count as none (RFC 7208, 4.5)"
        sheet.warning(f"{domain}: has {how}: false notices in its name are not stopped by others")
    elif _lets_everybody(policies[0].lower().split()):
        sheet.warning(f"{domain}: its SPF policy lets everybody write in its name: {words(policies[0])}")
    else:
        sheet.ok(f"{domain}: {words(policies[0])}")


def _lets_everybody(terms: Sequence[str]) -> bool:
    """True if the terms of an SPF policy stop nobody. The first `all` ends it, whatever stands behind (RFC 7208, 5.1);
    without one, and without redirect, nothing is said of the others (4.7)."""
    final = next((each for each in terms if each.lstrip("+-~?") == "all"), None)
    if final is None:
        return not any(each.startswith("redirect=") for each in terms)
    return final in ("+all", "all", "?all")


async def _dmarc(premises: Premises, sheet: Sheet, domain: str) -> None:
    """RFC 7489, 6.6.3: the domain's own policy, else that of the organisation above it."""
    labels = domain.split(".")
    for start in range(len(labels) - _ORGANISATION_LABELS + 1):
        above = ".".join(labels[start:])
        texts = _texts(await premises.resolver.look_up(f"_dmarc.{above}", "TXT"))
        policies = [each for each in texts if each.lower().replace(" ", "").startswith("v=dmarc1")]
        if not policies:
            continue
        if len(policies) > 1:
            how = f"{len(policies)} DMARC policies, which count as none (RFC 7489, 6.6.3)"
            sheet.warning(f"{domain}: has {how}: false notices in its name are not stopped by others")
            return
        tags = dict(each.strip().partition("=")[::2] for each in policies[0].split(";"))
        found = {name.strip().lower(): value.strip().lower() for name, value in tags.items()}
        asked = found.get("p", "none") if start == 0 else found.get("sp", found.get("p", "none"))
        if asked == "reject":
            sheet.ok(f"{domain}: DMARC says reject ({above})")
        else:
            sheet.warning(f'{domain}: DMARC says "{words(asked)}" ({above}); with "reject" others stop false notices')
        return
    sheet.warning(f"{domain}: has no DMARC policy: false notices in its name are not stopped by others")


async def _services(premises: Premises, sheet: Sheet, domain: str) -> None:
    names = ("_submissions", "_submission")
    found = await asyncio.gather(*(premises.resolver.look_up(f"{each}._tcp.{domain}", "SRV") for each in names))
    for name, each in zip(names, found, strict=True):
        if each.records is not None:
            places = ", ".join(f"{getattr(one, 'target', '')}:{getattr(one, 'port', '')}" for one in each.records)
            sheet.ok(f"{name}._tcp.{domain}: {words(places)}{' (validated)' if each.secure else ''}")
    if all(each.records is None for each in found):
        sheet.warning(f"{domain}: names no submission service (SRV), so its MX hosts are used, on port 25")


def _texts(found: Found) -> list[str]:
    """TXT records, the pieces of each put together (RFC 7208, 3.3)."""
    if found.records is None:
        return []
    return [b"".join(getattr(each, "strings", ())).decode("utf-8", "replace") for each in found.records]
