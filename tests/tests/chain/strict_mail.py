"""Read mails with Python's email package, every defect an error, and say what no mail program should have to forgive."""

import email
import email.policy
import pathlib
import sys

# RFC 5322, 2.1.1: no line is longer than this, without its CRLF.
MAX_LINE = 998

for name in sys.argv[1:]:
    raw = pathlib.Path(name).read_bytes()
    mail = email.message_from_bytes(raw, policy=email.policy.strict)
    assert not mail.defects, mail.defects
    for header in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        values = mail.get_all(header)
        assert values and len(values) == 1, f"{name}: {header} stands {len(values or [])} times"
        assert not values[0].defects, values[0].defects
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"], kinds
    for part in mail.walk():
        assert not part.defects, part.defects
        assert part.is_multipart() or part.get_content(errors="strict").strip(), f"{name}: an empty part"
    lines = raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines), f"{name}: a line does not end with CRLF"
    assert max(map(len, lines)) <= MAX_LINE, f"{name}: a line is too long"
