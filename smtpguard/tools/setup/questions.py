"""The questions, and what can be proposed for each of them by what was found and what was answered before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from smtpguard.config.places import is_domain
from smtpguard.config.texts import shipped
from smtpguard.tools.setup import readers
from smtpguard.tools.setup.answers import Answers, Said
from smtpguard.tools.setup.found import Found, Postfix
from smtpguard.tools.setup.readers import NONE, PATH, Reader


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `read` makes the answer of a text, or raises ValueError with a sentence; `propose` gives the text
    that stands for an empty answer, or None; `applies` is false where it need not be asked.
    """

    name: str
    text: str
    read: Reader
    propose: Callable[[Found, Said], str | None]
    applies: Callable[[Said], bool] = lambda said: True
    help: str = ""

    @property
    def option(self) -> str:
        """How it is answered on the command line."""
        return f"--{self.name.replace('_', '-')}"


def _proposed_server(found: Found, said: Said) -> str | None:
    name = found.postfix.meant.get("myhostname", "") if found.postfix else ""
    return name.lower() if "." in name else None


def _proposed_domain(found: Found, said: Said) -> str | None:
    """The one domain in which Postfix has mailboxes, or the one above the mail server's name."""
    if found.postfix is None:
        above = said["server"].partition(".")[2]
        return above if "." in above else None
    usual = found.postfix.meant.get("mydomain", "").lower()
    local = [*_domains_of(found.postfix, "virtual_mailbox_domains"), *_domains_of(found.postfix, "mydestination")]
    own = [each for each in local if each != said["server"] and not each.startswith("localhost")]
    if usual in own or not own:
        return usual if "." in usual and not usual.endswith("localdomain") else None
    return own[0]


def _domains_of(postfix: Postfix, name: str) -> list[str]:
    """The plain domains of a parameter; tables are not looked into."""
    return [each.lower() for each in postfix.words(name) if "." in each and ":" not in each and is_domain(each.lower())]


def _proposed_lists(found: Found, said: Said) -> str | None:
    """What the list managers say; else Postfix's relay domains, in which other servers' mailboxes may live, too."""
    known = list(dict.fromkeys(each for one in found.list_servers for each in one.domains))
    if not known and found.postfix is not None:
        known = [each for each in _domains_of(found.postfix, "relay_domains") if each.startswith("list")]
    own = [each for each in known if each != said["domain"]]
    return " ".join(own) if own else NONE if known else None


def _proposed_certificate(found: Found, said: Said) -> str:
    postfix = found.postfix
    chain = postfix.words("smtpd_tls_chain_files") if postfix else ()
    name = postfix.meant.get("smtpd_tls_cert_file", "") if postfix and not chain else ""
    if chain:
        # Where nothing can be read, the first one: most keep a certificate together with its key.
        name = postfix.pair[0] if postfix and postfix.pair else chain[0]
    return name if PATH.fullmatch(name) else "/etc/smtpguard/tls/fullchain.pem"


def _proposed_key(found: Found, said: Said) -> str:
    postfix = found.postfix
    chain = postfix.words("smtpd_tls_chain_files") if postfix else ()
    name = postfix.meant.get("smtpd_tls_key_file", "") if postfix and not chain else ""
    # Of the very certificate that Postfix has: with another one it would be no pair.
    if postfix and PATH.fullmatch(name) and said["certificate"] == postfix.meant.get("smtpd_tls_cert_file"):
        return name
    if postfix and postfix.pair and said["certificate"] == postfix.pair[0] and PATH.fullmatch(postfix.pair[1]):
        return postfix.pair[1]
    # A chain file has the key in front of the certificate (postconf(5)).
    return said["certificate"] if said["certificate"] in chain else "/etc/smtpguard/tls/key.pem"


def _proposed_language(found: Found, said: Said) -> str:
    return found.language if found.language in shipped().codes else shipped().codes[0]


def _is_front(said: Said) -> bool:
    return bool(said["place"] == "front")


QUESTIONS: tuple[Question, ...] = (
    Question(
        "place",
        "Where shall the guard stand?\n"
        "  front: members' mail programs reach the guard, and it hands their mail on to Postfix (recommended)\n"
        "  filter: Postfix takes the mail and shows it to the guard, as for webmail on the same machine",
        readers.one_of("front", "filter"),
        lambda found, said: "front",
        help="Where the guard stands: front (of Postfix, recommended) or filter (Postfix in front).",
    ),
    Question(
        "organisation",
        "The organisation's name, as it shall stand in mails to members",
        readers.line,
        lambda found, said: None,
        help="Its name, as it stands in mails to members.",
    ),
    Question(
        "server",
        "The mail server's full name",
        readers.server,
        _proposed_server,
        help="The mail server's full name (Postfix: myhostname).",
    ),
    Question(
        "domain",
        "The domain in which members have their mailboxes",
        readers.members_domain,
        _proposed_domain,
        help="The domain in which members have their mailboxes.",
    ),
    Question(
        "list_domains",
        f'The domains in which the lists live (several with blanks between; "{NONE}" if they have none)',
        readers.list_domains,
        _proposed_lists,
        help=f'The domains in which lists live, in quotes if there are several; "{NONE}" if they have none.',
    ),
    Question(
        "address",
        "The guard's own address, in a domain of its own: notices come from it, and answers go to it",
        readers.guard_address,
        lambda found, said: f"mailcheck@check.{said['domain']}",
        help="The guard's own address, in a domain of its own.",
    ),
    Question(
        "contact",
        "A person's address, for mail to postmaster@ and abuse@ of that domain and for broken settings",
        readers.contact,
        lambda found, said: f"postmaster@{said['domain']}",
        help="A person: gets mail to postmaster@ and abuse@ of the guard domain.",
    ),
    Question(
        "certificate",
        "The certificate, with its chain (PEM), that members' mail programs will see",
        readers.path,
        _proposed_certificate,
        applies=_is_front,
        help="In front: the certificate, with its chain, that members' mail programs see.",
    ),
    Question(
        "key",
        "Its key (PEM)",
        readers.path,
        _proposed_key,
        applies=_is_front,
        help="In front: the key of that certificate.",
    ),
    Question(
        "page",
        f'The web address of a page on which members can answer, like https://mailcheck.example.org ("{NONE}": by mail '
        "alone)",
        readers.page,
        lambda found, said: NONE,
        help=f'The web address of the page on which members can answer; "{NONE}": by mail alone.',
    ),
    Question(
        "languages",
        f"The languages of its mails, the usual one first (there are {', '.join(shipped().codes)})",
        readers.languages,
        _proposed_language,
        help="The languages of notices, the usual one first, in quotes if there are several.",
    ),
    Question(
        "timezone",
        "The time zone of deadlines",
        readers.zone,
        lambda found, said: found.timezone or "UTC",
        help="The time zone of deadlines in notices, like Europe/Berlin.",
    ),
    Question(
        "on_alarm",
        "What shall happen to mail that raises an alarm?\n"
        "  observe: it is sent, and only counted: two weeks of that show what would be asked (recommended to begin)\n"
        "  hold: its sender is asked\n"
        "  refuse: it is sent back at once",
        readers.one_of("observe", "hold", "refuse"),
        lambda found, said: "observe",
        help="What happens to mail that raises an alarm: observe (recommended for two weeks), hold or refuse.",
    ),
)


def answers_of(said: Said) -> Answers:
    """All answers as one value; what was not asked is None."""
    values: Said = {each.name: said.get(each.name) for each in QUESTIONS}
    return Answers(**values)


def in_order(said: Said) -> Iterator[Question]:
    """The questions, one after the other; each is asked once those before it are answered in `said`."""
    for each in QUESTIONS:
        if each.applies(said):
            yield each
