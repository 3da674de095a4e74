"""Files that are recognised and not read: each is refused by its name, with what to do instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spectra.reading.source import Source

__all__ = ["Foreign", "recognise"]


@dataclass(frozen=True)
class Foreign:
    """A kind of file without a reader here: how it begins, what it is, what to do."""

    pattern: re.Pattern[bytes]
    what: str
    remedy: str


def _foreign(pattern: bytes, what: str, remedy: str) -> Foreign:
    return Foreign(re.compile(pattern, re.DOTALL), what, remedy)


_FOREIGN = (
    _foreign(rb"\s*SSRL\s.{0,40}EXAFS Data Collector.*\x00", "a binary file of the SSRL EXAFS Data Collector",
             "export it as ASCII at the beamline or with its conversion program"),
    _foreign(rb"(\x05\x00|\x02\x00|\x00\x05|\x00\x02)", "a damaged Igor binary wave", "save the wave again"),
    _foreign(rb"....\n\x00\x00\x00[ -~]{60,}\s*\x00", "a binary scan of NSLS beamline X15B",
             "convert it to columns with the beamline's program"),
    _foreign(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel 97 workbook or another OLE document", "save it as .xlsx"),
    _foreign(rb"#WXD", "a template or an old measurement of Renishaw WiRE (.wxd)",
             "open it in WiRE and save it as .wdf, or export it as text"),
    _foreign(rb"LabSpec[56]", "a binary file of Horiba LabSpec (.l5s, .l6s)", "export it in LabSpec as text or XML"),
    _foreign(rb"PK\x03\x04", "a zip archive", "unpack it and read the files in it"),
    _foreign(rb"%PDF", "a PDF document", "read the data file instead"),
    _foreign(rb"\x93NUMPY", "a NumPy array", "load it with numpy and hand it to spectra.from_arrays"),
    _foreign(rb"\s*(<\?xml|<!DOCTYPE|<[a-z]+[ >])", "an XML document", "export the spectra as text, VAMAS or NeXus"),
    _foreign(rb"\s*(\{\s*\"|\[\s*[\[{])", "a JSON document",
             "only Athena and KherveFitting projects are read from JSON"),
    _foreign(rb"EC-Lab ASCII FILE", "an EC-Lab electrochemistry table",
             "it holds no spectra: join it to a series by wall-clock time"),
    _foreign(rb"(.*\n)?[^\n]*Feff\s.*Rmt=", "a FEFF path file", "it is theory for a fit of paths, not a spectrum"),
    _foreign(rb".*\n\s*TITLE.*\n\s*(HOLE|EDGE|POTENTIALS)", "an input file of FEFF", "it holds no spectrum"),
)  # fmt: skip


def recognise(source: Source) -> Foreign | None:
    """The known kind of file without a reader that ``source`` is, if any."""
    return next((kind for kind in _FOREIGN if kind.pattern.match(source.head)), None)
