"""Following a journal entry by entry: does it hang together, and is what it states of itself true?"""

from __future__ import annotations

from posd.ledger.chain import Broken, follow
from posd.ledger.entries import BEGINNING, RESOLVING, Draft, Entry, Head, Kind
from posd.ledger.export import Signed
from posd.ledger.journal_file import Held, Line, Opening
from posd.ledger.rights import Rights
from posd.ledger.totals import Balances, Period, accounts_digest, checkpoint_body, close_body, summary


class Chain:
    """A run of entries; ``head`` is the last one found good."""

    def __init__(self, till: str, start: Head) -> None:
        self.till = till
        self.head = start

    def follow(self, entry: Entry) -> Draft:
        """What the entry says. Raises `Broken` when it is not what follows, or what it says cannot be."""
        head, draft = follow(self.head, entry, self.till)
        self.check(entry, draft)
        self.head = head
        return draft

    def check(self, entry: Entry, draft: Draft) -> None:
        """More that must hold of an entry in its place; here nothing."""


class Audit(Chain):
    """A whole journal from ``start``, where the accounts hold ``opening``: closes and checkpoints are checked too."""

    def __init__(self, till: str, start: Head, opening: Balances) -> None:
        super().__init__(till, start)
        self._start = start
        self._balances = dict(opening)
        self._period = Period(start.seq + 1, start.seq)
        self._ends = {start.seq: start}
        self.rights = Rights(opening)
        self._ids: set[bytes] = set()
        self._resolved: set[bytes | None] = set()

    def check(self, entry: Entry, draft: Draft) -> None:
        self.rights.follow(entry.seq, draft)
        if draft.kind is Kind.CLOSE:
            self._check_close(entry.seq, draft)
        elif draft.kind is Kind.CHECKPOINT:
            self._check_checkpoint(entry.seq, draft)
        self._period.add(entry.seq, draft)

    def follow_once(self, entry: Entry) -> Draft:
        """`follow`, and see that nothing was booked or resolved twice; remembers every id."""
        before, draft = self.head, self.follow(entry)
        resolves = draft.ref if draft.kind in RESOLVING else None
        if entry.entry_id in self._ids or (resolves is not None and resolves in self._resolved):
            self.head = before
            if entry.entry_id in self._ids:
                raise Broken(entry.seq, "I4", "was booked before under the same id")
            raise Broken(entry.seq, "I5", "resolves what is resolved already")
        self._ids.add(entry.entry_id)
        self._resolved.add(resolves)
        return draft

    def check_continues(self, till: str, start: Head, opening: Balances) -> None:
        """A file that says that it begins at ``start`` is the continuation of what was followed. Raises `Broken`."""
        if (till, start) != (self.till, self.head):
            raise Broken(start.seq + 1, "I2", f"does not follow entry {self.head.seq} of till {self.till}")
        if accounts_digest(opening) != accounts_digest(self._balances_now()):
            raise Broken(start.seq + 1, "opening", "the accounts do not hold what the entries before say")

    def _balances_now(self) -> Balances:
        balances = dict(self._balances)
        self._period.carry_into(balances)
        return balances

    def _check_close(self, seq: int, draft: Draft) -> None:
        self._period.carry_into(self._balances)
        wanted = close_body(self._period, self.head.hash, summary(self._balances.items()))
        if self.head == self._start != BEGINNING:
            # What it says of the entries before it shows in their archive; here, what all time comes to.
            wanted |= {key: draft.body.get(key) for key in ("first", "entries", "totals")}
        if draft.body != wanted:
            raise Broken(seq, "close", "does not state what the entries before it say")
        self._ends[self.head.seq] = self.head
        self._period = Period(seq, self.head.seq)

    def _check_checkpoint(self, seq: int, draft: Draft) -> None:
        through = _through(seq, draft)
        if draft.body != checkpoint_body(through, self._balances_now()):
            raise Broken(seq, "checkpoint", "the accounts do not hold what it states")
        if through.seq >= self._start.seq and self._ends.get(through.seq) != through:
            raise Broken(seq, "checkpoint", f"entry {through.seq}, to which it cuts, is not the end of a closed period")


class JournalReading:
    """An exported journal as its lines come. ``audit``: of the journals before it, if there are any."""

    def __init__(self, audit: Audit | None) -> None:
        self.audit = audit
        self.till = "" if audit is None else audit.till
        self._opening: Opening | None = None
        self._held: Balances = {}
        self._begun = self._ended = False
        self.signed: Signed | None = None
        """What stands behind the end, unproven."""

    @property
    def head(self) -> Head:
        return BEGINNING if self.audit is None else self.audit.head

    def take(self, line: Line) -> None:
        """The next line. Raises `Broken`, or ValueError when such a line has no place here."""
        match line:
            case Opening() if self._opening is None:
                self._opening, self.till = line, line.till
            case Held() if self._opening is not None and not self._begun:
                self._held[line.account, line.unit] = line.amount
            case Entry() if self._opening is not None and not self._ended:
                self._begin(self._opening).follow_once(line)
            case Head() if self._opening is not None and not self._ended:
                self._begin(self._opening)
                if line != self.head:
                    raise _cut_off(self.head)
                self._ended = True
            case Signed() if self._ended and self.signed is None:
                self.signed = line
            case _:
                raise ValueError("this line has no place here")

    def check_ended(self) -> None:
        """Raises `Broken` when lines are missing at the end."""
        if not self._ended:
            raise _cut_off(self.head)

    def _begin(self, opening: Opening) -> Audit:
        """All lines that tell the beginning are read."""
        if self.audit is None:
            self.audit = Audit(opening.till, opening.start, self._held)
        elif not self._begun:
            self.audit.check_continues(opening.till, opening.start, self._held)
        self._begun = True
        return self.audit


def _cut_off(head: Head) -> Broken:
    return Broken(head.seq + 1, "I2", "the journal was cut off: its last line does not name the last entry")


def _through(seq: int, draft: Draft) -> Head:
    try:
        through = draft.body["through"]
        return Head(int(through["epoch"]), int(through["seq"]), bytes.fromhex(through["hash"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Broken(seq, "checkpoint", f"names no position: {error}") from error
