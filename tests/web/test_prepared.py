"""Nobody waits for templates: what the guard says is ready before the first connection."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import jinja2
import pytest

from smtpguard.app import load_for_workers
from smtpguard.config.in_force import InForce, Standing
from smtpguard.keeper import Charge
from smtpguard.notices import layouts, sentences
from smtpguard.reload import Reload
from smtpguard.rules_page import pages
from smtpguard.web import rendering
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, write_config
from tests.web.site import hold, other_code, paged

pytestmark = pytest.mark.slow


async def test_after_the_start_no_template_is_left_to_be_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in (layouts._environment, pages._environment, rendering._environment, sentences.compiled):
        made.cache_clear()
    compiled: list[bool] = []  # for each template whether that was on the event loop
    compile_one = jinja2.Environment.compile

    def counted(environment: jinja2.Environment, *arguments: Any, **options: Any) -> Any:
        compiled.append(threading.current_thread() is threading.main_thread())
        return compile_one(environment, *arguments, **options)

    monkeypatch.setattr(jinja2.Environment, "compile", counted)
    async with paged(tmp_path, languages=["en", "de"]) as (house, site):
        assert len(compiled) > 200
        assert not any(compiled)
        compiled.clear()

        code = await hold(house)
        for language in ("en", "de"):
            for path in ("/", "/rules.txt", "/h", "/nothing"):
                await site.get(path, Accept_Language=language)
            await site.show(other_code(), Accept_Language=language)
        view = await site.show(code)
        await site.type(view, "NO")
        await site.press(await site.show(code), "DISCARD")
        await site.show(code)
        await house.letter(2)
        await house.submit("anna", [BERLIN, ALL], subject="Another")
        await house.answer("anna", await house.letter(3), "WHAT")

        assert [] == compiled


async def test_what_workers_share_is_compiled_before_they_are_forked(tmp_path: Path) -> None:
    async with FakeUpstream() as up, FakeUpstream() as out:
        in_force = InForce(write_config(tmp_path, up, out, workers=2, languages=["en", "de"]))
    standing = in_force.start()
    for made in (layouts._environment, sentences.compiled):
        made.cache_clear()

    load_for_workers(Charge(standing.settings, standing.policy, standing.directory, in_force, standing, standing.texts))

    before = sentences.compiled.cache_info().misses
    standing.texts.prepare(["en", "de"])
    assert before > 100
    assert before == sentences.compiled.cache_info().misses


async def test_new_texts_of_a_site_are_compiled_before_they_are_in_force(tmp_path: Path) -> None:
    async with FakeUpstream() as up, FakeUpstream() as out:
        in_force = InForce(write_config(tmp_path, up, out))
    late: list[int] = []

    def take(standing: Standing) -> None:
        before = sentences.compiled.cache_info().misses
        assert "Quite another title" == standing.texts.of("en").text("page.enter_title")
        standing.texts.prepare(["en"])
        late.append(sentences.compiled.cache_info().misses - before)

    reload = Reload(in_force, in_force.start(), take, None)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.yaml").write_text("page: {enter_title: Quite another title}\n")
    await reload.now()

    assert [0] == late
