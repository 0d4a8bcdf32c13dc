-- Day close and retention. What was closed, acknowledged and written into an archive may leave the file; its ids, its
-- request keys and the sums of its legs stay for ever.

-- The club's word, as last heard, includes our own entries up to here.
alter table till_state add column told_seq integer not null default 0;
-- Entries up to here are in an archive; the position is where the chain of this file begins.
alter table till_state add column archived_seq integer not null default 0;
alter table till_state add column archived_epoch integer not null default 0;
alter table till_state add column archived_hash blob not null
    default x'0000000000000000000000000000000000000000000000000000000000000000';

create index entry_statement on entry (kind, seq) where kind in ('close', 'checkpoint');

-- I4 and I5 of what has left.
create table archived (
    id       blob    primary key,
    seq      integer not null,
    resolved blob                               -- what it had resolved
) strict, without rowid;
create unique index archived_resolves_once on archived (resolved) where resolved is not null;

-- Sums of the legs that have left: with those that are here, each account is complete.
create table opening (
    account text    not null,
    unit    text    not null,
    amount  integer not null,
    primary key (account, unit)
) strict, without rowid;

-- A request key outlives its entry, so it may not refer to the row.
create table request_kept_for_ever (
    key_hash  blob    primary key check (length(key_hash) = 32),
    body_hash blob    not null check (length(body_hash) = 32),
    seq       integer not null
) strict, without rowid;
insert into request_kept_for_ever select key_hash, body_hash, seq from request;
drop table request;
alter table request_kept_for_ever rename to request;
create trigger request_booked before insert on request when not exists (select 1 from entry where seq = new.seq) begin
    select raise(abort, 'no such entry');
end;
create trigger request_unchanged before update on request begin select raise(abort, 'append only'); end;
create trigger request_kept before delete on request begin select raise(abort, 'append only'); end;

create trigger entry_is_new before insert on entry begin
    select raise(abort, 'I4: booked before, and archived') where exists (select 1 from archived where id = new.id);
    select raise(abort, 'I5: resolved before, and archived')
     where new.kind in ('void') and exists (select 1 from archived where resolved = new.ref);
end;

-- I10: the mark moves only forward, to the last entry of a closed period that the club has and has told us about, and
-- only when a checkpoint names that very position.
create trigger archived_once before update of archived_seq, archived_epoch, archived_hash on till_state begin
    select raise(abort, 'I10: not a position that may be archived')
     where new.archived_seq <= old.archived_seq
        or new.archived_seq >= new.acked_seq
        or new.archived_seq > new.told_seq
        or not exists (select 1 from entry where seq = new.archived_seq + 1 and kind = 'close')
        or not exists (
            select 1 from entry where seq = new.archived_seq
               and epoch = new.archived_epoch and hash = new.archived_hash)
        or not exists (
            select 1 from entry as point, json_each(cast(point.payload as text), '$.body.through.seq') as through
             where point.kind = 'checkpoint' and point.seq > new.archived_seq and through.value = new.archived_seq);
end;
create trigger told_forward before update of told_seq on till_state when new.told_seq < old.told_seq begin
    select raise(abort, 'told once is told');
end;

drop trigger entry_kept;
create trigger entry_kept before delete on entry begin
    select raise(abort, 'append only: this is in no archive (I10)') where old.seq > (select archived_seq from till_state);
    delete from leg where seq = old.seq;
    delete from parked where seq = old.seq;
    insert into archived (id, seq, resolved) values (old.id, old.seq, iif(old.kind in ('void'), old.ref, null));
end;
drop trigger leg_kept;
create trigger leg_kept before delete on leg begin
    select raise(abort, 'append only: this is in no archive (I10)') where old.seq > (select archived_seq from till_state);
    insert into opening (account, unit, amount) values (old.account, old.unit, old.amount)
        on conflict (account, unit) do update set amount = amount + excluded.amount;
end;

create trigger archived_unchanged before update on archived begin select raise(abort, 'append only'); end;
create trigger archived_kept before delete on archived begin select raise(abort, 'append only'); end;
create trigger opening_kept before delete on opening begin select raise(abort, 'append only'); end;
