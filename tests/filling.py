"""Fill forms, copy cells as people do: in LibreOffice. One start for all."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import python_calamine

SOFFICE = shutil.which("soffice")
_LIBRARY = "http://openoffice.org/2000/library"
_SCRIPT = "http://openoffice.org/2000/script"
_DOCTYPE = '<!DOCTYPE library:{0} PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "{0}.dtd">'
# Lines of orders: open, store and pdf have a file, copy a block and where what lands on the
# clipboard is kept, the others a cell and what goes there.
_MACRO = """
Function Pair(name As String, value) As Object
  Dim p As New com.sun.star.beans.PropertyValue
  p.Name = name : p.Value = value
  Pair = p
End Function

Sub Keep(held, kind, path)
  Dim file, flavor
  flavor = CreateUnoStruct("com.sun.star.datatransfer.DataFlavor")
  For Each flavor In held.getTransferDataFlavors()
    If flavor.MimeType = kind Then
      file = CreateUnoService("com.sun.star.ucb.SimpleFileAccess").openFileWrite(ConvertToURL(path))
      If kind = "text/html" Then
        file.writeBytes(held.getTransferData(flavor))
      Else
        Dim texts
        texts = CreateUnoService("com.sun.star.io.TextOutputStream")
        texts.setOutputStream(file)
        texts.setEncoding("UTF-8")
        texts.writeString(held.getTransferData(flavor))
      End If
      file.closeOutput()
    End If
  Next
End Sub

Sub Main
  Dim files, orders, words, doc, sheet, line As String
  files = CreateUnoService("com.sun.star.ucb.SimpleFileAccess")
  orders = CreateUnoService("com.sun.star.io.TextInputStream")
  orders.setInputStream(files.openFileRead(ConvertToURL(Environ("FILL_ORDERS"))))
  orders.setEncoding("UTF-8")
  Do While Not orders.isEOF()
    line = orders.readLine()
    words = Split(line, Chr(9))
    Select Case words(0)
    Case "open"
      doc = StarDesktop.loadComponentFromURL(ConvertToURL(words(1)), "_blank", 0, Array(Pair("Hidden", True)))
      sheet = doc.Sheets.getByIndex(0)
    Case "unprotect" : sheet.unprotect("")
    Case "number" : sheet.getCellRangeByName(words(1)).setValue(CDbl(Val(words(2))))
    Case "text" : sheet.getCellRangeByName(words(1)).setString(words(2))
    Case "formula" : sheet.getCellRangeByName(words(1)).setFormula(words(2))
    Case "clear" : sheet.getCellRangeByName(words(1)).clearContents(1023)
    Case "merge" : sheet.getCellRangeByName(words(1)).merge(True)
    Case "row" : sheet.Rows.insertByIndex(CInt(words(1)), 1)
    Case "copy"
      doc.CurrentController.select(sheet.getCellRangeByName(words(1)))
      Keep(doc.CurrentController.getTransferable(), "text/plain;charset=utf-16", words(2) & ".txt")
      Keep(doc.CurrentController.getTransferable(), "text/html", words(2) & ".html")
    Case "store"
      doc.calculateAll()
      doc.storeToURL(ConvertToURL(words(1)), Array(Pair("FilterName", "Calc MS Excel 2007 XML")))
      doc.close(True)
    Case "pdf"
      doc.storeToURL(ConvertToURL(words(1)), Array(Pair("FilterName", "calc_pdf_Export")))
    End Select
  Loop
  orders.closeInput()
  StarDesktop.terminate()
End Sub
"""


@dataclass
class Filling:
    """Orders to LibreOffice, carried out together by `run`."""

    orders: list[tuple[str, ...]] = field(default_factory=list)

    def fill(self, form: Path, to: Path, *orders: tuple[str, ...], pdf: Path | None = None) -> None:
        """Open a form, carry out orders, and save it under another name."""
        to.parent.mkdir(parents=True, exist_ok=True)
        self.orders.append(("open", str(form)))
        self.orders += orders
        if pdf:
            self.orders.append(("pdf", str(pdf)))
        self.orders.append(("store", str(to)))

    def run(self, folder: Path) -> None:
        """Start LibreOffice once, with a profile of its own in a folder."""
        assert SOFFICE
        for path, text in _profile():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        orders = folder / "orders.txt"
        lines = ["\t".join(w.replace("\t", " ") for w in words) for words in self.orders]
        orders.write_text("\n".join(lines), encoding="utf-8")
        command = [SOFFICE, "--headless", "--norestore", "--nologo"]
        command += [f"-env:UserInstallation={folder.as_uri()}", "macro:///Forms.Fill.Main()"]
        environment = {**os.environ, "FILL_ORDERS": str(orders)}
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=300)


def _profile() -> Iterator[tuple[str, str]]:
    """Write a library of one macro beside the one that LibreOffice makes for itself."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    xml = f'xmlns:library="{_LIBRARY}" xmlns:xlink="http://www.w3.org/1999/xlink"'
    for kind in ("script", "dialog"):
        libraries = "".join(
            f'<library:library library:name="{name}" xlink:href="$(USER)/basic/{name}/{kind}.xlb/" '
            'xlink:type="simple" library:link="false"/>'
            for name in ("Standard", "Forms")
        )
        text = f"<library:libraries {xml}>{libraries}</library:libraries>"
        yield f"user/basic/{kind}.xlc", head + _DOCTYPE.format("libraries") + text
        for name in ("Standard", "Forms"):
            inside = '<library:element library:name="Fill"/>' * (name + kind == "Formsscript")
            flags = 'library:readonly="false" library:passwordprotected="false"'
            text = (
                f'<library:library {xml} library:name="{name}" {flags}>{inside}</library:library>'
            )
            yield f"user/basic/{name}/{kind}.xlb", head + _DOCTYPE.format("library") + text
    # Without this the first start puts empty libraries in the place of these.
    text = (
        '<oor:items xmlns:oor="http://openoffice.org/2001/registry">'
        '<item oor:path="/org.openoffice.Setup/Office"><prop oor:name="ooSetupInstCompleted" '
        'oor:op="fuse"><value>true</value></prop></item></oor:items>'
    )
    yield "user/registrymodifications.xcu", head + text
    text = (
        f'<script:module xmlns:script="{_SCRIPT}" script:name="Fill" script:language="StarBasic">'
    )
    text += escape(_MACRO) + "</script:module>"
    yield "user/basic/Forms/Fill.xba", head + _DOCTYPE.format("module") + text


def places(form: Path) -> dict[str, str]:
    """Say in which cell of a form every row begins: its key, and the number of its row."""
    rows = python_calamine.CalamineWorkbook.from_path(form).get_sheet_by_index(0)
    return {str(row[0]): str(n) for n, row in enumerate(rows.to_python(skip_empty_area=False), 1)}


def cell(form: Path, key: str, column: str) -> str:
    """Name a cell of a form by its row's key."""
    return column + places(form)[key]
