"""The certificates of the guard's own doors, and the other files that the settings name."""

from __future__ import annotations

from cryptography import x509

from smtpguard.config.certificate_files import CERTIFICATE_OCTETS_MAX
from smtpguard.config.named_files import file_troubles
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.tools.doctor.premises import DAYS_WARNING, Premises, days_left, names_in
from smtpguard.tools.doctor.sheet import Sheet, words


async def examine_files(premises: Premises, sheet: Sheet) -> None:
    """What `check` says of certificates, keys and passwords; and how long the listeners' certificate is still good."""
    settings = premises.settings
    troubles = list(file_troubles(settings, premises.now))
    for each in troubles:
        if each.is_fatal:
            sheet.problem(str(each))
        else:
            sheet.warning(str(each))
    if settings.tls is None or all(each.tls == "none" for each in settings.listeners):
        sheet.skipped("no listener has TLS")
        return
    path = settings.tls.certificate
    if any(each.path == path for each in troubles):
        return
    try:
        certificate = x509.load_pem_x509_certificates(regular_octets(path, CERTIFICATE_OCTETS_MAX))[0]
    except (FileError, ValueError):
        return  # said above
    days, names = days_left(certificate, premises.now), names_in(certificate)
    text = f"{path}: for {words(', '.join(names)) or 'no name at all'}, good for {days} days"
    if not names:
        sheet.problem(f"{text}: mail programs find names in subjectAltName alone (RFC 9525, 6.3)")
    elif days < DAYS_WARNING:
        sheet.warning(text)
    else:
        sheet.ok(f"{text}; members' programs must connect to one of these names")
