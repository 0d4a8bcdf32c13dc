-- Leases that hold something still: one row for each unit, kept by the legs alone. A lease that is used up or given back
-- has no row, and nothing can be taken out of a lease that has none.
create table lease (
    account  text    not null,
    unit     text    not null,
    seq      integer not null,                  -- the entry that took it up
    member   text    not null,
    rest     integer not null check (rest > 0),
    recalled integer not null default 0 check (recalled in (0, 1)),  -- the club asks for it
    primary key (account, unit)
) strict, without rowid;

create index lease_of_member on lease (member, seq);

create trigger lease_taken after insert on leg when new.account glob 'lease:*' and new.amount > 0 begin
    select raise(abort, 'I6: only the entry that a lease is named after fills it')
     where not exists (select 1 from entry
                        where seq = new.seq and kind = 'lease' and new.account = 'lease:' || lower(hex(id)));
    insert into lease (account, unit, seq, member, rest)
        select new.account, new.unit, new.seq, member, new.amount from entry where seq = new.seq;
end;

create trigger lease_drawn after insert on leg when new.account glob 'lease:*' and new.amount < 0 begin
    select raise(abort, 'I6: this lease does not hold that much')
     where not exists (select 1 from lease join entry on entry.seq = new.seq
                        where lease.account = new.account and lease.unit = new.unit
                          and lease.rest + new.amount >= 0 and lease.member = entry.member);
    delete from lease where account = new.account and unit = new.unit and rest + new.amount = 0;
    update lease set rest = rest + new.amount where account = new.account and unit = new.unit;
end;
