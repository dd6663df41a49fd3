"""Reads workbooks and CSV files beside the documents (JSON) that they were made of, and compares every figure.

read_sheets.py written FOLDER        *.xlsx by openpyxl, *.csv by Python's csv
read_sheets.py forget FOLDER         copies the workbooks into forgotten/, without the cached values of their formulas
read_sheets.py recalculated FOLDER   what LibreOffice made of them in recalculated/
"""

import csv
import datetime
import json
import pathlib
import re
import sys
import unicodedata
import zipfile
from decimal import Decimal

import openpyxl

DECIMALS = {"EUR": 2, "USD": 2, "CHF": 2, "JPY": 0, "KWD": 3}
TOTAL = {"en": "Total", "de": "Summe", "fr": "Total"}
FORMULA = tuple("=+-@＝＋－＠")
UNSEEN = re.compile("[\u200b\u200c\u200e\u200f\u061c\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u00ad\u180e\U000e0000-\U000e0fff]")
FIRST_DAY = datetime.datetime(1900, 3, 1)


def inert(text):
    """A text as a sheet shows it."""
    text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    text = UNSEEN.sub("", text)
    return "".join(c for c in text if ord(c) & 0xFFFF not in (0xFFFE, 0xFFFF))


def sums(value):
    """The amounts in a value, as {currency: decimal}."""
    if value == "nothing":
        return {}
    if "money" in value:
        return {value["money"]["currency"]: major(value["money"])}
    return {one["currency"]: major(one) for one in value.get("sums", [])}


def major(one):
    return Decimal(one["minor"]).scaleb(-DECIMALS[one["currency"]])


def is_kept(amount):
    """True if a spreadsheet keeps every digit, those of the minor unit and zeros at the end among them."""
    return len(amount.as_tuple().digits) <= 15


def same_number(cell, wanted, decimals, what):
    if is_kept(wanted):
        assert isinstance(cell.value, (int, float)), f"{what}: {cell.value!r} is no number"
        assert Decimal(repr(cell.value)) == wanted, f"{what}: {cell.value!r} is not {wanted}"
        shown = re.sub(r"\[[^]]*\]", "", cell.number_format.split(";")[0])
        found = len(re.search(r"0(?:\.(0+))?", shown).group(1) or "")
        assert found == decimals, f"{what}: {shown} has not {decimals} decimals"
    else:
        assert cell.value == f"{wanted:.{decimals}f}", f"{what}: {cell.value!r} is not the text {wanted}"


def same_text(cell, wanted, what):
    wanted = inert(wanted) or None
    assert cell.value == wanted, f"{what}: {cell.value!r} is not {wanted!r}"
    assert wanted is None or cell.data_type in ("s", "inlineStr"), f"{what}: {cell.data_type}"
    assert cell.data_type != "f", what
    if wanted and wanted.lstrip().startswith(FORMULA):
        assert cell.quotePrefix, f"{what}: {wanted!r} becomes a formula once it is edited"


def same_value(cell, value, what):
    if value == "nothing":
        assert cell.value is None, f"{what}: {cell.value!r} is not nothing"
        return
    (kind, said), = value.items()
    if kind == "text":
        same_text(cell, said, what)
    elif kind in ("date", "moment"):
        wanted = datetime.datetime.fromisoformat(said)
        if wanted < FIRST_DAY:
            return same_text(cell, said, what)
        assert cell.is_date and abs(cell.value - wanted) < datetime.timedelta(seconds=1), f"{what}: {cell.value!r}"
        assert ("hh:mm" in cell.number_format) == (kind == "moment"), f"{what}: {cell.number_format}"
    else:
        assert kind == "count", f"{what}: {kind}"
        if len(str(abs(said))) <= 15:
            assert not isinstance(cell.value, str) and Decimal(repr(cell.value)) == said, f"{what}: {cell.value!r} is not {said}"
        else:
            assert cell.value == str(said), f"{what}: {cell.value!r} is not {said}"


def places(section, headings):
    """For each column of the document where it stands: its place, or {currency: place}."""
    found, at = [], 1
    for number, column in enumerate(section["columns"]):
        values = [row["cells"][number]["value"] for row in section["rows"]]
        is_money = column["kind"] == "money" or any(sums(value) for value in values)
        if not is_money:
            assert headings[at] == column["title"], headings
            found.append(at)
            at += 1
        elif any(len(sums(value)) > 1 for value in values):
            places = {}
            while headings[at].startswith(column["title"] + " ") and headings[at][-3:] in DECIMALS:
                places[headings[at][-3:]] = at
                at += 1
            found.append(places)
        else:
            assert headings[at] == column["title"], headings
            found.append(at)
            at += 2
    assert at == len(headings) - 1, headings
    return found


def check_section(document, section, sheet, cached, is_ours):
    rows, name = section["rows"], sheet.title
    assert len(name) <= 31, name
    headings = []
    while sheet.cell(1, len(headings) + 1).value is not None:
        headings.append(sheet.cell(1, len(headings) + 1).value)
    assert len({heading.lower() for heading in headings}) == len(headings), headings
    found = places(section, headings)
    if is_ours:
        assert sheet.freeze_panes == "B2", f"{name}: {sheet.freeze_panes}"
        last = openpyxl.utils.get_column_letter(len(headings))
        assert sheet.print_title_rows == "$1:$1" and sheet.page_setup.orientation == "landscape", name
        tables = [table.ref for table in sheet.tables.values()]
        assert tables == ([f"A1:{last}{len(rows) + 1}"] if rows else []), f"{name}: {tables}"
    for number, row in enumerate(rows):
        line = number + 2
        what = f"{name} row {line}"
        record = sheet.cell(line, 1)
        same_text(record, row["name"], what) if is_ours else None
        if is_ours:
            link = record.hyperlink.target if record.hyperlink else None
            assert link == (row["url"] if inert(row["name"]) else None), f"{what}: {link}"
        notes = sheet.cell(line, len(headings)).value or ""
        for column, cell, place in zip(section["columns"], row["cells"], found):
            value, here = cell["value"], f"{what} {column['title']}"
            amounts = sums(value)
            if isinstance(place, dict):
                assert amounts.keys() <= place.keys(), here
                if is_ours and "text" in value:
                    assert inert(value["text"]) in notes, f"{here}: {value} not in {notes}"
                for currency, at in place.items():
                    if currency in amounts:
                        same_number(sheet.cell(line, at + 1), amounts[currency], DECIMALS[currency], here)
                    else:
                        assert sheet.cell(line, at + 1).value is None, here
            elif amounts:
                (currency, amount), = amounts.items()
                same_number(sheet.cell(line, place + 1), amount, DECIMALS[currency], here)
                assert sheet.cell(line, place + 2).value == currency, here
            elif value != {"sums": []} and is_ours:
                same_value(sheet.cell(line, place + 1), value, here)
            if is_ours:
                assert cell["note"] is None or inert(cell["note"]) in notes, f"{here}: {cell['note']} not in {notes}"
                assert all(map(is_kept, amounts.values())) or "15" in notes, f"{here}: {notes}"
    if section["total"]:
        check_total(document, section, sheet, cached, found)


def check_total(document, section, sheet, cached, found):
    line = len(section["rows"]) + 3
    place = found[section["total"]["column"]]
    assert sheet.cell(line, 1).value == TOTAL[document["locale"]["language"]], sheet.title
    addends = [sums(row["cells"][section["total"]["column"]]["value"]) for row in section["rows"]]
    for number, one in enumerate(section["total"]["sums"]):
        currency, wanted = one["currency"], major(one)
        at = (line, place[currency] + 1) if isinstance(place, dict) else (line + number, place + 1)
        what = f"{sheet.title} total {currency}"
        assert sum((amounts.get(currency, 0) for amounts in addends), Decimal(0)) == wanted, what
        same_number(cached.cell(*at), wanted, DECIMALS[currency], what)
        of_currency = [amounts[currency] for amounts in addends if currency in amounts]
        is_usual = all(map(is_kept, of_currency)) and sum(map(abs, of_currency)) < 10**9
        is_formula = sheet.cell(*at).data_type == "f"
        assert is_formula or not is_usual, f"{what}: {sheet.cell(*at).value} is no formula"
        assert is_kept(wanted) or not is_formula, what


def check_summary(document, sheet):
    assert sheet.cell(1, 1).value == document["title"]
    line = 5
    for headline in document["headlines"]:
        before = headline["before"]
        assert [sheet.cell(line, at).value for at in (1, 2, 5)] == [headline["label"], headline["count"], before["count"]]
        now = sums({"sums": headline["sums"]})
        then = sums({"sums": before["sums"]})
        for offset, currency in enumerate(sorted(now.keys() | then.keys())):
            assert sheet.cell(line + offset, 4).value == currency
            for at, amounts in ((3, now), (6, then)):
                if currency in amounts:
                    same_number(sheet.cell(line + offset, at), amounts[currency], DECIMALS[currency], headline["label"])
        line += max(1, len(now.keys() | then.keys()))
    written = {cell.value for row in sheet.iter_rows() for cell in row}
    assert {inert(note) for note in document["notes"]} - {""} <= written, written


def check_workbook(document, path, is_ours):
    book, cached = openpyxl.load_workbook(path), openpyxl.load_workbook(path, data_only=True)
    check_summary(document, cached.worksheets[0])
    assert len(book.worksheets) == len(document["sections"]) + 1, book.sheetnames
    if is_ours:
        names = [name.lower() for sheet in book.worksheets for name in sheet.tables]
        assert len(set(names)) == len(names), names
        assert (book.properties.creator, book.properties.title) == ("Closing Bell", document["title"])
    for section, sheet, values in zip(document["sections"], book.worksheets[1:], cached.worksheets[1:]):
        check_section(document, section, sheet, values, is_ours)


def check_csv(document, path):
    assert path.read_bytes().startswith(b"\xef\xbb\xbfsection,row,record,url"), path
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file, strict=True))
    for section in document["sections"]:
        for number, row in enumerate(section["rows"], 1):
            amounts = [sums(cell["value"]) for cell in row["cells"]]
            count = max([1, *map(len, amounts)])
            mine, lines = lines[:count], lines[count:]
            for line in mine:
                assert (line["section"], line["row"]) == (section["key"], str(number)), line
                same_guarded(line["record"], row["name"])
            for column, cell, wanted in zip(section["columns"], row["cells"], amounts):
                key, value = column["key"], cell["value"]
                if f"{key}_currency" in mine[0]:
                    found = {line[f"{key}_currency"]: line[key] for line in mine if line[key]}
                    assert {currency: Decimal(text) for currency, text in found.items()} == wanted, (found, wanted)
                    for currency, text in found.items():
                        assert -Decimal(text).as_tuple().exponent == DECIMALS[currency], text
                elif value == "nothing" or ("text" in value and column["kind"] != "text"):
                    assert mine[0][key] == "", mine[0]
                elif "text" in value:
                    same_guarded(mine[0][key], value["text"])
                elif "moment" in value or "date" in value:
                    wanted = value.get("moment") or value["date"]
                    assert mine[0][key] == wanted, (mine[0][key], wanted)
                else:
                    assert mine[0][key] == str(value["count"]), mine[0]
                assert cell["note"] is None or unguarded(inert(cell["note"])) in unguarded(mine[0]["notes"]), mine[0]
    assert not lines, lines


def unguarded(text):
    return text.replace("'", "")


def same_guarded(found, wanted):
    assert not found.lstrip().startswith(FORMULA), found
    assert unguarded(found) == unguarded(inert(wanted)), (found, wanted)


def forget(path, copy):
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as out:
        for name in book.namelist():
            data = book.read(name)
            if name.startswith("xl/worksheets/sheet"):
                data = re.sub(rb"(<f>[^<]*</f>)<v>[^<]*</v>", rb"\1", data)
            out.writestr(name, data)


def main(task, folder):
    folder, compared = pathlib.Path(folder), 0
    (folder / "forgotten").mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        document, book = json.loads(path.read_text()), path.with_suffix(".xlsx")
        for section in document["sections"]:
            for row in section["rows"]:
                for cell in row["cells"]:
                    cell.setdefault("note", None)
        try:
            if task == "forget":
                forget(book, folder / "forgotten" / book.name)
            elif task == "recalculated":
                check_workbook(document, folder / "recalculated" / book.name, is_ours=False)
            else:
                check_workbook(document, book, is_ours=True)
                check_csv(document, path.with_suffix(".csv"))
        except AssertionError as error:
            raise AssertionError(f"{path.stem}: {error}") from error
        compared += 1
    assert compared > 0, f"nothing to compare in {folder}"


main(*sys.argv[1:])
