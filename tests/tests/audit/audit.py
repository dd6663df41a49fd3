"""Works out every figure of every report anew, from nothing but what was written into the account, and compares it with what
was sent: the CSV file, the workbook as openpyxl reads it, and the figures in the text of the mail.

audit.py FOLDER    reads truth.jsonl and mails/ in FOLDER; prints every difference, and exits with 1 if there is one

The rules are written down here once more, from the design and not from the program:

- The books know of a record what the account had when they last looked after HubSpot told of it.
- An amount is rounded once, half-even, to the minor units of its currency; what does not fit 64 bits is listed and in no sum.
- A deal counts on its close date, an invoice on its invoice date, a payment on its own date, and where there is none on the day
  on which it came to stand so; everything else counts on the day on which it happened. Days are those of Berlin.
- Money received is counted by payments since the account keeps them, by invoices before.
- What is not billable is listed apart. What is archived or merged away has no entries, and nothing was ever owed on it.
- A report tells its period, and corrects what the earlier reports of its series told of earlier periods: was, now, net effect.
"""

import bisect
import collections
import csv
import datetime
import email
import email.policy
import io
import json
import pathlib
import re
import sys
import zipfile
import zoneinfo
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import openpyxl

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HOME = "EUR"
DECIMALS = {"EUR": 2, "USD": 2, "GBP": 2, "JPY": 0, "KWD": 3}
SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}
MOST = 2**63 - 1
STAGES = {"closedwon": "won", "closedlost": "lost", "141520872": "won", "141520873": "lost"}
PIPELINES = {"default": "Sales Pipeline", "73150024": "Service & Wartung"}
OWNERS = {"53118204": "Anna Keller", "53118377": "Tomasz Wójcik", "54902115": "Priya Nair", "49660981": "Lars Østergaard"}
KINDS = {"0-3": "deal", "0-53": "invoice", "0-101": "commerce_payment"}
MONTHS = "January February March April May June July August September October November December".split()

# The order within one save: amounts first, then the status that makes them count, then what was paid.
TRACKED = {
    "deal": ["amount", "deal_currency_code", "closedate", "dealstage"],
    "invoice": ["hs_amount_billed", "hs_currency", "hs_invoice_billable", "hs_invoice_date", "hs_due_date",
                "hs_invoice_status", "hs_amount_paid"],
    "commerce_payment": ["hs_initial_amount", "hs_currency_code", "hs_refunds_amount", "hs_latest_status"],
}
RECEIVED = {"succeeded", "partially_refunded", "refunded"}

# Figure: the section that lists it, and whether what was told of it is corrected.
FIGURES = {
    "won": ("won", True), "lost": ("lost", True), "invoice_created": ("created", True),
    "invoice_part_paid": ("part-paid", False), "invoice_paid": ("paid", True), "invoice_voided": ("voided", True),
    "invoice_overdue": ("overdue", False), "invoice_receipt": ("received", True), "invoice_refund": ("refunds", True),
    "payment_received": ("received", True), "payment_refund": ("refunds", True),
}
SECTION = {figure: section for figure, (section, _) in FIGURES.items()}
IS_CORRECTED = {figure for figure, (_, corrected) in FIGURES.items() if corrected}
# Section: its headings in words: one, many, the title of its table, and short.
WORDS = {
    "won": ("deal won", "deals won", "won"), "lost": ("deal lost", "deals lost", "lost"),
    "created": ("invoice created", "invoices created", "created"), "paid": ("invoice paid", "invoices paid", "paid"),
    "part-paid": ("invoice part paid", "invoices part paid", "part paid"),
    "voided": ("invoice voided", "invoices voided", "voided"), "overdue": ("invoice overdue", "invoices overdue", "overdue"),
    "received": ("payment received", "payments received", "received"), "refunds": ("refund", "refunds", "refunded"),
}
# Where the money of a section stands in its table.
MONEY = {
    "won": "amount", "lost": "amount", "created": "billed", "paid": "billed", "part-paid": "paid_so_far",
    "voided": "billed", "overdue": "still_to_pay", "received": "amount", "refunds": "amount",
}
DATES = {"won": "close_date", "lost": "close_date", "created": "invoice_date", "overdue": "since", "received": "date",
         "refunds": "date", "non-billable": "date"}
MOMENTS = {"won": "closed", "lost": "closed", "created": "created_at", "paid": "paid_at", "part-paid": "paid_at",
           "voided": "voided_at", "received": "when", "refunds": "when", "non-billable": "when"}
BUCKETS = ["current", "1 to 30 days", "31 to 60 days", "61 to 90 days", "over 90 days", "no due date"]

Money = collections.namedtuple("Money", "currency minor")
Entry = collections.namedtuple("Entry", "figure n day at amount billable")
Owed = collections.namedtuple("Owed", "amount day due billable")


# ---------------------------------------------------------------- amounts and days


def number(text):
    return Decimal(text) if text else Decimal(0)


class Amount:
    """What stands for an amount: the money, or the text that is none."""

    def __init__(self, text, currency, money):
        self.text, self.currency, self.money = text, currency, money

    @classmethod
    def read(cls, text, currency):
        money = None
        if text:
            minor = number(text).scaleb(DECIMALS[currency]).to_integral_value(ROUND_HALF_EVEN)
            money = Money(currency, int(minor)) if -MOST - 1 <= minor <= MOST else None
        return cls(text, currency, money)

    @classmethod
    def of(cls, money):
        return cls(str(major(money)), money.currency, money)

    def says(self):
        return self.money or (self.text.strip(), self.currency)


def major(money):
    return Decimal(money.minor).scaleb(-DECIMALS[money.currency])


def instant(ms):
    return EPOCH + datetime.timedelta(milliseconds=ms)


def day_of(ms):
    return instant(ms).astimezone(BERLIN).date()


def civil(text):
    """The day that HubSpot states: a civil one as it is, an instant by the clocks of Berlin."""
    if not text:
        return None
    if len(text) == 10:
        return datetime.date.fromisoformat(text)
    return datetime.datetime.fromisoformat(text).astimezone(BERLIN).date()


def start_ms(day):
    start = datetime.datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(datetime.timezone.utc)
    return (start - EPOCH) // datetime.timedelta(milliseconds=1)


def shown(money):
    """Money as an English mail says it."""
    digits = f"{abs(major(money)):,.{DECIMALS[money.currency]}f}"
    sign = "−" if money.minor < 0 else ""
    return f"{sign}{SIGNS[money.currency]}{digits}" if money.currency in SIGNS else f"{sign}{money.currency} {digits}"


def listed(texts):
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " and " + texts[-1] if texts else ""


MONEY_AT_END = re.compile(r"[€$£A-Z] ?[0-9,.]+$")
CHANGE = re.compile(r" \([^()]* vs [^()]*\)$")
BETWEEN = re.compile(r"(?:, | and )(?=−?[€$£A-Z])")


def headlines(head):
    """The headlines of a text part: what each counts, and its figures, which stand in lines of their own where they are long."""
    found = []
    for line in head.splitlines()[1:]:
        if line.startswith("    "):
            found[-1][1].append(line.strip())
            continue
        label, colon, figures = line.strip().partition(":")
        figures = figures.strip()
        has_changes = CHANGE.search(figures) or ") and " in figures or "), " in figures
        found.append((label, (BETWEEN.split(figures) if has_changes else [figures]) if figures else []))
    return found


def totals_of(body):
    """The sums below each table: in one line, or below their column and each other where the table's columns are aligned."""
    found, is_open = [], False
    for line in body.splitlines():
        if line.startswith("Total: "):
            found.append([line.removeprefix("Total: ")])
            continue
        sum_ = re.fullmatch(r"(Total)? {2,}(−?(?:[€$£]|[A-Z]{3} )[0-9,.]+)(?:  .*)?", line)
        if sum_ and sum_[1]:
            found.append([])
        is_open = bool(sum_) and (is_open or bool(sum_[1]))
        if is_open:
            found[-1].append(sum_[2])
    return found


def without_changes(headline):
    """The headline as it would be if nothing had been there before."""
    label, figures = headline
    plain = [CHANGE.sub("", figure) for figure in figures]
    if not label[0].isdigit():
        return f"{plain[0]} {label}"
    return label + (f": {listed(plain)}" if plain else "")


def without_nothing(headline):
    """The headline without the currencies that came to nothing: a mail also names those that only the period before had."""
    label, _, figures = headline.partition(": ")
    said = [figure for figure in BETWEEN.split(figures) if re.search("[1-9]", figure) or not MONEY_AT_END.search(figure)]
    return label + (f": {listed(said)}" if figures and said else "")


class Sums(dict):
    """A sum per currency, in minor units."""

    def add(self, money, sign=1):
        if money:
            self[money.currency] = self.get(money.currency, 0) + sign * money.minor

    def money(self):
        return [Money(currency, self[currency]) for currency in sorted(self)]

    def without_nothing(self):
        return Sums({currency: minor for currency, minor in self.items() if minor})


# ---------------------------------------------------------------- records and their entries


class Record:
    def __init__(self, kind, record_id, created):
        self.kind, self.id, self.created = kind, record_id, created
        self.history = collections.defaultdict(list)
        self.archived = None
        self.merged = False
        self.company = None

    def value(self, name):
        return self.history[name][-1][1] if self.history[name] else ""

    def life(self):
        """The moments at which something of it changed: (ms, its values since, what changed with the value before)."""
        steps = sorted((at, order, name, value) for order, name in enumerate(TRACKED[self.kind])
                       for at, value in self.history[name])
        values = {}
        for at, _, name, value in steps:
            before, values[name] = values.get(name, ""), value
            yield at, name, before, value, dict(values)


def standing(kind, values):
    get = lambda name: values.get(name, "")
    if kind == "deal":
        return STAGES.get(get("dealstage"), "open")
    if kind == "invoice":
        status = get("hs_invoice_status")
        return {"": "draft", "draft": "draft", "paid": "paid", "voided": "voided"}.get(status, "issued")
    return "received" if get("hs_latest_status") in RECEIVED else "pending"


def of_invoice(values):
    currency = values.get("hs_currency") or HOME
    return Amount.read(values.get("hs_amount_billed", ""), currency), Amount.read(values.get("hs_amount_paid", ""), currency)


def left_to_pay(values):
    billed, paid = of_invoice(values)
    if billed.money and paid.money and paid.money.minor:
        left = billed.money.minor - paid.money.minor
        return Amount.of(Money(billed.currency, left)) if -MOST - 1 <= left <= MOST else Amount(str(left), billed.currency, None)
    return billed


def movements(settled):
    """By how much what is settled rose from moment to moment. In another currency all goes back first, and comes anew. What is
    no money is told as it is."""
    stands, last, moves = None, None, []
    for at, amount in settled:
        if last and (amount.text, amount.currency) == (last.text, last.currency):
            continue
        last, now = amount, amount.money
        if amount.text and not now:
            moves.append((at, amount))
            continue
        if stands and (now is None or now.currency != stands.currency):
            moves.append((at, Amount.of(Money(stands.currency, -stands.minor))))
            stands = None
        if now:
            moves.append((at, Amount.of(Money(now.currency, now.minor - (stands.minor if stands else 0)))))
        stands = now
    return [(at, amount) for at, amount in moves if amount.money is None or amount.money.minor]


class Ledger:
    """What a record adds to the figures, and what was owed on it."""

    def __init__(self, record):
        self.entries, self.owed = [], []
        if record.merged or record.archived is not None:
            return
        self.face = {name: record.value(name) for name in ("pipeline", "hubspot_owner_id", "hs_mrr", "hs_arr", "hs_exchange_rate")}
        self.company = record.company
        life = list(record.life())
        now = {name: record.value(name) for name in TRACKED[record.kind]}
        if record.kind == "invoice":
            self.balances(life)
        getattr(self, record.kind)(record, life, now)

    def add(self, figure, at, day, amount, billable=True):
        n = 1 + sum(entry.figure == figure for entry in self.entries)
        self.entries.append(Entry(figure, n, day, at, amount, billable))

    def deal(self, record, life, now):
        stands = standing("deal", now)
        if stands == "open":
            return
        since, last = record.created, "open"
        for at, _, _, _, values in life:
            then = standing("deal", values)
            if then != last and then == stands:
                since = at
            last = then
        amount = Amount.read(now["amount"], now["deal_currency_code"] or HOME)
        self.add(stands, since, civil(now["closedate"]) or day_of(since), amount)

    def commerce_payment(self, record, life, now):
        if standing("commerce_payment", now) != "received":
            return
        since, was = record.created, False
        for at, _, _, _, values in life:
            then = standing("commerce_payment", values) == "received"
            if then and not was:
                since = at
            was = then
        currency = now["hs_currency_code"] or HOME
        day = civil(record.value("hs_initiated_date")) or day_of(since)
        self.add("payment_received", since, day, Amount.read(now["hs_initial_amount"], currency))
        refunded = {at: Amount.read(values.get("hs_refunds_amount", ""), values.get("hs_currency_code") or HOME)
                    for at, _, _, _, values in life}
        for at, amount in movements(refunded.items()):
            self.add("payment_refund", at, day_of(at), amount)

    def invoice(self, record, life, now):
        stands, billable = standing("invoice", now), now["hs_invoice_billable"] != "false"
        if stands == "draft":
            return
        created = paid = voided = None
        part_paid, settled = [], {}
        for at, name, before, value, values in life:
            if name == "hs_invoice_status":
                was, now_is = standing("invoice", {name: before}), standing("invoice", {name: value})
                created = created if created is not None or now_is == "draft" else at
                if was != now_is:
                    paid, voided = (at if now_is == "paid" else paid), (at if now_is == "voided" else voided)
            elif name == "hs_amount_paid" and created is not None:
                if number(before) < number(value) < number(values.get("hs_amount_billed", "")):
                    part_paid.append((at, of_invoice(values)[1]))
            if created is not None:
                settled[at] = of_invoice(values)[1]
        part_paid = dict(part_paid)
        billed = of_invoice(now)[0]
        if stands in ("issued", "paid"):
            self.add("invoice_created", created, civil(now["hs_invoice_date"]) or day_of(created), billed, billable)
        if stands == "paid":
            self.add("invoice_paid", paid, day_of(paid), billed, billable)
        if stands == "voided":
            self.add("invoice_voided", voided, day_of(voided), billed, billable)
        if stands in ("issued", "paid"):
            due = civil(now["hs_due_date"])
            if due:
                at = start_ms(due + DAY)
                then = [values for moment, _, _, _, values in life if moment <= at]
                if then and standing("invoice", then[-1]) == "issued":
                    if number(then[-1].get("hs_amount_billed", "")) > number(then[-1].get("hs_amount_paid", "")):
                        self.add("invoice_overdue", at, due + DAY, left_to_pay(then[-1]), billable)
            for at, amount in part_paid.items():
                self.add("invoice_part_paid", at, day_of(at), amount, billable)
        for at, amount in movements(settled.items()):
            if amount.money and amount.money.minor < 0:
                back = Amount.of(Money(amount.currency, -amount.money.minor))
                self.add("invoice_refund", at, day_of(at), back, billable)
            else:
                self.add("invoice_receipt", at, day_of(at), amount, billable)

    def balances(self, life):
        """What was owed at the end of each day on which it changed."""
        days = {}
        for at, _, _, _, values in life:
            days[day_of(at)] = values
        for day, values in days.items():
            left = left_to_pay(values)
            is_owed = standing("invoice", values) == "issued" and not (left.money and left.money.minor == 0)
            billable = values.get("hs_invoice_billable") != "false"
            owed = Owed(left, civil(values.get("hs_invoice_date", "")), civil(values.get("hs_due_date", "")), billable)
            self.owed.append((day, owed if is_owed else None))

    def owed_on(self, day):
        at = bisect.bisect_right(self.owed, day, key=lambda one: one[0])
        return self.owed[at - 1][1] if at else None


# ---------------------------------------------------------------- what a report has to say


class Series:
    def __init__(self, name):
        self.name, self.begins, self.marks = name, None, {}
        self.sent, self.corrected = Sums(), Sums()
        self.totals_before = {}


class Books:
    def __init__(self):
        self.account, self.ledgers, self.days = {}, {}, collections.defaultdict(set)
        self.series = {name: Series(name) for name in ("daily", "weekly", "monthly")}
        self.payments_since = None
        # The record that is left of each that was merged away, as the books learned of it.
        self.left = {}

    def read(self, key):
        """The books look at a record as it is in the account now."""
        old, new = self.ledgers.get(key), Ledger(self.account[key])
        for entry in old.entries if old else ():
            self.days[entry.day].discard(key)
        for entry in new.entries:
            self.days[entry.day].add(key)
        self.ledgers[key] = new
        left = key
        while self.account[left].merged:
            left = self.account[left].merged
        # HubSpot leads from a record to the one that it was merged into, unless that is archived.
        if left != key and self.account[left].archived is None:
            self.left[key] = left
        for series in self.series.values():
            series.marks.setdefault(key, old.entries if old else [])

    def counts(self, entry):
        since = self.payments_since
        if entry.figure in ("invoice_receipt", "invoice_refund"):
            return since is None or entry.at <= since
        if entry.figure in ("payment_received", "payment_refund"):
            return since is not None and entry.at > since
        return True

    def lines(self, begin, end, today):
        day = begin
        while day < end:
            for key in sorted(self.days[day]):
                for entry in self.ledgers[key].entries:
                    is_there = entry.figure != "invoice_overdue" or entry.day <= today
                    if entry.day == day and self.counts(entry) and is_there:
                        yield key, entry
            day += DAY


def period_of(cadence, day):
    if cadence == "daily":
        return day, day + DAY
    if cadence == "weekly":
        begin = day - DAY * ((day.weekday() + 1) % 7)
        return begin, begin + 7 * DAY
    begin = day.replace(day=1)
    return begin, (begin + 31 * DAY).replace(day=1)


def in_words(cadence, begin):
    if cadence == "monthly":
        return f"{MONTHS[begin.month - 1]} {begin.year}"
    day = f"{begin.day} {MONTHS[begin.month - 1][:3]} {begin.year}"
    return day if cadence == "daily" else f"week of {day}"


def name_of(cadence, begin):
    return {"daily": f"{begin}", "weekly": f"{begin}-week", "monthly": f"{begin:%Y-%m}"}[cadence]


def difference(told, now):
    """What was told and is otherwise now, figure by figure: the same ordinals first, then what is left in its order."""
    for figure in FIGURES:
        if figure not in IS_CORRECTED:
            continue
        was, is_now = ([entry for entry in side if entry.figure == figure] for side in (told, now))
        by_n = {entry.n: entry for entry in is_now}
        pairs = [(entry, by_n.pop(entry.n)) for entry in was if entry.n in by_n]
        paired = {entry.n for entry, _ in pairs}
        lone, new = [entry for entry in was if entry.n not in paired], list(by_n.values())
        for at in range(max(len(lone), len(new))):
            pairs.append((lone[at] if at < len(lone) else None, new[at] if at < len(new) else None))
        for one, other in pairs:
            says = lambda entry: entry and (entry.day, entry.billable, entry.amount.says())
            if says(one) != says(other):
                yield figure, one, other


def counted(entry):
    return entry.amount.money if entry and entry.billable else None


class Tally:
    def __init__(self):
        self.count, self.sums, self.left_out = 0, Sums(), 0

    def add(self, amount):
        self.count += 1
        self.left_out += amount.money is None
        self.sums.add(amount.money)


class Expected:
    """A report as it has to be: tables of rows, each {column: value}, with totals, and the figures it opens with."""

    def __init__(self, books, series, cadence, begin, end, built_ms):
        self.books, self.series, self.cadence = books, series, cadence
        self.begin, self.end, self.today = begin, end, day_of(built_ms)
        self.tables, self.totals, self.headlines, self.figures = {}, {}, [], []
        self.lines = list(books.lines(begin, end, self.today))
        self.tallies = {section: self.tally(self.lines, section) for section in WORDS}
        self.before_begin, _ = period_of(cadence, begin - DAY)
        self.earlier = list(books.lines(self.before_begin, begin, self.today))
        self.before = {section: self.tally(self.earlier, section) for section in WORDS}
        self.lists()
        self.by("by-owner", lambda face, _: OWNERS.get(face["hubspot_owner_id"], "no owner"))
        self.by("by-pipeline", lambda face, _: PIPELINES.get(face["pipeline"], "no pipeline"))
        self.by("by-company", lambda _, company: company or "no company")
        self.recurring()
        self.ageing()
        self.corrections()
        self.open_with()

    def tally(self, lines, section):
        tally = Tally()
        for _, entry in lines:
            if SECTION[entry.figure] == section and entry.billable:
                tally.add(entry.amount)
        return tally

    def total(self, section, sums):
        if sums:
            self.totals[section] = Sums(sums)

    def lists(self):
        for key, entry in self.lines:
            section = SECTION[entry.figure] if entry.billable else "non-billable"
            money = MONEY[section] if entry.billable else "amount"
            row = {"record": key, money: entry.amount.money}
            if section in DATES:
                row[DATES[section]] = entry.day
            if section in MOMENTS:
                row[MOMENTS[section]] = instant(entry.at).astimezone(BERLIN).replace(tzinfo=None)
            if section == "non-billable":
                row["what_happened"] = WORDS[SECTION[entry.figure]][2]
            self.tables.setdefault(section, []).append(row)
        for section, tally in self.tallies.items():
            self.total(section, tally.sums)

    def by(self, section, name):
        groups, won, lost = {}, self.tallies["won"], self.tallies["lost"]
        for key, entry in self.lines:
            side = SECTION[entry.figure]
            if side in ("won", "lost"):
                ledger = self.books.ledgers[key]
                currency = entry.amount.money and entry.amount.money.currency
                group = groups.setdefault((name(ledger.face, ledger.company), currency), {"won": Tally(), "lost": Tally()})
                group[side].add(entry.amount)
        for (label, currency), group in groups.items():
            row = {"record": label}
            for side, all_of_it in (("won", won), ("lost", lost)):
                if all_of_it.count:
                    row[side] = group[side].count
                    row[f"amount_{side}"] = next(iter(group[side].sums.money()), None)
            self.tables.setdefault(section, []).append(row)
        if groups:
            self.total(section, (won if won.count else lost).sums)

    def recurring(self):
        rows, sums = self.recurring_in(self.lines)
        _, self.recurred = self.recurring_in(self.earlier)
        if rows:
            kept = [{name: value for name, value in row.items() if name in {"record", *sums}} for row in rows]
            self.tables["recurring"] = kept
            self.total("recurring", (sums.get("mrr") or sums["arr"]).sums)
        self.recurs = sums

    def recurring_in(self, lines):
        rows, sums = [], {}
        for key, entry in lines:
            if entry.figure != "won":
                continue
            face, row = self.books.ledgers[key].face, {"record": key}
            for name in ("arr", "mrr"):
                amount = Amount.read(face[f"hs_{name}"], entry.amount.currency)
                recurs = bool(amount.text) and not (amount.money and amount.money.minor == 0)
                row[name] = amount.money if recurs else None
                if recurs:
                    sums.setdefault(name, Tally()).add(amount)
                    row["recurs"] = True
            if row.pop("recurs", False):
                rows.append(row)
        return rows, sums

    def owed_on(self, last):
        owed = []
        for key, ledger in self.books.ledgers.items():
            one = ledger.owed_on(last) if ledger.owed else None
            if one and one.billable:
                owed.append((one.due is None, one.due or last, key, one))
        return sorted(owed, key=lambda one: one[:3])

    def ageing(self):
        last = self.end - DAY
        owed = self.owed_on(last)
        self.were_past_due = Tally()
        for is_undated, due, _, one in self.owed_on(self.begin - DAY):
            if not is_undated and due < self.begin - DAY:
                self.were_past_due.add(one.amount)
        groups, self.past_due = {}, Tally()
        everything = Sums()
        for _, _, _, one in owed:
            days = (last - one.due).days if one.due else None
            bucket = "no due date" if days is None else BUCKETS[0 if days <= 0 else min(1 + (days - 1) // 30, 4)]
            if bucket not in ("current", "no due date"):
                self.past_due.add(one.amount)
            money = one.amount.money
            groups.setdefault(money and money.currency, {}).setdefault(bucket, Tally()).add(one.amount)
            everything.add(money)
        rows = []
        for currency, buckets in groups.items():
            for bucket in BUCKETS:
                tally = buckets.get(bucket)
                if tally or (currency and bucket != "no due date"):
                    sums = (tally.sums if tally else {}).get(currency, 0)
                    money = Money(currency, sums) if currency else None
                    rows.append({"record": bucket, "invoices": tally.count if tally else 0, "still_to_pay": money})
        if rows:
            self.tables["ageing"] = rows
            self.total("ageing", everything)
            self.tables["oldest"] = [
                {"record": key, "due": one.due, "invoice_date": one.day, "still_to_pay": one.amount.money,
                 "days_past_due": max((last - one.due).days, 0) if one.due else None}
                for _, _, key, one in owed[:10]]

    def corrections(self):
        series, begins = self.series, self.series.begins
        is_told = lambda entry: begins <= entry.day < self.begin and self.books.counts(entry)
        self.effects, self.by_period, merged = {}, {}, {}
        self.corrected = []
        for key, told in sorted(series.marks.items()):
            now = [entry for entry in self.books.ledgers[key].entries if is_told(entry)]
            for figure, was, is_now in difference([entry for entry in told if is_told(entry)], now):
                self.corrected.append((self.survivor(key), key, figure, was, is_now))
        rows = {}
        left = {survivor for survivor, key, *_ in self.corrected if survivor != key}
        for at, (survivor, key, figure, was, is_now) in enumerate(self.corrected):
            section = SECTION[figure]
            effect = self.effects.setdefault(section, Sums())
            # A merge is one row, everything else a row for each figure.
            row = rows.setdefault(survivor if survivor in left else (survivor, at), {"record": survivor, "sides": ([], []), "net": Sums()})
            for entry, sign in ((was, -1), (is_now, 1)):
                money = counted(entry)
                effect.add(money, sign)
                row["net"].add(money, sign)
                if entry:
                    row["sides"][sign > 0].append(entry)
                if money:
                    period, _ = period_of(self.cadence, entry.day)
                    self.by_period.setdefault((section, period), Sums()).add(money, sign)
        table = []
        for row in rows.values():
            out = {"record": row["record"], "net_effect": row["net"]}
            for name, side in zip(("was", "now"), row["sides"]):
                sums = Sums()
                # One entry is shown as it is, though it may not be added up; of several only what is.
                for entry in side:
                    sums.add(entry.amount.money if len(side) == 1 else counted(entry))
                out[name] = sums
            table.append(out)
        if table:
            self.tables["corrections"] = table
            if len(self.effects) == 1:
                self.total("corrections", *self.effects.values())
        rows = []
        for (section, period), net in self.by_period.items():
            known = period == self.before_begin
            for currency, minor in net.without_nothing().items():
                label = f"{WORDS[section][1].capitalize()}, {in_words(self.cadence, period)}"
                row = {"record": label, "net_effect": Money(currency, minor), "as_sent": None, "with_corrections": None}
                if known:
                    as_sent = series.totals_before.get(section, {}).get(currency)
                    now = self.before[section].sums.get(currency)
                    row["as_sent"] = Money(currency, as_sent or 0)
                    row["with_corrections"] = Money(currency, now or 0)
                rows.append(row)
        if rows:
            self.tables["corrected"] = rows

    def survivor(self, key):
        while key in self.books.left:
            key = self.books.left[key]
        return key

    def headline(self, count, one, many, sums, instead=None, suffix="", before=None):
        said = instead if instead is not None else listed([shown(money) for money in sums.money()])
        label = (one if count == 1 else many) + suffix
        self.headlines.append(f"{count:,} {label}" + (f": {said}" if said else ""))
        money = lambda sums: as_decimals(sums or Sums())
        was = (before.count, money(before.sums)) if before else (None, {})
        self.figures.append((label, count, money(sums), *was))

    def open_with(self):
        for section in ("won", "lost", "created", "received", "refunds", "voided"):
            tally, before = self.tallies[section], self.before[section]
            if not (tally.count or before.count):
                continue
            one, many, _ = WORDS[section]
            self.headline(tally.count, one, many, tally.sums, before=before)
            home = self.at_home(section)
            if home:
                total, without = home
                suffix = " at the rates recorded in HubSpot"
                if without:
                    suffix += ", without 1 amount that has no rate" if without == 1 else f", without {without} amounts that have no rate"
                self.headline(tally.count, one, many, total, f"≈ {shown(total)}", suffix)
        told_by = next((name for sums in (self.recurs, self.recurred) for name in ("mrr", "arr") if name in sums), None)
        if told_by:
            recurs, recurred = (sums.get(told_by) or Tally() for sums in (self.recurs, self.recurred))
            words = {"mrr": "monthly recurring revenue (MRR)", "arr": "annual recurring revenue (ARR)"}[told_by]
            self.headline(recurs.count, f"deal won with {words}", f"deals won with {words}", recurs.sums, before=recurred)
        if self.past_due.count or self.were_past_due.count:
            self.headline(self.past_due.count, "invoice overdue", "invoices overdue", self.past_due.sums, None,
                          f" on {in_words('daily', self.end - DAY)}", self.were_past_due)
        rows = self.tables.get("corrections", [])
        if rows:
            net = ((section, self.effects[section].without_nothing()) for section in WORDS if section in self.effects)
            parts = [(section, sums) for section, sums in net if sums]
            said = [f"{WORDS[section][2]} {listed([shown(money) for money in sums.money()])}" for section, sums in parts]
            instead = "no net effect" if not parts else None if len(self.effects) == 1 else ", ".join(said)
            self.headline(len(rows), "correction", "corrections", parts[0][1] if instead is None else Sums(), instead)

    def at_home(self, section):
        total, with_rate, without = 0, 0, 0
        for key, entry in self.lines:
            if SECTION[entry.figure] != section or not counted(entry):
                continue
            money, rate = entry.amount.money, self.books.ledgers[key].face["hs_exchange_rate"]
            if money.currency == HOME:
                total += money.minor
            elif rate and number(rate) > 0 and (home := Amount.read(str(major(money) * number(rate)), HOME).money):
                total, with_rate = total + home.minor, with_rate + 1
            else:
                without += 1
        return (Money(HOME, total), without) if with_rate else None


# ---------------------------------------------------------------- what a mail says


class Mail:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.message = email.message_from_binary_file(file, policy=email.policy.default)
        self.name = self.message["List-Id"].strip("<>").split(".")[0]
        self.text = self.message.get_body(("plain",)).get_content()
        self.files = {part.get_filename(): part.get_payload(decode=True) for part in self.message.iter_attachments()}
        for name in [name for name in self.files if name and name.endswith(".csv.zip")]:
            with zipfile.ZipFile(io.BytesIO(self.files.pop(name))) as archive:
                self.files |= {file: archive.read(file) for file in archive.namelist()}

    def file(self, ending):
        return next(((name, data) for name, data in self.files.items() if name and name.endswith(ending)), (None, None))


def key_of(url):
    kind, record_id = url.rstrip("/").split("/")[-2:]
    return KINDS[kind], int(record_id)


def read_csv(data):
    """{section: rows}, a row for each record, its money as {currency: decimal}."""
    tables = collections.defaultdict(dict)
    for line in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True):
        row = tables[line["section"]].setdefault(line["row"], {"record": key_of(line["url"]) if line["url"] else line["record"]})
        for name, value in line.items():
            if f"{name}_currency" in line:
                money = row.setdefault(name, {})
                if value:
                    money[line[f"{name}_currency"]] = Decimal(value)
            elif value and name not in ("section", "row", "record", "url"):
                row.setdefault(name, value)
    return {section: list(rows.values()) for section, rows in tables.items()}


def read_xlsx(data):
    """The same of a workbook, and its totals: those of formulas as they are cached."""
    book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    files = zipfile.ZipFile(io.BytesIO(data))
    tables, totals = {}, {}
    figures = read_figures(book.worksheets[0])
    for at, sheet in enumerate(book.worksheets, 1):
        formulas = set(re.findall(r'<c r="([A-Z]+\d+)"[^>]*><f>', files.read(f"xl/worksheets/sheet{at}.xml").decode()))
        # The first sheet holds no table.
        for table in sheet.tables.values():
            section = table.name.replace("_", "-")
            tables[section], totals[section] = read_sheet(sheet, int(re.search(r"(\d+)$", table.ref).group(1)), formulas)
    return tables, totals, figures


def read_figures(sheet):
    """What a workbook opens with: what is counted, how many with their sums, and the same of the period before."""
    figures = []
    for label, count, now, currency, count_before, before in sheet.iter_rows(5, max_col=6, values_only=True):
        if label is None and currency is None:
            break
        if label is not None:
            figures.append((label, count, {}, count_before, {}))
        # What stands there instead of sums has no currency.
        for amount, known in ((now, figures[-1][2]), (before, figures[-1][4])):
            if currency and amount is not None:
                known[currency] = Decimal(str(amount))
    return figures


def read_sheet(sheet, last, formulas):
    """The rows of a sheet up to its last one, and the totals below."""
    headings = [cell.value for cell in sheet[1]]
    places = []
    for at, heading in enumerate(headings):
        match = re.fullmatch(r"(.+) ([A-Z]{3})", heading)
        if match and match.group(2) in DECIMALS:
            places.append((match.group(1), match.group(2)))
        elif at + 1 < len(headings) and headings[at + 1].startswith("Currency"):
            places.append((heading, at + 1))
        else:
            places.append((heading, None))
    rows = []
    for line in range(2, last + 1):
        cell = sheet.cell(line, 1)
        link = cell.hyperlink.target if cell.hyperlink else None
        row = {"record": key_of(link) if link else cell.value}
        for at, (heading, unit) in enumerate(places[1:], 1):
            name, value = heading.lower().replace(" ", "_"), sheet.cell(line, at + 1).value
            if heading.startswith("Currency"):
                continue
            if unit is not None:
                money = row.setdefault(name, {})
                currency = unit if isinstance(unit, str) else sheet.cell(line, unit + 1).value
                if value is not None and currency:
                    money[currency] = Decimal(str(value))
            elif value is not None:
                row[name] = value
        rows.append(row)
    sums = {}
    for line in range(last + 1, sheet.max_row + 1):
        for at, (heading, unit) in enumerate(places[1:], 1):
            value = sheet.cell(line, at + 1).value
            if unit is not None and value is not None:
                currency = unit if isinstance(unit, str) else sheet.cell(line, unit + 1).value
                sums[currency] = Decimal(str(value))
                # What a spreadsheet cannot add up to the last digit stands there as a number.
                if sheet.cell(line, at + 1).coordinate not in formulas and abs(value) < 10**7:
                    sums[currency] = f"{value} is no formula"
    return rows, sums


def in_minor_units(currency, amount):
    return Money(currency, int(amount.scaleb(DECIMALS[currency])))


def as_decimals(value):
    if isinstance(value, Money):
        return {value.currency: major(value)}
    if isinstance(value, Sums):
        return {money.currency: major(money) for money in value.money()}
    return value


def same_moment(found, wanted):
    if isinstance(found, str):
        found = datetime.datetime.fromisoformat(found)
    if isinstance(wanted, datetime.date) and not isinstance(wanted, datetime.datetime):
        return found.date() == wanted and found.time() == datetime.time()
    return abs(found - wanted) < datetime.timedelta(seconds=1)


def same(found, wanted, is_money):
    wanted = as_decimals(wanted)
    if is_money:
        return (found or {}) == (wanted or {})
    if wanted is None or found is None:
        return found is None and wanted is None
    if isinstance(wanted, datetime.date):
        return same_moment(found, wanted)
    return str(found) == str(wanted)


MONEYS = {*MONEY.values(), "net_effect", "was", "now", "as_sent", "with_corrections", "arr", "mrr", "amount_won", "amount_lost"}


class Audit:
    def __init__(self, folder):
        self.folder, self.books = folder, Books()
        self.differences, self.figures, self.reports = 0, 0, collections.Counter()
        self.of_days = collections.defaultdict(Sums)
        self.won_at_opening, self.won_by_mail = None, Sums()

    def differs(self, where, *what):
        self.differences += 1
        if self.differences <= 200:
            print(*where, *what, sep=" | ")

    def play(self):
        with open(self.folder / "truth.jsonl", encoding="utf-8") as file:
            for line in file:
                self.take(json.loads(line))

    def take(self, line):
        account, at = self.books.account, line["at"]
        key = (line.get("kind"), line.get("id"))
        match line["what"]:
            case "create":
                account[key] = Record(*key, at)
                account[key].company = line["detail"]
            case "write":
                record = account.setdefault(key, Record(*key, at))
                for name, value in line["values"].items():
                    record.history[name].append((at, value))
            case "archive":
                account[key].archived = at
            case "restore":
                account[key].archived = None
            case "merge":
                account[key].merged = (key[0], line["detail"])
            case "told":
                for one in line["records"] if self.books.ledgers else account:
                    self.books.read(tuple(one))
            case "look":
                self.books.payments_since = line["payments_since"]
                mails = [Mail(self.folder / "mails" / name) for name in line["mails"]]
                for mail in sorted(mails, key=lambda mail: mail.name):
                    if mail.name in self.books.series:
                        self.judge(mail, at)
                    self.reports[mail.name] += 1
                    if mail.name == "closed-deals":
                        self.add_won(mail)
                if self.won_at_opening is None:
                    self.won_at_opening = self.won()
            case other:
                raise ValueError(other)

    def judge(self, mail, at):
        series, today = self.books.series[mail.name], day_of(at)
        begin, end = period_of(mail.name, today - DAY)
        where = (mail.name, name_of(mail.name, begin))
        assert mail.file(".csv")[0] == f"{where[0]}-{where[1]}.csv", mail.files.keys()
        if series.begins is None:
            series.begins = begin
        expected = Expected(self.books, series, mail.name, begin, end, at)
        found = read_csv(mail.file(".csv")[1])
        self.compare((*where, "csv"), expected, found)
        tables, totals, figures = read_xlsx(mail.file(".xlsx")[1])
        self.compare((*where, "xlsx"), expected, tables)
        for section in {*totals, *expected.totals}:
            wanted = as_decimals(expected.totals.get(section, Sums()))
            self.figures += len(wanted)
            if totals.get(section, {}) != wanted:
                self.differs((*where, "xlsx", section, "total"), totals.get(section), wanted)
        self.figures += len(figures)
        for one in [one for one in (*figures, *expected.figures) if one not in figures or one not in expected.figures]:
            self.differs((*where, "xlsx", "figure"), "found" if one in figures else "expected", one)
        self.text((*where, "text"), mail.text, expected)
        self.adds_up(where, series, expected, found)
        self.days_add_up(where, expected, found)
        series.marks = {}
        series.totals_before = {section: dict(tally.sums) for section, tally in expected.tallies.items()}

    def compare(self, where, expected, found):
        for section in sorted({*expected.tables, *found}):
            wanted, rows = expected.tables.get(section, []), list(found.get(section, []))
            if len(wanted) != len(rows):
                self.differs((*where, section), f"{len(rows)} rows", f"{len(wanted)} expected")
            left = []
            for row in wanted:
                match = next((one for one in rows if self.is_row(one, row)), None)
                if match is None:
                    left.append(row)
                else:
                    rows.remove(match)
                    self.figures += sum(name in MONEYS or name in ("won", "lost", "invoices") for name in row)
            for row in left:
                nearest = next((one for one in rows if one["record"] == row["record"]), None)
                self.differs((*where, section, row["record"]), f"found {nearest}", f"expected {row}")

    def is_row(self, found, wanted):
        return found["record"] == wanted["record"] and all(
            same(found.get(name), value, name in MONEYS) for name, value in wanted.items() if name != "record")

    def text(self, where, text, expected):
        head, _, body = text.partition("\n\n")
        said = [without_nothing(without_changes(figures)) for figures in headlines(head)]
        wanted = [without_nothing(headline) for headline in expected.headlines]
        self.figures += len(said)
        if said != wanted:
            for line in sorted({*said} ^ {*wanted}):
                self.differs((*where, "headline"), "found" if line in said else "expected", line)
        totals = [listed(sums) for sums in totals_of(body)]
        wanted = [listed([shown(money) for money in sums.money()]) for sums in expected.totals.values()]
        if sorted(totals) != sorted(wanted):
            self.differs((*where, "totals"), sorted({*totals} - {*wanted}), sorted({*wanted} - {*totals}))

    def won(self):
        """What is won, of all deals that the books know."""
        sums = Sums()
        for ledger in self.books.ledgers.values():
            for entry in ledger.entries:
                if entry.figure == "won":
                    sums.add(entry.amount.money)
        return sums

    def add_won(self, mail):
        """What a mail after changes tells to be won, and corrects of it."""
        found = read_csv(mail.file(".csv")[1])
        for section, column in (("won", "amount"), ("corrections", "net_effect")):
            for row in found.get(section, ()):
                for currency, amount in row.get(column, {}).items():
                    self.won_by_mail.add(in_minor_units(currency, amount))

    def end(self):
        """All mails after changes together tell of everything that was won since the books were opened."""
        wanted = self.won()
        for money in self.won_at_opening.money():
            wanted.add(money, -1)
        self.figures += len(wanted)
        if self.won_by_mail.without_nothing() != wanted.without_nothing():
            self.differs(("closed-deals", "all mails", "won"), self.won_by_mail, f"expected {wanted}")
        for name in self.books.series:
            if not self.reports[name]:
                self.differs((name,), "no report")

    def days_add_up(self, where, expected, found):
        """The days, as sent and corrected, are what the week and the month say."""
        of_days = self.of_days
        corrected = sorted({section for section, is_corrected in FIGURES.values() if is_corrected})
        if where[0] == "daily":
            for section in corrected:
                for row in found.get(section, ()):
                    for currency, amount in row[MONEY[section]].items():
                        of_days[section, expected.begin].add(in_minor_units(currency, amount))
            for (section, day), net in expected.by_period.items():
                for money in net.money():
                    of_days[section, day].add(money)
            return
        if expected.begin < self.books.series["daily"].begins:
            return
        for section in corrected:
            wanted, sums, day = Sums(), Sums(), expected.begin
            while day < expected.end:
                for money in of_days[section, day].money():
                    wanted.add(money)
                day += DAY
            for row in found.get(section, ()):
                for currency, amount in row[MONEY[section]].items():
                    sums.add(in_minor_units(currency, amount))
            self.figures += len(wanted)
            if wanted.without_nothing() != sums.without_nothing():
                self.differs((*where, section, "the sum of its days"), sums, f"expected {wanted}")

    def adds_up(self, where, series, expected, found):
        """As sent plus all corrections is as recomputed, over all periods that are over; and days are weeks and months."""
        sent_now = Sums()
        for section, rows in found.items():
            if section in MONEY and section not in ("part-paid", "overdue"):
                for row in rows:
                    for currency, amount in row[MONEY[section]].items():
                        sent_now.add(in_minor_units(currency, amount))
            if section == "corrections":
                for row in rows:
                    for currency, amount in row["net_effect"].items():
                        series.corrected.add(in_minor_units(currency, amount))
        for money in sent_now.money():
            series.sent.add(money)
        now = Sums()
        for _, entry in self.books.lines(series.begins, expected.end, expected.today):
            if entry.figure in IS_CORRECTED:
                now.add(counted(entry))
        both = Sums(series.sent)
        for money in series.corrected.money():
            both.add(money)
        self.figures += len(now)
        if both.without_nothing() != now.without_nothing():
            self.differs((*where, "as sent plus all corrections"), both, f"recomputed {now}")


def main(folder):
    with localcontext() as context:
        context.prec = 100
        audit = Audit(pathlib.Path(folder))
        audit.play()
        audit.end()
    print(f"{sum(audit.reports.values())} reports ({dict(audit.reports)}), {audit.figures} figures compared, "
          f"{audit.differences} differences")
    sys.exit(1 if audit.differences else 0)


main(*sys.argv[1:])
