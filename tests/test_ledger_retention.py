"""Retention: archive and ledger together are one journal, nothing is booked twice, and nothing else may leave."""

from __future__ import annotations

import io
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.errors import LedgerError
from posd.ledger import retention
from posd.ledger.connection import connect_writer
from posd.ledger.entries import Draft, Entry, Head, Kind
from posd.ledger.export import export_json_lines
from posd.ledger.members import DeltaPage
from posd.ledger.retention import NothingToArchive, archive, closed_before_ms, closed_before_seq
from posd.ledger.stats import stats, trial_balance
from posd.ledger.store import Archived, RequestKey, Store
from posd.ledger.verify import verify_journal, verify_ledger
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.sales import back, enrolment, member, new_id, open_store, sale

EVERYTHING = closed_before_seq(10**9)
SOLD = sale()
KEY = RequestKey.of("register 1", b"sale")


def close(store: Store) -> Entry:
    return store.close_period(new_id(), FakeClock().now())


def settle(store: Store, seq: int | None = None) -> None:
    """The club has everything up to ``seq``, and has told us so."""
    entry = store.reader().entry_by_seq(seq or store.reader().head().seq)
    assert entry is not None
    store.acknowledge(entry.seq, entry.hash).result()
    store.apply_deltas(DeltaPage("c", entry.seq)).result()


def cut(store: Store, file: Path, old: retention.Old = EVERYTHING) -> retention.Taken:
    return archive(store, file, old, entry_id=new_id(), at=FakeClock().now())


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines(keepends=True)


def export(store: Store) -> list[str]:
    out = io.StringIO()
    export_json_lines(store.reader(), out)
    return out.getvalue().splitlines(keepends=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A day of six entries with its close, and another that is not closed."""
    with open_store(tmp_path, till_id="t") as store:
        store.append(enrolment("m1"), provisional=member("m1")).result()
        store.append(SOLD, request=KEY).result()
        for draft in (back(SOLD), sale("m2"), sale(None), sale("m1", earned=3)):
            store.append(draft).result()
        assert close(store).seq == 7
        store.append(sale("m1")).result()
        yield store


def test_what_was_archived_is_in_the_archive_and_the_rest_goes_on(store: Store, tmp_path: Path) -> None:
    settle(store)
    before, accounts = export(store), trial_balance(store.reader())
    taken = cut(store, tmp_path / "a.jsonl")
    assert (taken.first, taken.last) == (1, 6)
    assert [entry.seq for entry in store.reader().entries()] == [7, 8, 9]
    assert trial_balance(store.reader()) == accounts
    assert store.reader().balance("member:m2") == {"PTS": 10}
    archived, rest = lines(tmp_path / "a.jsonl"), export(store)
    assert archived[1:-1] == before[1:7], "the very lines of an export"
    for report in (verify_ledger(store.path), verify_ledger(store.path, [archived]), verify_journal(archived, rest)):
        assert (report.broken, report.head.seq) == (None, 9)
    assert verify_journal(archived).head.seq == 6
    assert verify_journal(rest).ok, "an export of the rest stands alone too"
    figures = stats(store.reader())
    assert (figures.entries, figures.archived, figures.first) == (9, 6, SOLD.at)


def test_the_till_goes_on_as_before(store: Store, tmp_path: Path) -> None:
    settle(store)
    store.apply_deltas(DeltaPage("c", 8, (member("m1", points=13),))).result()
    standing = store.reader().standing("m1")
    cut(store, tmp_path / "a.jsonl")
    assert store.reader().standing("m1") == standing
    assert [entry.seq for entry in store.reader().pending()] == [9], "the checkpoint waits for the club like any entry"
    store.close()
    store = Store.open(store.path, clock=FakeClock(), ballast_bytes=0)
    store.append(sale("m1")).result()
    late = store.acknowledge(3, bytes(32)).result()
    assert late == 8, "an acknowledgement that comes years late changes nothing"
    settle(store)
    assert close(store).seq == 11
    store.close()
    assert verify_ledger(store.path).ok


def test_what_is_archived_is_not_booked_again(store: Store, tmp_path: Path) -> None:
    """I4 and I5 of what has left: by id, by request and by what it had resolved."""
    settle(store)
    cut(store, tmp_path / "a.jsonl")
    for future in (
        store.append(SOLD),
        store.append(sale(), request=KEY),
        store.append(back(SOLD)),
    ):
        refusal = future.exception()
        assert isinstance(refusal, Archived)
        assert "archive" in str(refusal)
    with pytest.raises(Archived):
        store.request(KEY)
    assert store.reader().head().seq == 9
    assert store.append(back(sale())).result().seq == 10, "the control: a void of something else"


def test_archives_follow_one_another(store: Store, tmp_path: Path) -> None:
    """The first checkpoint leaves with the second archive; what vouches for the rest is the second."""
    settle(store)
    cut(store, tmp_path / "1.jsonl")
    store.append(sale("m3")).result()
    close(store)
    store.append(sale("m1", spent=2)).result()
    settle(store)
    taken = cut(store, tmp_path / "2.jsonl")
    assert (taken.first, taken.last) == (7, 10)
    first, second, rest = lines(tmp_path / "1.jsonl"), lines(tmp_path / "2.jsonl"), export(store)
    assert verify_journal(first, second, rest).ok
    assert verify_journal(second).ok
    assert verify_ledger(store.path, [first, second]).ok
    for wrong in ([second, rest, first], [first, rest], [first, first]):
        broken = verify_journal(*wrong).broken
        assert broken is not None
        assert broken.promise == "I2"
    broken = verify_ledger(store.path, [first]).broken
    assert broken is not None
    assert "does not follow" in str(broken)


def test_only_what_is_closed_acknowledged_told_and_old_may_leave(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    with open_store(tmp_path, till_id="t") as store:
        for _ in range(3):
            store.append(sale()).result()
        settle(store)
        with pytest.raises(NothingToArchive, match="closed up to 0"):
            cut(store, file)
        standing = close(store)
        with pytest.raises(NothingToArchive, match="the club has it up to 3"):
            cut(store, file)
        store.acknowledge(standing.seq, standing.hash).result()
        store.apply_deltas(DeltaPage("c", 4, more=True)).result()
        store.apply_deltas(DeltaPage("c", 2)).result()
        told = store.reader().db.execute("select told_seq from till_state").fetchone()
        assert told == (3,), "half a word is none, and no word is taken back"
        for old in (closed_before_seq(3), closed_before_ms(START_MS)):
            with pytest.raises(NothingToArchive):
                cut(store, file, old)
        assert not file.exists()
        assert store.reader().head().seq == 4, "nothing was booked for it"
        assert cut(store, file, closed_before_ms(START_MS + 1)).last == 3


def test_a_file_that_exists_is_left_alone(store: Store, tmp_path: Path) -> None:
    settle(store)
    (tmp_path / "a.jsonl").write_text("precious")
    with pytest.raises(LedgerError, match="exists already"):
        cut(store, tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == "precious"
    assert store.reader().cut().seq == 0
    assert cut(store, tmp_path / "b.jsonl").last == 6
    kinds = [entry.draft.kind.value for entry in store.reader().entries()]
    assert kinds.count("checkpoint") == 1, "the second try took the checkpoint that stood"


def test_it_goes_on_where_it_was_interrupted(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the mark, half of the rows gone: every check holds, every sum is right, and the next archive sweeps."""
    settle(store)
    accounts = trial_balance(store.reader())
    monkeypatch.setattr(retention, "STEP", 2)
    monkeypatch.setattr(retention, "remove_archived", lambda _store: None)
    cut(store, tmp_path / "a.jsonl")
    for left in (9, 7, 5, 3):
        seqs = [entry.seq for entry in store.reader().entries()]
        assert len(seqs) == left
        assert trial_balance(store.reader()) == accounts
        assert verify_ledger(store.path, [lines(tmp_path / "a.jsonl")]).ok
        assert verify_ledger(store.path).ok
        assert verify_journal(lines(tmp_path / "a.jsonl"), export(store)).ok
        store.submit(lambda books: retention._step(books.db)).result()


MARK = """update till_state set (archived_seq, archived_epoch, archived_hash) =
(select seq, epoch, hash from entry where seq = ?)"""


@pytest.mark.parametrize("lacks", ["nothing", "acknowledged", "told", "checkpoint", "closed"])
def test_the_database_itself_guards_the_mark_and_what_is_above_it(store: Store, lacks: str) -> None:
    """Whoever writes; only where nothing lacks does the mark move, and only below it may rows leave."""
    through = 5 if lacks == "closed" else 6
    if lacks != "checkpoint":
        body = {"through": {"seq": through}}
        store.append(Draft(new_id(), Kind.CHECKPOINT, FakeClock().now(), None, (), body)).result()
    known = store.reader().entry_by_seq(3 if lacks == "acknowledged" else 8)
    assert known is not None
    store.acknowledge(known.seq, known.hash).result()
    store.apply_deltas(DeltaPage("c", 4 if lacks == "told" else 8)).result()
    path = store.path
    store.close()
    db = connect_writer(path)
    with closing(db):
        if lacks != "nothing":
            with pytest.raises(sqlite3.IntegrityError, match="I10"):
                db.execute(MARK, (through,))
            return
        for wrong in ("delete from entry where seq = 1", "delete from leg where seq = 2"):
            with pytest.raises(sqlite3.IntegrityError, match="I10"):
                db.execute(wrong)
        db.execute(MARK, (through,))
        with pytest.raises(sqlite3.IntegrityError, match="I10"):
            db.execute(MARK, (through,))
        with pytest.raises(sqlite3.IntegrityError, match="I10"):
            db.execute("delete from entry where seq = 7")
        db.execute("delete from entry where seq <= 6")
        for kept in (
            "delete from archived",
            "update archived set seq = 0",
            "delete from opening",
            "delete from request",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append only"):
                db.execute(kept)


TAMPERED = [
    ("delete from archived where seq = 4", "I4"),
    ("update opening set amount = amount + 1 where account = 'member:m2'", "close"),
    ("delete from opening where unit = 'IRR'", "close"),
    ("insert into opening values ('member:m9', 'PTS', 5), ('member:m8', 'PTS', -5)", "checkpoint"),
    ("update opening set account = 'member:thief' where account = 'member:m2'", "checkpoint"),
    ("update till_state set archived_hash = zeroblob(32)", "I2"),
    ("update till_state set archived_epoch = 7", "I2"),
    ("update till_state set archived_seq = 0, archived_hash = zeroblob(32)", "I2"),
    ("delete from entry where seq = 7", "I2"),
    ("delete from entry where kind = 'checkpoint'", "checkpoint"),
    ("update archived set id = (select id from entry where seq = 8) where seq = 4", "I4"),
]


@pytest.mark.parametrize(("statement", "promise"), TAMPERED)
def test_a_cut_ledger_that_was_tampered_with_is_found(
    store: Store, tmp_path: Path, statement: str, promise: str
) -> None:
    settle(store)
    cut(store, tmp_path / "a.jsonl")
    store.close()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        for (name,) in connection.execute("select name from sqlite_schema where type = 'trigger'").fetchall():
            connection.execute(f"drop trigger {name}")
        assert verify_ledger(store.path).ok
        connection.execute(statement)
    broken = verify_ledger(store.path).broken
    assert broken is not None
    assert broken.promise == promise


@pytest.mark.slow
def test_sales_go_on_while_the_old_leaves(tmp_path: Path) -> None:
    with open_store(tmp_path, till_id="t") as store:
        for future in [store.append(sale(f"m{n % 300}")) for n in range(3000)]:
            future.result()
        close(store)
        settle(store)
        slowest, done = 0.0, Event()

        def sell() -> float:
            slowest = 0.0
            while not done.is_set():
                start = monotonic()
                store.append(sale()).result()
                slowest = max(slowest, monotonic() - start)
                done.wait(0.01)
            return slowest

        with ThreadPoolExecutor(1) as pool:
            selling = pool.submit(sell)
            assert cut(store, tmp_path / "a.jsonl").last == 3000
            done.set()
            slowest = selling.result()
        print(f"the slowest sale took {slowest * 1000:.1f} ms")
        assert slowest < 1, "generous: other tests run beside this one"
        assert store.reader().entries(limit=1)[0].seq == 3001
    assert verify_ledger(store.path, [lines(tmp_path / "a.jsonl")]).ok


# Random journals, random cuts.

OPS = st.lists(
    st.one_of(
        st.tuples(st.just("sale"), st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("void"), st.integers(0, 30)),
        st.just(("close",)),
        st.tuples(st.just("settle"), st.integers(0, 3)),
        st.tuples(st.just("cut"), st.integers(0, 60)),
        st.just(("restart",)),
    ),
    max_size=30,
)


class Life:
    """A ledger that may be cut, and beside it the journal as it would be had nothing ever left it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = self.open()
        self.whole: list[Entry] = []
        self.sold: list[Draft] = []
        self.archives: list[list[str]] = []

    def open(self) -> Store:
        return Store.open(self.folder / "ledger.db", till_id="t", clock=FakeClock(), ballast_bytes=0)

    def do(self, op: tuple[object, ...]) -> None:
        match op:
            case ("sale", int(who), int(earned), int(spent)):
                self.sold.append(sale(f"m{who}", earned=earned, spent=spent))
                self.store.append(self.sold[-1]).result()
            case ("void", int(n)) if self.sold:
                self.store.append(back(self.sold[n % len(self.sold)])).exception()
            case ("close",) if self.whole:
                close(self.store)
            case ("settle", int(behind)) if len(self.whole) > behind:
                seq = len(self.whole) - behind
                if seq > self.store.reader().acked_seq():
                    settle(self.store, seq)
            case ("cut", int(seq)):
                self.cut(seq)
            case ("restart",):
                self.store.close()
                self.store = self.open()
        self.whole += self.store.reader().entries(len(self.whole))

    def cut(self, seq: int) -> None:
        file = self.folder / f"{len(self.archives)}.jsonl"
        try:
            cut(self.store, file, closed_before_seq(seq))
        except NothingToArchive:
            assert not file.exists()
        else:
            self.archives.append(lines(file))


@pytest.mark.slow
@settings(max_examples=40)
@given(ops=OPS, data=st.data())
def test_archives_and_the_rest_are_the_whole_and_a_changed_byte_is_found(
    ops: list[tuple[object, ...]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory(prefix="posd-retention-") as folder:
        life = Life(Path(folder))
        try:
            for op in [("sale", 1, 5, 0), *ops, ("close",), ("sale", 2, 1, 1), ("settle", 0), ("cut", 60)]:
                life.do(op)
            files = [*life.archives, export(life.store)]
            head = life.whole[-1]
            report = verify_journal(*files)
            assert (report.broken, report.head) == (None, Head(0, head.seq, head.hash))
            assert verify_ledger(life.store.path).broken is None
            assert verify_ledger(life.store.path, life.archives).broken is None
            entries = [line for file in files for line in file if line.startswith('{"entry"')]
            assert len(entries) == len(life.whole), "every entry is somewhere, once"
            check_a_byte(files, data)
        finally:
            life.store.close()


def check_a_byte(files: list[list[str]], data: st.DataObject) -> None:
    """Change one byte of one file to any other: never is that a journal."""
    which = data.draw(st.integers(0, len(files) - 1))
    raw = bytearray("".join(files[which]).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryFile("w+b") as file:
        file.write(raw)
        file.seek(0)
        with io.TextIOWrapper(file, encoding="utf-8", newline="\n") as changed:
            report = verify_journal(*files[:which], changed, *files[which + 1 :])
    assert report.broken is not None, (place, bytes(raw[max(0, place - 20) : place + 20]))
