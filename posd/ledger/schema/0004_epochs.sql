-- Two ledgers under one name: spending stops when the club has other entries of this till, and goes on when the club says
-- so. And the club itself may come back from a backup: then what it lost waits in the outbox again.

alter table till_state add column spending text not null default 'free'
    check (spending in ('free', 'doubted', 'frozen'));
alter table till_state add column losses integer not null default 0;   -- how often the club forgot entries of ours

drop trigger acknowledged_once;
create trigger acknowledged_once before update of acked_seq, acked_hash on till_state
  when (new.acked_seq < old.acked_seq and new.losses <> old.losses + 1)   -- back only on purpose
    or (new.acked_seq > 0 and new.acked_hash is not (select hash from entry where seq = new.acked_seq)) begin
    select raise(abort, 'I8: not a position of this journal');
end;

create trigger lost_by_the_club after update of acked_seq on till_state when new.acked_seq < old.acked_seq begin
    insert or ignore into outbox (seq) select seq from entry where seq > new.acked_seq and seq <= old.acked_seq;
end;
