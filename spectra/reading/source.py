"""A file to be read: its bytes, its text, its checksum, each taken when first asked for."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from functools import cached_property
from glob import has_magic
from pathlib import Path

from spectra.errors import ReadError
from spectra.verbs import note_input

__all__ = ["Source", "open_source"]

_GZIP = b"\x1f\x8b"
_IN_MEMORY = 64 * 2**20
#: Bytes that a compressed file may hold, and that are unpacked at a time.
_UNPACKED, _BLOCK = 2**28, 2**20

#: Byte-order marks and the encodings they announce.
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

#: Bytes that no text holds: control characters other than tab, line ends, form feed, substitute and escape.
_CONTROL = bytes(set(range(32)) - {9, 10, 11, 12, 13, 26, 27})


class Source:
    """One file; a gzip-compressed one is decompressed where its content is asked for."""

    def __init__(self, path: str | os.PathLike[str], *, encoding: str | None = None) -> None:
        self.name = os.path.expanduser(os.fspath(path))
        self.path = Path(self.name)
        self._encoding = encoding
        try:
            self.size = self.path.stat().st_size
            with self.path.open("rb") as file:
                self._first = file.read(4096)
        except IsADirectoryError:
            raise ReadError(
                f"{self.name} is a folder; name a file in it, or a pattern such as *.xdi."
            ) from None
        except FileNotFoundError:
            several = "; a pattern of several files is for read_series" if has_magic(self.name) else ""
            raise ReadError(f"{self.name} does not exist (looked in {Path.cwd()}){several}.") from None
        except OSError as error:
            raise ReadError(f"{self.name} cannot be opened: {error.strerror}.") from None
        if not self._first:
            raise ReadError(f"{self.name} is empty (0 bytes).")

    @cached_property
    def raw(self) -> bytes:
        """The file as it lies there."""
        return self.path.read_bytes()

    @cached_property
    def sha256(self) -> str:
        """Checksum of the file as it lies there; large files are not taken into memory for it."""
        if self.size <= _IN_MEMORY:
            return hashlib.sha256(self.raw).hexdigest()
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def content(self) -> bytes:
        """Bytes of the file, decompressed where it is gzip."""
        if not self._first.startswith(_GZIP):
            return self.raw
        try:
            with gzip.open(self.path) as file:
                blocks = []
                while block := file.read(_BLOCK):
                    blocks.append(block)
                    if len(blocks) > _UNPACKED // _BLOCK:
                        raise ReadError(
                            f"{self.name} unpacks to more than {_UNPACKED >> 20} MiB; unpack it yourself if it should."
                        )
        except (OSError, EOFError, zlib.error) as error:
            raise ReadError(f"{self.name} is gzip-compressed and damaged ({error}).") from None
        return b"".join(blocks)

    @property
    def head(self) -> bytes:
        """The first 4096 bytes of the content (what sniffers look at; a large file is not read for it)."""
        return self.content[:4096] if self._first.startswith(_GZIP) else self._first

    @property
    def told_encoding(self) -> str | None:
        """The encoding that the user names, if any: for readers that know what their format is written in."""
        return self._encoding

    @cached_property
    def is_text(self) -> bool:
        """Whether the content is text of some encoding."""
        if self._encoding is not None or self._encoding_of_head.startswith("utf-16"):
            return True
        # a large binary file is not read to find out that it is one
        return _is_free_of_controls(self.head) and _is_free_of_controls(self.content)

    @cached_property
    def encoding(self) -> str:
        """Encoding of the text: as told, by its byte-order mark, UTF-8 if it is that, or as its bytes suggest."""
        if self._encoding is not None:
            return self._encoding
        if self._encoding_of_head:
            return self._encoding_of_head
        try:
            self.content.decode("utf-8")
        except UnicodeDecodeError:
            return self._guessed_encoding()
        return "utf-8"

    @cached_property
    def _encoding_of_head(self) -> str:
        """The encoding that the first bytes tell, or an empty text."""
        head = self.head
        for mark, encoding in _MARKS.items():
            if head.startswith(mark):
                return encoding
        if len(head) > 8:  # UTF-16 without a mark: every other byte of western text is zero
            if head[1::2].count(0) > 0.4 * len(head) and 0 not in head[::2]:
                return "utf-16-le"
            if head[::2].count(0) > 0.4 * len(head) and 0 not in head[1::2]:
                return "utf-16-be"
        return ""

    def _guessed_encoding(self) -> str:
        import charset_normalizer

        western = ["cp1252", "latin_1", "mac_roman", "shift_jis", "euc_jp", "gb18030", "cp1251", "cp1250"]
        best = charset_normalizer.from_bytes(self.content[:200_000], cp_isolation=western).best()
        return str(best.encoding) if best is not None else "latin-1"  # latin-1 decodes any bytes

    @cached_property
    def text(self) -> str:
        """Content as text, all line ends as line feeds."""
        try:
            text = self.content.decode(self.encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise ReadError(
                f"{self.name} is not {self.encoding} text ({error}); give another encoding."
            ) from None
        return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_free_of_controls(content: bytes) -> bool:
    return len(content.translate(None, _CONTROL)) == len(content)


def open_source(path: str | os.PathLike[str], *, encoding: str | None = None) -> Source:
    """The file at ``path``, entered into the inputs of the running verb."""
    source = Source(path, encoding=encoding)
    note_input(source.name, source.sha256, source.size)
    return source
