"""All that setup makes of the answers and of what was found: files, steps and remarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smtpguard.tools.setup.answers import Answers
from smtpguard.tools.setup.deployed import adapted
from smtpguard.tools.setup.found import Found
from smtpguard.tools.setup.lines import Doors, Lines, lines, site_values
from smtpguard.tools.setup.names import Records, name_lines, name_remarks
from smtpguard.tools.setup.site_file import site_text
from smtpguard.tools.setup.steps import NGINX_FOLDER, POSTFIX_FOLDER, Ground, Step, steps, written

NEXT_STEPS = "NEXT-STEPS.txt"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the settings go: `config` is the whole path of smtpguard.yaml, `folder` its folder."""

    config: str
    folder: str
    name: str
    state_dir: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`files` by their names as seen from the folder of smtpguard.yaml, which is one of them."""

    files: Mapping[str, str]
    steps: tuple[Step, ...]
    remarks: tuple[str, ...]
    clashes: tuple[str, ...]

    @property
    def next_steps(self) -> str:
        """The steps and remarks as a text."""
        return written(self.steps, self.remarks)


def plan(answers: Answers, doors: Doors, found: Found, records: Records, place: Place) -> Plan:
    """Make the plan. It writes nothing, and the same arguments make the same plan."""
    site = site_values(answers, doors, found.postfix, place.folder)
    added = lines(answers, site, found)
    ground = Ground(answers, found, added, site, place.config, name_lines(answers, records))
    all_steps = tuple(steps(ground))
    remarks = (*added.remarks, *name_remarks(answers, records))
    files = {
        place.name: site_text(answers, site, place.config, place.state_dir, doors.page_port),
        **_for_postfix(site, added),
        NEXT_STEPS: written(all_steps, remarks),
    }
    if answers.page is not None:
        files[f"{NGINX_FOLDER}/smtpguard.conf"] = adapted("nginx/smtpguard.conf", site)
    return Plan(files, all_steps, remarks, added.clashes)


def _for_postfix(site: Mapping[str, str], added: Lines) -> dict[str, str]:
    """The tables and lines that Postfix lacks, and the firewall."""
    main = "".join(f"{name} = {value}\n" for name, value in added.main.items())
    firewall = adapted("postfix/smtpguard.nft", site)
    made = {**added.tables, "main.cf": main, "master.cf": added.master, "smtpguard.nft": firewall}
    return {f"{POSTFIX_FOLDER}/{name}": text for name, text in made.items() if text}
