-- 0431: copies. A fork begins with all entries of the session that it was forked from, under a new session id. Of the conversations of a user
-- that have an entry, one owns it; in the others it is a copy, which counts nowhere. The owner follows from what is stored, not from the order
-- of uploads.
-- migrate:up
create table private.fork_pairs (
  one        uuid not null,
  other      uuid not null,
  since      timestamptz,
  is_first   boolean,
  is_settled boolean not null default false,
  constraint fork_pairs_pkey primary key (one, other),
  constraint fork_pairs_one foreign key (one) references observatory.conversations (id) on delete cascade,
  constraint fork_pairs_other foreign key (other) references observatory.conversations (id) on delete cascade,
  constraint fork_pairs_two check (one <> other)
);
comment on table private.fork_pairs is 'Conversations that share entries, each pair in both directions, and which of the two owns what they share.';
comment on column private.fork_pairs.since is
  'The earliest time of an entry of the one that the other does not have. Null: the one ends where the other goes on.';
comment on column private.fork_pairs.is_first is 'Whether the one comes before the other. Null: the pair is new.';
comment on column private.fork_pairs.is_settled is 'False while some of their entries still count for the wrong one.';
create index fork_pairs_by_other on private.fork_pairs (other);
create index fork_pairs_unsettled on private.fork_pairs (one, other) where not is_settled;

alter table private.fork_pairs enable row level security;
alter table private.fork_pairs force row level security;

-- In this file the other copies of an entry are a query of their own (offset 0) for each entry: as a join, the planner may read all entries of the
-- owner for each, while it expects few of them.

-- The earliest time of an entry of a conversation, not before `after`, that another conversation does not have.
create function private.fork_since(one uuid, other uuid, after timestamptz default '-infinity') returns timestamptz
  language sql stable
  set search_path = ''
  as $$
select m.occurred_at
-- By the conversation, and not by the time, however few messages of later times the planner expects.
from (select o.* from observatory.messages as o where o.conversation_id = fork_since.one offset 0) as m
where m.occurred_at >= fork_since.after and m.role is not null
  -- Equal for an entry without a time of its own.
  and m.occurred_at <> m.created_at
  and not exists (
    select from observatory.messages as o where o.conversation_id = fork_since.other and o.entry_uuid = m.entry_uuid offset 0
  )
order by m.occurred_at
limit 1
$$;
revoke execute on function private.fork_since(uuid, uuid, timestamptz) from public;

-- Decides which conversation of each pair comes first: one that is not deleted; then one without hooks, which is older than the hooks, or the
-- one that hooks saw first; then one that ends where the other goes on; then the one that went on first. Only entries that the two do not share
-- are compared, so a chain of forks of any depth has one order: a fork of the fork does not change how the fork compares with the first session.
create function private.order_forks(conversation_ids uuid[]) returns void
  language sql volatile
  set search_path = ''
  as $$
update private.fork_pairs as p set is_first = n.is_first, is_settled = false
from (
  select
    f.one, f.other,
    (
      a.deleted_at is not null, coalesce(a.live_since, '-infinity'), coalesce(f.since, '-infinity'), a.session_id collate "C",
      coalesce(a.agent_id, '') collate "C"
    ) < (
      b.deleted_at is not null, coalesce(b.live_since, '-infinity'), coalesce(g.since, '-infinity'), b.session_id collate "C",
      coalesce(b.agent_id, '') collate "C"
    ) as is_first
  from private.fork_pairs as f
  inner join private.fork_pairs as g on g.one = f.other and g.other = f.one
  inner join observatory.conversations as a on a.id = f.one
  inner join observatory.conversations as b on b.id = f.other
  where f.one = any (order_forks.conversation_ids) or f.other = any (order_forks.conversation_ids)
) as n
where p.one = n.one and p.other = n.other and p.is_first is distinct from n.is_first
$$;
revoke execute on function private.order_forks(uuid[]) from public;

-- The first of conversations that share an entry: the one that comes before most of the others.
create function private.first_of_forks(conversation_ids uuid[]) returns uuid
  language sql stable
  set search_path = ''
  as $$
select c.id
from observatory.conversations as c
where c.id = any (first_of_forks.conversation_ids)
order by (
  select count(*)
  from private.fork_pairs as p
  where p.one = c.id and p.other = any (first_of_forks.conversation_ids) and p.is_first
) desc, c.session_id collate "C", c.agent_id collate "C" nulls first
limit 1
$$;
revoke execute on function private.first_of_forks(uuid[]) from public;

-- Decides the owner of each of these entries, for at most so many that have a wrong one, and returns for how many. A copy that names its
-- original (forkedFrom) comes after all others.
create function private.settle_entries(owner uuid, entry_uuids text[], most bigint default 2000) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  wrong text[];
  turned uuid[];
begin
  with held as materialized (
    select m.id, m.entry_uuid, m.conversation_id, m.is_copy, rank() over (
      partition by m.entry_uuid order by c.deleted_at is not null, m.forked_from is not null
    ) as place
    from (select distinct u.id from unnest(settle_entries.entry_uuids) as u (id)) as e
    cross join lateral (
      select o.* from observatory.messages as o where o.owner_id = settle_entries.owner and o.entry_uuid = e.id offset 0
    ) as m
    inner join observatory.conversations as c on c.id = m.conversation_id
  ),

  -- With the conversations that may own the entry. Entries are not joined with each other: of thousands, each would be compared with all others
  -- where the planner expects few.
  listed as materialized (
    select h.*, array_agg(h.conversation_id) filter (where h.place = 1) over (
      partition by h.entry_uuid order by h.conversation_id rows between unbounded preceding and unbounded following
    ) as candidates
    from held as h
  ),

  -- Of thousands of entries the candidates are the same few conversations.
  owners as materialized (
    select d.ids, case when cardinality(d.ids) = 1 then d.ids[1] else private.first_of_forks(d.ids) end as id
    from (select distinct l.candidates as ids from listed as l) as d
  ),

  -- All copies of an entry change in one call.
  mended as materialized (
    select p.*, dense_rank() over (order by p.entry_uuid) as n
    from (
      select l.id, l.entry_uuid, l.is_copy, l.conversation_id <> o.id as is_later
      from listed as l
      inner join owners as o on o.ids = l.candidates
    ) as p
    where p.is_copy <> p.is_later
  ),

  changed as (
    update observatory.messages as m set is_copy = p.is_later
    from mended as p
    where m.id = p.id and p.n <= settle_entries.most
    returning m.id
  )

  select array(select c.id from changed as c), array(select distinct e.entry_uuid from mended as e where e.n <= settle_entries.most order by 1)
  into turned, wrong;
  if wrong = '{}' then
    return 0;
  end if;

  with turned_calls as materialized (
    select o.id, m.is_copy
    from observatory.messages as m
    cross join lateral (select r.id, r.is_copy from observatory.tool_calls as r where r.message_id = m.id offset 0) as o
    where m.id = any (turned) and o.is_copy <> m.is_copy
  )

  update observatory.tool_calls as t set is_copy = c.is_copy
  from turned_calls as c
  where t.id = c.id and t.id = any (array(select k.id from turned_calls as k));

  -- Another copy of the entry is searched now, or is not any more, by where its new owner is.
  perform private.index_vectors(array(
    select m.id
    from observatory.messages as m
    where m.owner_id = settle_entries.owner and m.entry_uuid = any (wrong) and (m.is_copy or m.id = any (turned))
  ));

  with moved as materialized (
    select r.id, m.project_id, m.conversation_id, m.id as message_id
    from observatory.messages as m
    cross join lateral (
      select o.id, o.message_id from observatory.usage_records as o where o.owner_id = m.owner_id and o.entry_uuid = m.entry_uuid offset 0
    ) as r
    where m.owner_id = settle_entries.owner and m.entry_uuid = any (wrong) and not m.is_copy and r.message_id <> m.id
  )

  update observatory.usage_records as u
  set project_id = n.project_id, conversation_id = n.conversation_id, message_id = n.message_id
  from moved as n
  where u.id = n.id and u.id = any (array(select k.id from moved as k));
  return cardinality(wrong);
end
$$;
revoke execute on function private.settle_entries(uuid, text[], bigint) from public;

-- Decides the owners of entries that conversations share with others, where the order of a pair has changed. Returns how many owners have
-- changed; what is beyond `most` waits for the next call, or for the job. `settled` are entries whose owners the caller has just decided.
create function private.settle_pairs(conversation_ids uuid[], most bigint default 2000, settled text[] default '{}') returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  pair record;
  owner uuid;
  -- Of this owner. To settle an entry reads all of its copies, and many pairs may share it.
  seen text[] := settled;
  shared text[];
  done bigint := 0;
begin
  perform private.order_forks(settle_pairs.conversation_ids);
  for pair in
    select f.one, f.other, a.owner_id
    from private.fork_pairs as f
    inner join observatory.conversations as a on a.id = f.one
    where not f.is_settled and f.one < f.other
      and (f.one = any (settle_pairs.conversation_ids) or f.other = any (settle_pairs.conversation_ids))
    order by a.owner_id, f.one, f.other
  loop
    exit when done >= most;
    if owner <> pair.owner_id then
      seen := '{}';
    end if;
    owner := pair.owner_id;
    shared := array(
      select m.entry_uuid
      from observatory.messages as m
      where m.conversation_id = pair.one and exists (
        select from observatory.messages as o where o.conversation_id = pair.other and o.entry_uuid = m.entry_uuid offset 0
      )
      except
      select s.id from unnest(seen) as s (id)
    );
    if shared <> '{}' then
      done := done + private.settle_entries(owner, shared, most - done);
      seen := seen || shared;
    end if;
    update private.fork_pairs as p set is_settled = done < most
    where (p.one = pair.one and p.other = pair.other) or (p.one = pair.other and p.other = pair.one);
  end loop;
  return done;
end
$$;
revoke execute on function private.settle_pairs(uuid[], bigint, text[]) from public;

-- Decides the owners of entries that a user has just sent, or deleted, in these conversations. The caller holds the owner's lock and has stored
-- their messages and usage. Returns how many owners have changed. Only pairs with one of the conversations can be new or have changed. An
-- entry may be in hundreds of forks: all pairs of these would be ten thousands, with all entries of each.
create function private.settle_copies(owner uuid, conversation_ids uuid[], entry_uuids text[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  shared text[];
  done bigint;
begin
  -- Entries that have a second message.
  shared := array(
    select e.id
    from (select distinct u.id from unnest(settle_copies.entry_uuids) as u (id)) as e
    where exists (
      select from observatory.messages as m where m.owner_id = settle_copies.owner and m.entry_uuid = e.id offset 1
    )
  );
  if shared = '{}' and not exists (
    select from private.fork_pairs as p where p.one = any (settle_copies.conversation_ids)
  ) then
    return 0;
  end if;

  insert into private.fork_pairs (one, other)
  select each.one, each.other
  from (
    select distinct m.conversation_id as here, n.conversation_id as there
    from observatory.messages as m
    cross join lateral (
      select o.conversation_id from observatory.messages as o
      where o.owner_id = m.owner_id and o.entry_uuid = m.entry_uuid and o.conversation_id <> m.conversation_id
      offset 0
    ) as n
    where m.conversation_id = any (settle_copies.conversation_ids) and m.owner_id = settle_copies.owner and m.entry_uuid = any (shared)
  ) as pair
  cross join lateral (values (pair.here, pair.there), (pair.there, pair.here)) as each (one, other)
  on conflict on constraint fork_pairs_pkey do nothing;
  update private.fork_pairs as p set since = private.fork_since(p.one, p.other)
  where (p.one = any (settle_copies.conversation_ids) or p.other = any (settle_copies.conversation_ids)) and p.is_first is null;

  -- The time of an older pair changes if the other conversation has that entry now, or if an earlier one was stored.
  update private.fork_pairs as p set since = private.fork_since(p.one, p.other, p.since)
  from (
    select m.conversation_id as one, n.conversation_id as other, min(m.occurred_at) as at
    from observatory.messages as n
    cross join lateral (
      select o.conversation_id, o.occurred_at from observatory.messages as o
      where o.owner_id = n.owner_id and o.entry_uuid = n.entry_uuid and o.conversation_id <> n.conversation_id
      offset 0
    ) as m
    where n.conversation_id = any (settle_copies.conversation_ids) and n.owner_id = settle_copies.owner and n.entry_uuid = any (shared)
    group by m.conversation_id, n.conversation_id
  ) as shared_now
  where p.one = shared_now.one and p.other = shared_now.other and p.is_first is not null and p.since >= shared_now.at;
  update private.fork_pairs as p set since = earlier.at
  from (
    select f.one, f.other, min(m.occurred_at) as at
    from private.fork_pairs as f
    cross join (select distinct u.id from unnest(settle_copies.entry_uuids) as u (id)) as e
    cross join lateral (
      select o.* from observatory.messages as o where o.conversation_id = f.one and o.entry_uuid = e.id offset 0
    ) as m
    where f.one = any (settle_copies.conversation_ids) and f.is_first is not null and m.owner_id = settle_copies.owner
      and m.role is not null and m.occurred_at <> m.created_at
      and (f.since is null or m.occurred_at < f.since)
      and not exists (
        select from observatory.messages as o where o.conversation_id = f.other and o.entry_uuid = m.entry_uuid offset 0
      )
    group by f.one, f.other
  ) as earlier
  where p.one = earlier.one and p.other = earlier.other;

  perform private.order_forks(settle_copies.conversation_ids);
  done := private.settle_entries(settle_copies.owner, shared, cardinality(shared));
  return done + private.settle_pairs(settle_copies.conversation_ids, settled => shared);
end
$$;
revoke execute on function private.settle_copies(uuid, uuid[], text[]) from public;

-- Trigger: when a conversation is deleted, others become the owners of the entries that it shared with them.
create function private.hand_over_conversation() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  if exists (select from private.fork_pairs as p where p.one = old.id) then
    perform private.settle_entries(old.owner_id, array(
      select m.entry_uuid
      from observatory.messages as m
      where m.conversation_id = old.id and exists (
        select from observatory.messages as o
        where o.owner_id = m.owner_id and o.entry_uuid = m.entry_uuid and o.conversation_id <> m.conversation_id
        offset 0
      )
    ), 9223372036854775807);
  end if;
  return null;
end
$$;
revoke execute on function private.hand_over_conversation() from public;
-- Triggers fire in the order of their names, and this one has to come before those of the foreign keys, RI_..., which delete the usage.
create trigger "Hand over" after delete on observatory.conversations
  for each row execute function private.hand_over_conversation();

-- Trigger: the same for a message that is deleted by itself.
create function private.hand_over_copies() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  left_ record;
begin
  for left_ in
    select o.owner_id, array_agg(distinct o.entry_uuid) as entry_uuids
    from old_rows as o
    where not o.is_copy and exists (
      select from observatory.messages as m where m.owner_id = o.owner_id and m.entry_uuid = o.entry_uuid offset 0
    )
    group by o.owner_id
    order by o.owner_id
  loop
    perform private.settle_entries(left_.owner_id, left_.entry_uuids, cardinality(left_.entry_uuids));
  end loop;
  return null;
end
$$;
revoke execute on function private.hand_over_copies() from public;
create trigger messages_copies after delete on observatory.messages referencing old table as old_rows
  for each statement execute function private.hand_over_copies();

-- Trigger: the order of a pair changes when a conversation is deleted, or when a hook reports an earlier start.
create function private.settle_forks() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  changed uuid[];
begin
  -- Not by a join: that is planned for one row, and would compare each of ten thousand with all others.
  select array_agg(c.id) into changed
  from (
    select n.id, n.deleted_at, n.live_since from new_rows as n
    except
    select o.id, o.deleted_at, o.live_since from old_rows as o
  ) as c
  where exists (select from private.fork_pairs as p where p.one = c.id offset 0);
  if changed is not null then
    perform private.settle_pairs(changed);
  end if;
  return null;
end
$$;
revoke execute on function private.settle_forks() from public;
-- By its name after those that take what a deleted conversation held out of sums.
create trigger conversations_settle_forks after update on observatory.conversations
  referencing old table as old_rows new table as new_rows
  for each statement execute function private.settle_forks();

-- Job: goes on where an upload or a deletion left entries for later, and returns how many owners have changed. Pairs come in another order each
-- time, in small parts and until a time, so that none whose entries cannot be settled keeps others waiting.
create function private.settle_forks_later() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- The job is one statement, which has eight seconds.
  until_ constant timestamptz := clock_timestamp() + interval '3 seconds';
  pair record;
  done bigint := 0;
begin
  for pair in
    select p.one, c.owner_id
    from private.fork_pairs as p
    inner join observatory.conversations as c on c.id = p.one
    where not p.is_settled and p.one < p.other
    order by random()
    limit 100
  loop
    exit when done >= 5000 or clock_timestamp() > until_;
    begin
      -- An upload of the user's is under way: it settles the entries itself.
      if pg_try_advisory_xact_lock(hashtextextended(pair.owner_id::text, 420)) then
        done := done + private.settle_pairs(array[pair.one], least(2000, 5000 - done));
      end if;
    exception
      when query_canceled then
        -- The time of the statement is over; what others have got is kept.
        raise warning 'settle_forks: % takes too long', pair.one;
        return done;
      when others then
        raise warning 'settle_forks: % cannot be settled: %', pair.one, sqlstate;
    end;
  end loop;
  return done;
end
$$;
revoke execute on function private.settle_forks_later() from public;

insert into private.jobs (name, function, schedule, description, more_from) values (
  'settle_forks', 'private.settle_forks_later', '*/5 * * * *', 'Decides which session owns entries of forks, where an upload left some for later.',
  -- A run may end by the clock, with few owners.
  1
);

-- migrate:down
delete from private.jobs where name = 'settle_forks';
drop trigger conversations_settle_forks on observatory.conversations;
drop trigger messages_copies on observatory.messages;
drop trigger "Hand over" on observatory.conversations;
drop function private.settle_forks_later();
drop function private.settle_forks();
drop function private.hand_over_copies();
drop function private.hand_over_conversation();
drop function private.settle_copies(uuid, uuid[], text[]);
drop function private.settle_pairs(uuid[], bigint, text[]);
drop function private.settle_entries(uuid, text[], bigint);
drop function private.first_of_forks(uuid[]);
drop function private.order_forks(uuid[]);
drop function private.fork_since(uuid, uuid, timestamptz);
drop table private.fork_pairs;
