-- The ledger of one till. Needs SQLite 3.38 (STRICT tables, JSON built in).
--
-- `entry.payload` is the truth: the bytes that were hashed and that are sent. Legs and the outbox row are made from it by
-- the database itself, inside the statement that books the entry, so the three cannot disagree.

create table till_state (
    one           integer primary key check (one = 1),
    till_id       text    not null check (till_id <> ''),
    epoch         integer not null check (epoch >= 0),
    acked_seq     integer not null default 0,   -- the club has everything up to here
    acked_hash    blob    not null default (zeroblob(32)),
    verified_seq  integer not null default 0,   -- where the check at the next start begins
    verified_hash blob    not null default (zeroblob(32)),
    cursor        text,                         -- the club's change feed; null: from the beginning
    feed          integer not null default 0,   -- how often the feed was begun anew
    swept_feed    integer not null default 0    -- the last feed that was read to its end
) strict;

create table entry (
    seq     integer primary key check (seq > 0),
    epoch   integer not null,
    id      blob    not null unique check (length(id) = 16),      -- I4: booked once, for ever
    kind    text    not null,
    member  text,
    ref     blob    check (length(ref) = 16),
    payload blob    not null,
    prev    blob    not null check (length(prev) = 32),
    hash    blob    not null check (length(hash) = 32)
) strict;

create index entry_ref on entry (ref) where ref is not null;
create unique index entry_resolves_once on entry (ref) where kind in ('void');   -- I5

create table leg (
    seq     integer not null references entry (seq),
    n       integer not null,
    account text    not null,
    unit    text    not null,
    amount  integer not null check (amount <> 0),
    primary key (seq, n)
) strict, without rowid;

-- Only members' accounts are asked for while a customer waits.
create index leg_of_member on leg (account, seq, unit, amount) where account glob 'member:*';

create table outbox (
    seq          integer primary key references entry (seq),
    attempts     integer not null default 0,
    next_boot    text,                          -- no attempt before this monotonic time of this boot; the wall clock
    next_mono_ns integer,                       -- decides nothing, and another boot is a good reason to try at once
    state        text    not null default 'due' check (state in ('due', 'quarantined')),
    reason       text    not null default ''
) strict;

-- What the club stored but could not post. It waits for a person and holds nothing up.
create table parked (
    seq    integer primary key references entry (seq),
    reason text not null
) strict;

create table request (
    key_hash  blob    primary key check (length(key_hash) = 32),
    body_hash blob    not null check (length(body_hash) = 32),
    seq       integer not null references entry (seq)
) strict, without rowid;

create trigger entry_follows before insert on entry begin
    select raise(abort, 'I2: not the next seq')
     where new.seq is not (select coalesce(max(seq), 0) + 1 from entry);
    select raise(abort, 'I2: an epoch cannot come back')
     where new.epoch < (select epoch from entry where seq = new.seq - 1);
    select raise(abort, 'I2: prev is not the hash of the entry before')
     where new.prev is not coalesce((select hash from entry where seq = new.seq - 1 and epoch = new.epoch), zeroblob(32));
end;

create trigger entry_booked after insert on entry begin
    -- A leg is an array of three. (Not json_extract: with trusted_schema off, SQLite 3.40 takes it for unsafe.)
    insert into leg (seq, n, account, unit, amount)
        select new.seq, line.key, account.value, unit.value, amount.value
          from json_each(cast(new.payload as text), '$.legs') as line,
               json_each(line.value, '$[0]') as account,
               json_each(line.value, '$[1]') as unit,
               json_each(line.value, '$[2]') as amount;
    select raise(abort, 'I3: legs do not sum to zero')
     where exists (select 1 from leg where seq = new.seq group by unit having sum(amount) <> 0);
    insert into outbox (seq) values (new.seq);
end;

-- An entry's books are open only until its outbox row stands.
create trigger leg_closed before insert on leg
  when new.seq <= (select acked_seq from till_state) or exists (select 1 from outbox where seq = new.seq) begin
    select raise(abort, 'I3: the entry is closed');
end;

create trigger entry_unchanged before update on entry begin select raise(abort, 'append only'); end;
create trigger entry_kept before delete on entry begin select raise(abort, 'append only'); end;
create trigger leg_unchanged before update on leg begin select raise(abort, 'append only'); end;
create trigger leg_kept before delete on leg begin select raise(abort, 'append only'); end;
create trigger request_unchanged before update on request begin select raise(abort, 'append only'); end;
create trigger request_kept before delete on request begin select raise(abort, 'append only'); end;

create trigger till_named before update of till_id, epoch on till_state
  when (new.till_id <> old.till_id and exists (select 1 from entry)) or new.epoch < old.epoch begin
    select raise(abort, 'the till''s name is in the hash of every entry');
end;
create trigger till_state_kept before delete on till_state begin select raise(abort, 'append only'); end;

-- I7: acknowledging is moving this mark; nothing else takes a row out of the outbox (I10).
create trigger acknowledged_once before update of acked_seq, acked_hash on till_state
  when new.acked_seq < old.acked_seq
    or (new.acked_seq > 0 and new.acked_hash is not (select hash from entry where seq = new.acked_seq)) begin
    select raise(abort, 'I8: not a position of this journal');
end;
create trigger acknowledged after update of acked_seq on till_state begin
    delete from outbox where seq <= new.acked_seq;
end;
create trigger outbox_kept before delete on outbox when old.seq > (select acked_seq from till_state) begin
    select raise(abort, 'I10: not acknowledged');
end;

-- A cache of the club's truth; all below may be thrown away and fetched again.
create table member (
    member_id    text    primary key,
    name         text    not null,
    phone_mask   text    not null,
    tier         text,
    balances     text    not null,              -- JSON: unit -> integer
    progress     text    not null,
    version      integer not null,
    state        text    not null,
    included_seq integer not null,              -- own entries up to here are in `balances`
    feed         integer not null,
    provisional  integer not null check (provisional in (0, 1))   -- 1: enrolled here, the club has not said it yet
) strict, without rowid;

create table member_key (
    key       text    primary key,              -- hex of an HMAC; never a card or phone number
    member_id text    not null references member (member_id) on delete cascade,
    since_seq integer not null                  -- own entry that gave it; 0: the club did
) strict, without rowid;
create index member_key_of on member_key (member_id);

create table program (
    n        integer primary key,
    document text not null
) strict;
