"""Which file is about which list of the manager, and what the two say differently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smtpguard.config.lists import FOLDER, ListFile
from smtpguard.mail.address import Address
from smtpguard.tools.importing.described import Described, Source


@dataclass(frozen=True, slots=True)
class Pair:
    """A list of the manager with its file. Without one, `rival` is a file that lays claim to its name or address."""

    described: Described
    file: ListFile | None = None
    rival: ListFile | None = None


class Comparison:
    """The lists of `source` beside the list files; of these `domains` only, if there are any, and without `others`."""

    def __init__(
        self,
        source: Source,
        files: tuple[ListFile, ...],
        domains: frozenset[str] = frozenset(),
        others: frozenset[Address] = frozenset(),
    ) -> None:
        self._source = source
        self._files = files
        self._domains = domains or source.domains
        self._by_id = {each.id: each for each in files}
        self._posting = {each.draft.address.folded: each for each in files if each.draft.address is not None}
        self._claimed = {address.folded: file for file in files for address, _ in file.addresses}
        self._theirs = {each.folded for each in (*(one.address for one in source.lists), *source.unread)}
        self._others = {each.folded for each in others}
        self.pairs = tuple(self._pair(each) for each in source.lists if each.address.folded not in self._others)

    def drift(self) -> Iterator[str]:
        """A line for each thing that the manager and the files say differently, files first, by name."""
        lines = [line for pair in self.pairs if pair.file is not None for line in self._differences(pair, pair.file)]
        lines += [self._rivalry(pair, pair.rival) for pair in self.pairs if pair.rival is not None]
        lines += [f"{each.name}: {self._source.name} has no list {each.draft.address}." for each in self._gone()]
        yield from sorted(lines)
        yield from self.unread()
        for address in sorted(pair.described.address.normal for pair in self.pairs if pair.file is pair.rival is None):
            yield f"{address}: {self._source.name} has this list, and no file in {FOLDER}/ is about it."

    def rivalry(self, pair: Pair) -> str:
        """Why a list without a file gets none."""
        assert pair.rival is not None  # noqa: S101 - asked for pairs with a rival only
        return self._rivalry(pair, pair.rival)

    def unread(self) -> list[str]:
        """A line for each list of which the manager's settings say nothing."""
        unread = self._source.unread
        return [f"{address}: {why}" for address, why in unread.items() if address.folded not in self._others]

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all files."""
        return frozenset(self._by_id)

    def id_of(self, address: Address) -> str | None:
        """The id of the file that is about the list at `address`."""
        file = self._posting.get(address.folded)
        return None if file is None else file.id

    def missing_aliases(self, pair: Pair) -> list[Address]:
        """Addresses of the list that its file does not name, and no other file takes for its own list."""
        theirs = (each for each in pair.described.aliases if each.folded not in self._posting)
        if pair.file is None:
            return list(theirs)
        own = {address.folded for address, _ in pair.file.addresses}
        return [each for each in theirs if each.folded not in own]

    def missing_parts(self, pair: Pair) -> list[str]:
        """Ids of lists that the list reaches, and its file does not say so."""
        found = (self.id_of(each) for each in pair.described.includes)
        said = set() if pair.file is None else {self._meant(word) for word in pair.file.draft.includes}
        return [each for each in found if each is not None and each not in said]

    def _meant(self, word: str) -> str | None:
        if word.lower() in self._by_id:
            return word.lower()
        return next((each.id for each in self._files if _has(each, word)), None)

    def _pair(self, described: Described) -> Pair:
        file = self._posting.get(described.address.folded)
        if file is not None:
            return Pair(described, file)
        rival = self._claimed.get(described.address.folded)
        if rival is None:
            named_alike = self._by_id.get(described.address.key[0])
            if named_alike is not None and self._is_its_former_self(named_alike):
                rival = named_alike
        return Pair(described, None, rival)

    def _is_its_former_self(self, file: ListFile) -> bool:
        """True if no list of the manager is at the file's own address: then the list of this name has moved."""
        if file.draft.manager not in (None, self._source.manager.value):
            return False
        return file.draft.address is None or file.draft.address.folded not in self._theirs

    def _gone(self) -> Iterator[ListFile]:
        if not self._source.is_whole:
            return
        rivals = {pair.rival.id for pair in self.pairs if pair.rival is not None}
        for file in self._files:
            address = file.draft.address
            if file.draft.manager != self._source.manager.value or address is None or file.id in rivals:
                continue
            if self._domains and address.domain not in self._domains:
                continue
            if address.folded not in self._theirs | self._others:
                yield file

    def _rivalry(self, pair: Pair, rival: ListFile) -> str:
        address, own = pair.described.address, rival.draft.address
        if own is None:
            return f"{rival.name}: its address cannot be read; {self._source.name} has {address}."
        if own.folded in self._theirs:
            return f"{rival.name}: {address} is an alias here, and a list of its own for {self._source.name}."
        return f"{rival.name}: the address is {own} here, and {address} for {self._source.name}."

    def _differences(self, pair: Pair, file: ListFile) -> Iterator[str]:
        said, name = pair.described, self._source.name
        if file.draft.manager not in (None, self._source.manager.value):
            yield f"{file.name}: the manager is {file.draft.manager} here, but {name} runs {said.address}."
        if aliases := self.missing_aliases(pair):
            yield f"{file.name}: the aliases lack what {name} names: {_listed(map(str, aliases))}."
        if file.settings is not None and said.kind is not None and file.settings.kind != said.kind.value:
            yield f"{file.name}: the kind is {file.settings.kind} here, and {said.kind.value} for {name}."
        if parts := self.missing_parts(pair):
            yield f"{file.name}: includes lacks lists that get its mail by {name}: {_listed(parts)}."


def _has(file: ListFile, word: str) -> bool:
    return any(address.normal == word.lower() for address, _ in file.addresses)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
