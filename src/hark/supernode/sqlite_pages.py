"""SQLite's file format, as far as a scan for remnants needs it.

Where deleted content could survive in a database file: free pages, the gap between a b-tree
page's list of cells and its cells, and free blocks between cells. With `secure_delete` there
are zeros, or numbers of pages and places in them that have become out of date. What kind a
page is of stands in the pointer maps that `auto_vacuum` keeps.
Source: sqlite.org/fileformat2.html, sections 1.3, 1.5, 1.6 and 1.8.
"""

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from hark.errors import MalformedError

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
FIRST_MAP_PAGE = 2
POINTER_BYTES = 5
"""Of one entry of a pointer map: kind (1), parent page (4)."""
BTREE_KINDS = {1, 5}
"""In a pointer map: root of a b-tree, other page of one."""
INNER_PAGES = {0x02, 0x05}
"""First byte of a b-tree's inner page, whose header has 12 bytes; a leaf's has 8."""
_CONTENT = re.compile(rb"[^\0]{8}")
"""Between cells SQLite leaves numbers of at most four bytes by itself, with zeros around."""


@dataclass(frozen=True, slots=True)
class DatabaseHeader:
    """What the first hundred bytes say."""

    page_bytes: int
    page_count: int
    first_trunk: int
    """First page of the freelist, 0 for none."""
    free_count: int
    """Pages on the freelist."""
    has_maps: bool
    """Whether there are pointer maps."""


class DatabasePages:
    """The pages of a database file; numbers begin with 1.

    Raises:
        MalformedError: this is no SQLite database.
    """

    def __init__(self, path: Path) -> None:
        if path.stat().st_size < HEADER_BYTES:
            raise MalformedError("not an SQLite database")
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._data[:16] != MAGIC:
            self._data.close()
            raise MalformedError("not an SQLite database")
        self.header = self._read_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._data.close()

    def free_page_remnants(self) -> list[str]:
        """Return what is wrong with the freelist: content, or a list that does not add up."""
        findings: list[str] = []
        trunk, seen = self.header.first_trunk, 0
        while trunk and seen <= self.header.free_count:
            words = self._words(trunk, 4)
            leaves = words[2 : 2 + words[1]]
            seen += 1 + len(leaves)
            if any(word > self.header.page_count for word in words[2 + words[1] :]):
                findings.append(f"page {trunk} of the freelist holds content")
            findings += [
                f"free page {leaf} holds content" for leaf in leaves if any(self._page(leaf))
            ]
            trunk = words[0]
        if seen != self.header.free_count:
            findings.append(f"{self.header.free_count} free pages announced, {seen} found")
        return findings

    def gap_remnants(self) -> list[str]:
        """Return which b-tree pages hold something between their list of cells and cells."""
        return [
            f"page {number} holds content between its cells"
            for number in self._btree_pages()
            if self._gap_has_content(number)
        ]

    def _btree_pages(self) -> Iterator[int]:
        yield 1
        if not self.header.has_maps:
            return
        per_map = self.header.page_bytes // POINTER_BYTES
        for map_page in range(FIRST_MAP_PAGE, self.header.page_count + 1, per_map + 1):
            kinds = self._page(map_page)[: per_map * POINTER_BYTES : POINTER_BYTES]
            for place, kind in enumerate(kinds):
                number = map_page + 1 + place
                if kind in BTREE_KINDS and number <= self.header.page_count:
                    yield number

    def _gap_has_content(self, number: int) -> bool:
        page = self._page(number)
        start = HEADER_BYTES if number == 1 else 0
        cell_count = int.from_bytes(page[start + 3 : start + 5], "big")
        content_start = int.from_bytes(page[start + 5 : start + 7], "big") or 65536
        list_start = start + (12 if page[start] in INNER_PAGES else 8)
        gap = page[list_start + 2 * cell_count : content_start]
        # Where the list was longer once, places of cells are left: numbers within the page.
        at = 0
        while 0 < int.from_bytes(gap[at : at + 2], "big") <= self.header.page_bytes:
            at += 2
        return _CONTENT.search(gap, at) is not None

    def _page(self, number: int) -> bytes:
        size = self.header.page_bytes
        return self._data[(number - 1) * size : number * size]

    def _words(self, number: int, width: int) -> list[int]:
        page = self._page(number)
        places = range(0, len(page), width)
        return [int.from_bytes(page[at : at + width], "big") for at in places]

    def _read_header(self) -> DatabaseHeader:
        data = self._data
        page_bytes = int.from_bytes(data[16:18], "big")
        return DatabaseHeader(
            page_bytes=65536 if page_bytes == 1 else page_bytes,
            page_count=int.from_bytes(data[28:32], "big"),
            first_trunk=int.from_bytes(data[32:36], "big"),
            free_count=int.from_bytes(data[36:40], "big"),
            has_maps=any(data[52:56]),
        )
