"""Leaderboards of any number of sweeps: a terminal's table, files and a page. Needs neither Ray nor torch."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from rac_ray.counted import counted
from rac_ray.errors import DONE
from rac_ray.results import formats
from rac_ray.results.board import Board, boards_of, without_board
from rac_ray.results.board_tables import board_table, pair_table
from rac_ray.results.board_words import (
    TITLE,
    answer,
    heading,
    shown_table,
    sweep_lines,
    sweeps_table,
    without_place,
)
from rac_ray.results.entered import Entered, StudyOf, apart, enter
from rac_ray.results.missing import counts_of, in_words
from rac_ray.results.names import UNNAMED, domain_name
from rac_ray.results.on_terminal import fitted, near, wrapped
from rac_ray.results.page_tables import with_names
from rac_ray.results.report import write_page
from rac_ray.results.sections import Section, value_of
from rac_ray.results.sheet import Sheet, rounded
from rac_ray.store.storage import Storage

PAGE, NAME, TABLES = "leaderboard.html", "leaderboard", "tables"
SCRIPTS = ("elements.js", "tables.js", "overview.js", "board.js")


@dataclass(frozen=True)
class Leaderboard:
    """Boards of sweeps, which were written to a folder."""

    sweeps: Sequence[Entered]
    boards: Sequence[Board]
    again: Mapping[str, int]
    """How many trials of a sweep are in one that was named before it."""
    folder: str
    code: int = DONE

    @cached_property
    def tables(self) -> list[pd.DataFrame]:
        """A ``board_table`` each."""
        return [board_table(board, number) for number, board in enumerate(self.boards, 1)]

    @cached_property
    def pairs(self) -> list[pd.DataFrame]:
        return [pair_table(board, number) for number, board in enumerate(self.boards, 1)]

    @property
    def numbers(self) -> dict[str, int]:
        """Numbers of sweeps by name."""
        return {sweep.name: number for number, sweep in enumerate(self.sweeps, 1)}

    @cached_property
    def shown(self) -> list[pd.DataFrame]:
        return [shown_table(table, self.numbers) for table in self.tables]

    @cached_property
    def stands_on(self) -> pd.DataFrame:
        return sweeps_table(self.tables, self.numbers)

    @property
    def answers(self) -> list[str]:
        """A sentence of each board, and of what is not compared."""
        several = len(self.boards) > 1
        said = [answer(table, self.numbers, number, several) for number, table in enumerate(self.tables, 1)]
        return [*(f"{each[0].upper()}{each[1:]}" for each in said), *self.notes]

    @property
    def notes(self) -> list[str]:
        """Which boards cannot be compared, which trials are on none, and which count elsewhere."""
        first = self.boards[0]
        domains = first.rows[0].sweep.study.domains
        said = [
            f"Board {number} stands apart from board 1, since its trials cannot be compared with those: "
            f"{apart(board.ground, first.ground, lambda key: domain_name(domains, key))}."
            for number, board in enumerate(self.boards[1:], 2)
        ]
        for sweep in self.sweeps:
            if count := len(trials := without_board(self.boards, sweep)):
                told = in_words(counts_of(trials), count)
                said.append(f"On no board, since no trial on the same clips counts: of {sweep.name} {told}.")
        return said + [
            f"{counted(count, 'trial')} of {name} {'is' if count == 1 else 'are'} in a sweep that was named before it, "
            "and counted there."
            for name, count in self.again.items()
        ]

    @property
    def sheets(self) -> list[Sheet]:
        """Rows and comparisons of all boards."""
        rows, pairs = (pd.concat(each, ignore_index=True) for each in (self.tables, self.pairs))
        shown = pd.concat([each.assign(board=str(number)) for number, each in enumerate(self.shown, 1)])
        shown.insert(0, "board", shown.pop("board"))
        stands = "; ".join(sweep_lines(self.stands_on))
        compared = "Each two models that could have a place: target top-1 of the first less the second, at matched "
        return [
            Sheet(NAME, f"Leaderboard: {TITLE}. {stands}", rows, shown.fillna("-")),
            Sheet(f"{NAME}-pairs", f"{compared}source top-1. {stands}", pairs, rounded(pairs)),
        ]

    def value(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        boards = [
            {
                "board": number,
                **board.ground._asdict(),
                "asked": [each._asdict() for each in board.ground.asked],
                "rows": formats.plain_rows(table),
                "pairs": formats.plain_rows(pairs),
            }
            for number, (board, table, pairs) in enumerate(zip(self.boards, self.tables, self.pairs, strict=True), 1)
        ]
        return {"answer": self.answers, "boards": boards, "folder": self.folder, "page": f"{self.folder}/{PAGE}"}

    def lines(self) -> list[str]:
        """For people, board by board."""
        lines: list[str] = []
        for number, (board, table, shown) in enumerate(zip(self.boards, self.tables, self.shown, strict=True), 1):
            of = f"Board {number}: " if len(self.boards) > 1 else ""
            explained = f"; {TITLE}" * (number == 1)
            lines += ["", *wrapped(f"{of}{heading(board)}{explained}"), *fitted(shown)]
            lines += [line for said in without_place(table, self.numbers) for line in wrapped(said)]
        lines += ["", *(line for said in sweep_lines(self.stands_on) for line in wrapped(said))]
        lines += [line for said in self.answers for line in wrapped(said)]
        return [*lines, f"files: {near(self.folder)}", f"open {near(f'{self.folder}/{PAGE}')}"]


def write_leaderboard(sources: Sequence[str], folder: Storage, study_of: StudyOf) -> Leaderboard:
    """Boards of the sweeps in these folders and capsules, written to ``folder``.

    ``study_of`` tells of which study records are. Raises BadInput as ``entered.enter`` does.
    """
    folder.require_folder()
    sweeps = enter(sources, study_of)
    found = Leaderboard(sweeps, *boards_of(sweeps), folder.root)
    tables = folder.below(TABLES)
    for sheet in found.sheets:
        formats.write(tables, sheet.name, sheet.long, sheet.shown, sheet.title)
        sink = io.BytesIO()
        sheet.long.to_parquet(sink, index=False)
        tables.write_bytes(f"{sheet.name}.parquet", sink.getvalue())
    folder.write_json(f"{NAME}.json", found.value())
    write_page(folder, PAGE, "Leaderboard", _page(found), SCRIPTS)
    return found


def _page(found: Leaderboard) -> dict[str, Any]:
    """What the page shows: a section for each board, its comparisons, the sweeps."""
    several = len(found.boards) > 1
    sections = []
    for number, (board, table, shown, pairs) in enumerate(
        zip(found.boards, found.tables, found.shown, found.pairs, strict=True), 1
    ):
        of = f"Board {number}: " if several else ""
        further = rounded(table.drop(columns=["board", "model", "recipe", "variant", "lead", "low", "high", "sweep"]))
        more = with_names(further, UNNAMED)
        said = [*([TITLE] if number == 1 else []), *without_place(table, found.numbers)]
        note = " ".join(f"{each[0].upper()}{each[1:]}." for each in said)
        sections.append(Section(f"{of}{heading(board)}", note, shown, more=more, files=_files(NAME), group="main"))
        if len(pairs):
            named = with_names(rounded(pairs.drop(columns=["board", "source"])), UNNAMED)
            about = "Target top-1 of the first less the second, at matched source top-1; p by Holm over these pairs."
            sections.append(Section(f"{of}Who was compared with whom", about, named, files=_files(f"{NAME}-pairs")))
    sections.append(Section("Sweeps", "What the rows come from.", found.stands_on, group="tables"))
    return {"answer": found.answers, "sections": [value_of(each) for each in sections]}


def _files(name: str) -> tuple[str, ...]:
    return tuple(f"{TABLES}/{name}.{suffix}" for suffix in ("csv", "parquet", "md", "tex"))
