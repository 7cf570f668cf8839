"""`smtpguard setup` from the first question to the last step, as an admin sees it (golden/)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from smtpguard.config.loading import load
from tests.tools.setup.postfix_folder import GIVEN, MAIN, MASTER, postconf, postfix_in, setup, type_steps
from tests.tools.site import run

# Each asks the real postconf, many times.
pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "golden"

# One line a question; wrong answers are asked again.
TYPED = """\

Riverside Gardeners


lists.example.org example.org
lists.example.org
mailcheck@example.org



relative.key

http://mailcheck.example.org
https://mailcheck.example.org
xx
de en
always
observe

"""


def shown(text: str, folder: Path, postfix: Path) -> str:
    """What stands in a golden file: without this run's folders and this machine's version of Postfix."""
    version = postconf(postfix, "-h", "mail_version").strip()
    return text.replace(str(folder), "/FOLDER").replace(f"Postfix {version} ", "Postfix VERSION ")


def compared(name: str, text: str) -> None:
    assert (GOLDEN / name).read_text("utf-8") == text


def test_questions_answered_by_typing(tmp_path: Path) -> None:
    postfix = postfix_in(tmp_path / "postfix")
    config = tmp_path / "smtpguard" / "smtpguard.yaml"

    said = setup(postfix, config, "--timezone", "Europe/Berlin", typed=TYPED, LC_ALL="de_DE.UTF-8")

    assert (0, "") == (said.exit_code, said.stderr)
    compared("typed.txt", shown(said.stdout, tmp_path, postfix))
    compared("typed.yaml", shown(config.read_text("utf-8"), tmp_path, postfix))
    assert said.stdout.endswith((config.parent / "NEXT-STEPS.txt").read_text("utf-8"))


def test_nobody_is_asked(tmp_path: Path) -> None:
    postfix = postfix_in(tmp_path / "postfix", MAIN + "header_checks = regexp:/etc/postfix/headers\n")
    config = tmp_path / "smtpguard" / "smtpguard.yaml"

    said = setup(postfix, config, *GIVEN, "--place", "filter")

    assert (0, "") == (said.exit_code, said.stderr)
    compared("unasked.txt", shown(said.stdout, tmp_path, postfix))
    compared("unasked.yaml", shown(config.read_text("utf-8"), tmp_path, postfix))


@pytest.mark.parametrize("place", ["front", "filter"])
def test_check_takes_what_was_written_without_a_word_and_the_guard_has_all_it_needs(tmp_path: Path, place: str) -> None:
    config = tmp_path / "smtpguard" / "smtpguard.yaml"
    more = ("--place", place, "--page", "https://mailcheck.example.org", "--languages", "de en fr")

    setup(postfix_in(tmp_path / "postfix"), config, *GIVEN, *more)

    checked = run("check", "--config", config)
    assert (0, "") == (checked.exit_code, checked.stderr)
    assert "0 lists, no error" in checked.stdout
    loaded = load(config)
    assert loaded.problems == ()
    assert loaded.settings is not None
    assert [] == [*loaded.settings.missing_to_serve(), *loaded.settings.missing_to_hold()]
    assert "observe" == loaded.settings.defaults.on_alarm


@pytest.mark.slow
@pytest.mark.parametrize("place", ["front", "filter"])
def test_postfix_takes_the_printed_lines_and_a_second_setup_finds_all_of_them(tmp_path: Path, place: str) -> None:
    postfix = postfix_in(tmp_path / "postfix")
    said = setup(postfix, tmp_path / "one" / "smtpguard.yaml", *GIVEN, "--place", place)
    (postfix / "smtpguard.pem").touch()  # the certificate of step 1

    done = type_steps(said.stdout)

    # postconf reads what it wrote, and has nothing to complain about.
    restrictions = postconf(postfix, "-P", "smtp/inet/smtpd_recipient_restrictions").partition(" = ")[2]
    assert restrictions.startswith(f"check_recipient_access,texthash:{postfix}/smtpguard_closed,")
    assert restrictions.strip().endswith(",reject_unknown_recipient_domain,check_policy_service,unix:private/policy")
    assert "check.example.org, lists.example.org" == postconf(postfix, "-h", "relay_domains").strip()
    again = setup(postfix, tmp_path / "two" / "smtpguard.yaml", *GIVEN, "--place", place)
    assert 0 == again.exit_code
    assert "Postfix has the guard's tables, lines and services already: nothing to do there." in again.stdout
    assert "postconf" not in again.stdout
    assert ["smtpguard.nft"] == [each.name for each in (tmp_path / "two" / "for-postfix").iterdir()]
    assert len(done) > 8


@pytest.mark.slow
def test_ports_are_those_at_which_postfix_has_the_guards_services(tmp_path: Path) -> None:
    postfix = postfix_in(tmp_path / "postfix")
    ports = ("--members-port", "4587", "--outbox-port", "4588", "--answers-port", "4526")
    type_steps(setup(postfix, tmp_path / "one" / "smtpguard.yaml", *GIVEN, *ports).stdout)

    setup(postfix, tmp_path / "two" / "smtpguard.yaml", *GIVEN)

    written = yaml.safe_load((tmp_path / "two" / "smtpguard.yaml").read_text())
    assert "127.0.0.1:4587" == written["upstream"]["server"]
    assert "127.0.0.1:4588" == written["outbox"]["server"]
    assert "127.0.0.1:4526" == written["listeners"][2]["listen"]


def test_a_port_that_something_else_has_is_refused(tmp_path: Path) -> None:
    other = "127.0.0.1:3588 inet n - n - - smtpd\n2526 inet n - n - - smtpd\n"
    postfix = postfix_in(tmp_path / "postfix", master=MASTER + other)
    config = tmp_path / "smtpguard" / "smtpguard.yaml"

    said = setup(postfix, config, *GIVEN)

    assert 2 == said.exit_code
    assert "master.cf has a service 127.0.0.1:3588/inet already, and it is not the guard's." in said.stderr
    assert "master.cf has a service at port 2526, where the guard is to listen." in said.stderr
    assert not config.parent.exists()
    assert 0 == setup(postfix, config, *GIVEN, "--outbox-port", "4588", "--answers-port", "4526").exit_code


def test_an_empty_table_of_recipients_or_logins_is_told_of(tmp_path: Path) -> None:
    lines = [each for each in MAIN.splitlines() if "relay_recipient_maps" not in each and "login_maps" not in each]
    postfix = postfix_in(tmp_path / "postfix", "\n".join(lines) + "\n")

    said = setup(postfix, tmp_path / "smtpguard" / "smtpguard.yaml", *GIVEN)

    assert "so every recipient in lists.example.org passed" in said.stdout
    assert "says which login may write as whom" in said.stdout


def test_the_guards_table_of_senders_is_put_in_front_of_the_others(tmp_path: Path) -> None:
    ours = f"regexp:{tmp_path}/postfix/smtpguard_senders"
    main = MAIN.replace("hash:/etc/postfix/sender_logins", f"hash:/a, {ours}, $more")
    postfix = postfix_in(tmp_path / "postfix", main + "more = hash:/b\n")

    said = setup(postfix, tmp_path / "etc" / "smtpguard.yaml", *GIVEN)

    assert f" -e 'smtpd_sender_login_maps = {ours}, hash:/a, $more'\n" in said.stdout


def test_behind_postscreen_the_smtpd_that_it_passes_to_is_closed(tmp_path: Path) -> None:
    screened = MASTER.replace("smtp      inet  n       -       y       -       -       smtpd",
                              "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd")  # fmt: skip
    said = setup(postfix_in(tmp_path / "postfix", master=screened), tmp_path / "etc" / "smtpguard.yaml", *GIVEN)

    assert " -P smtpd/pass/smtpd_recipient_restrictions=check_recipient_access," in said.stdout
