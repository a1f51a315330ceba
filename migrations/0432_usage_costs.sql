-- 0432: costs of usage records. A record is priced when it is counted, by the prices of its day. Later price lists price what had no
-- price; they change no other cost unless an owner asks for it, who gets a receipt.
-- migrate:up
-- The provider and the model under which prices are listed, for a model as an agent names it: by an operator's own row of that name, or by
-- the rules of the loaded lists. The agent's own provider comes first: others that resell the model lack prices.
create function private.priced_model(source text, name text, out provider text, out listed text)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  maker constant text := case source when 'claude' then 'anthropic' when 'codex' then 'openai' when 'gemini' then 'google' end;
begin
  select p.provider, p.model into priced_model.provider, priced_model.listed
  from private.model_prices as p
  where p.provider = maker and p.model = priced_model.name
  limit 1;
  if not found then
    select m.provider, m.model into priced_model.provider, priced_model.listed from private.find_model(maker, priced_model.name) as m;
  end if;
end
$$;
revoke execute on function private.priced_model(text, text) from public;

-- What a record costs by the prices of a provider's model, in micro-USD, and the row of prices that this is made of; both null where any
-- price is missing.
create function private.usage_cost(
  provider text, model text, variant text, geo text, at timestamptz, input bigint, output bigint, cache_read bigint,
  cache_write_5m bigint, cache_write_1h bigint, web_searches bigint, out cost_micro bigint, out price jsonb
)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  listed private.model_prices;
begin
  if model is null then
    return;
  end if;
  listed := private.price_of(
    provider, model, at, input + cache_read + cache_write_5m + cache_write_1h, coalesce(nullif(variant, ''), 'standard'),
    coalesce(nullif(geo, ''), 'global')
  );
  if listed.model is null then
    return;
  end if;
  cost_micro := private.cost_micro(listed, input, output, cache_read, cache_write_5m, cache_write_1h, web_searches);
  if cost_micro is not null then
    price := jsonb_strip_nulls(to_jsonb(listed));
  end if;
end
$$;
revoke execute on function private.usage_cost(text, text, text, text, timestamptz, bigint, bigint, bigint, bigint, bigint, bigint) from public;

-- All prices of a provider's model, each with the times and the numbers of input tokens for which private.price_of gives it: `until`, when
-- a later list replaces it, and `most_tokens`. Many records are priced by a join with these, where a call for each takes several times as long.
create function private.listed_prices(provider text, model text)
  returns table (price private.model_prices, shown jsonb, until timestamptz, most_tokens bigint)
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return query
    select p, jsonb_strip_nulls(to_jsonb(p)),
      coalesce(
        min(p.effective_from) over (
          partition by p.speed, p.geo order by p.effective_from groups between 1 following and unbounded following
        ),
        'infinity'
      ),
      coalesce(lead(p.above_tokens) over (partition by p.speed, p.geo, p.effective_from order by p.above_tokens), 9223372036854775807)
    from private.model_prices as p
    where p.provider = listed_prices.provider and p.model = listed_prices.model;
end
$$;
revoke execute on function private.listed_prices(text, text) from public;

create table private.reprice_receipts (
  id           uuid constraint reprice_receipts_pkey primary key default private.uuid_v7(),
  project_id   uuid not null,
  user_id      uuid,
  at           timestamptz not null default now(),
  is_dry_run   boolean not null,
  lists        text[] not null default '{}',
  records      bigint not null default 0,
  changed      bigint not null default 0,
  newly_priced bigint not null default 0,
  unpriced     bigint not null default 0,
  before_micro bigint not null default 0,
  after_micro  bigint not null default 0,
  last_at      timestamptz not null default 'infinity',
  last_id      uuid not null default 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  finished_at  timestamptz,
  constraint reprice_receipts_project foreign key (project_id) references observatory.projects (id) on delete cascade
);
comment on table private.reprice_receipts is 'Requests to price the records of a project again, and their results. Those without finished_at are under way.';
comment on column private.reprice_receipts.user_id is 'Who asked for it. Null: the user was erased.';
comment on column private.reprice_receipts.last_at is 'Records up to this one, from the latest, are done.';
create index reprice_receipts_by_project on private.reprice_receipts (project_id, at desc);
create index reprice_receipts_user on private.reprice_receipts (user_id);
create index reprice_receipts_open on private.reprice_receipts (id) where finished_at is null;

alter table private.reprice_receipts enable row level security;
alter table private.reprice_receipts force row level security;

create table private.pricing (
  only_one   boolean not null default true,
  is_due     boolean not null default false,
  last_owner uuid not null default '00000000-0000-0000-0000-000000000000',
  last_id    uuid not null default '00000000-0000-0000-0000-000000000000',
  is_partial boolean not null default false,
  constraint pricing_pkey primary key (only_one),
  constraint pricing_only_one check (only_one)
);
comment on table private.pricing is 'How far the job has searched for prices of records without one, since prices changed. One row.';
comment on column private.pricing.is_partial is 'A user was skipped, because an upload of theirs was under way.';

alter table private.pricing enable row level security;
alter table private.pricing force row level security;
insert into private.pricing default values;

-- Trigger: prices have changed, so records without one may have one now.
create function private.price_again() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  update private.pricing as p set
    is_due = true, is_partial = false, last_owner = '00000000-0000-0000-0000-000000000000', last_id = '00000000-0000-0000-0000-000000000000'
  where p.only_one;
  return null;
end
$$;
revoke execute on function private.price_again() from public;
create trigger model_prices_changed after insert or update or delete on private.model_prices
  for each statement execute function private.price_again();
create trigger model_rules_changed after insert or update or delete on private.model_rules
  for each statement execute function private.price_again();

-- Prices at most so many further records of a receipt, and returns how many it has read. A record keeps its cost if it has no price any more.
create function private.reprice_some(receipt uuid, most bigint) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  under_way private.reprice_receipts;
  done record;
begin
  select r.* into strict under_way from private.reprice_receipts as r where r.id = reprice_some.receipt for update;
  with next_ as materialized (
    select u.*
    from observatory.usage_records as u
    where u.project_id = under_way.project_id and (u.occurred_at, u.id) < (under_way.last_at, under_way.last_id)
    order by u.occurred_at desc, u.id desc
    limit reprice_some.most
  ),

  named as materialized (
    select d.source, d.model, p.provider, p.listed
    from (select distinct n.source, n.model from next_ as n) as d
    cross join lateral private.priced_model(d.source, d.model) as p
  ),

  priced as materialized (
    select n.id, n.occurred_at, n.cost_micro_usd as before, p.cost_micro as after, p.price
    from next_ as n
    inner join named as k on k.source = n.source and k.model = n.model
    cross join lateral private.usage_cost(
      k.provider, k.listed, n.variant, n.geo, n.occurred_at, n.input_tokens, n.output_tokens, n.cache_read_tokens, n.cache_creation_5m_tokens,
      n.cache_creation_1h_tokens, n.web_searches
    ) as p
  ),

  changed as (
    update observatory.usage_records as u set cost_micro_usd = p.after, price = p.price, priced_at = now()
    from priced as p
    where u.id = p.id and p.after is not null and p.after is distinct from p.before and not under_way.is_dry_run
  )

  select
    count(*) as records, count(*) filter (where p.after is distinct from p.before and p.after is not null) as changed,
    count(*) filter (where p.before is null and p.after is not null) as newly_priced,
    count(*) filter (where coalesce(p.after, p.before) is null) as unpriced,
    coalesce(sum(p.before), 0) as before_micro, coalesce(sum(coalesce(p.after, p.before)), 0) as after_micro,
    array_agg(distinct p.price ->> 'list') filter (where p.price ->> 'list' is not null) as lists,
    (array_agg(p.occurred_at order by p.occurred_at, p.id))[1] as last_at, (array_agg(p.id order by p.occurred_at, p.id))[1] as last_id
  into done
  from priced as p;
  update private.reprice_receipts as r set
    records = r.records + done.records, changed = r.changed + done.changed, newly_priced = r.newly_priced + done.newly_priced,
    unpriced = r.unpriced + done.unpriced, before_micro = r.before_micro + done.before_micro, after_micro = r.after_micro + done.after_micro,
    lists = array(select distinct l.list from unnest(r.lists || done.lists) as l (list) order by l.list),
    last_at = coalesce(done.last_at, r.last_at), last_id = coalesce(done.last_id, r.last_id),
    finished_at = case when done.records < reprice_some.most then now() end
  where r.id = under_way.id;
  return done.records;
end
$$;
revoke execute on function private.reprice_some(uuid, bigint) from public;

-- A call takes up to two seconds.
insert into private.limit_rules (name, burst, refill, shared) values ('reprice', 20, '5 seconds', 1);

-- Prices the records of a project again, by the prices of now for the days of the records. The answer is the receipt. A large project
-- takes several calls, each going on where the last one ended, until `finished`; otherwise the job ends it.
create function observatory.reprice(project uuid, list text default null, dry_run boolean default false) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  until_ constant timestamptz := clock_timestamp() + interval '2 seconds';
  receipt uuid;
  user_ uuid;
begin
  perform private.limit_caller('reprice');
  if private.role_in(reprice.project, 'read') is null then
    perform private.refuse(404, 'RG660', 'There is no such project', null, 'GET /rest/v1/projects lists yours.');
  end if;
  if private.role_in(reprice.project, 'write') is distinct from 'owner' then
    perform private.refuse(403, 'RG666', 'Only an owner of this project may do this', null, 'Ask an owner of the project.');
  end if;
  if not exists (
    select from private.model_prices as p where reprice.list is null or p.list = reprice.list
  ) then
    perform private.refuse(
      422, 'RG676', 'There is no such list of prices', (
        select string_agg(distinct p.list, ', ') from private.model_prices as p
      ), 'Leave out list to take the prices of now; `npm run prices` loads some.'
    );
  end if;
  -- Locks out uploads of users with records in the project. Always in the same order, so that two callers cannot deadlock.
  for user_ in
    select distinct r.user_id from observatory.daily_rollups as r where r.project_id = reprice.project order by r.user_id
  loop
    perform private.lock_observatory_owner(user_);
  end loop;
  select r.id into receipt
  from private.reprice_receipts as r
  where r.project_id = reprice.project and r.finished_at is null and r.is_dry_run = reprice.dry_run
  order by r.at
  limit 1;
  if receipt is null then
    -- A dry run has changed nothing that its receipt would explain. Nothing else deletes it, and each call makes one.
    if reprice.dry_run then
      delete from private.reprice_receipts as r
      where r.project_id = reprice.project and r.at < now() - interval '1 day' and r.is_dry_run and r.finished_at is not null;
    end if;
    insert into private.reprice_receipts (project_id, user_id, is_dry_run) values (reprice.project, caller, coalesce(reprice.dry_run, false))
    returning id into receipt;
  end if;
  while private.reprice_some(receipt, 2000) = 2000 loop
    exit when clock_timestamp() > until_;
  end loop;
  return (
    select jsonb_build_object(
      'id', r.id, 'project_id', r.project_id, 'at', r.at, 'dry_run', r.is_dry_run, 'finished', r.finished_at is not null, 'lists', r.lists,
      'records', r.records, 'changed', r.changed, 'newly_priced', r.newly_priced, 'unpriced', r.unpriced, 'before_micro', r.before_micro,
      'after_micro', r.after_micro
    )
    from private.reprice_receipts as r
    where r.id = receipt
  );
end
$$;
comment on function observatory.reprice(uuid, text, boolean) is
  'Prices the records of a project again. Definer: nobody writes costs, and prices and receipts are in the schema private.';
revoke execute on function observatory.reprice(uuid, text, boolean) from public;
grant execute on function observatory.reprice(uuid, text, boolean) to authenticated;

-- Job: prices records that had no price when they were counted, and finishes what reprice() began. Returns how many records it has read.
create function private.price_usage() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  most constant bigint := 5000;
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  state private.pricing;
  open_ record;
  owner uuid;
  taken record;
  done bigint := 0;
begin
  for open_ in
    select r.id, r.project_id from private.reprice_receipts as r where r.finished_at is null order by r.id limit 10
  loop
    exit when done >= most;
    -- While an upload is under way, the next run does it.
    continue when exists (
      select from (select distinct d.user_id from observatory.daily_rollups as d where d.project_id = open_.project_id) as u
      where not pg_try_advisory_xact_lock(hashtextextended(u.user_id::text, 420))
    );
    done := done + private.reprice_some(open_.id, most - done);
  end loop;

  select p.* into strict state from private.pricing as p for update;
  while state.is_due and done < most loop
    select u.owner_id into owner
    from observatory.usage_records as u
    where u.cost_micro_usd is null and (u.owner_id, u.id) > (state.last_owner, state.last_id)
    order by u.owner_id, u.id
    limit 1;
    if not found then
      -- Users that were skipped are tried again.
      state.is_due := state.is_partial;
      state.is_partial := false;
      state.last_owner := '00000000-0000-0000-0000-000000000000';
      state.last_id := state.last_owner;
      exit;
    end if;
    if not pg_try_advisory_xact_lock(hashtextextended(owner::text, 420)) then
      state.is_partial := true;
      state.last_owner := owner;
      state.last_id := highest;
      continue;
    end if;
    with next_ as materialized (
      select u.*
      from observatory.usage_records as u
      where u.cost_micro_usd is null and u.owner_id = owner
        and (u.owner_id, u.id) > (state.last_owner, state.last_id)
      order by u.id
      limit most - done
    ),

    named as materialized (
      select d.source, d.model, p.provider, p.listed
      from (select distinct n.source, n.model from next_ as n) as d
      cross join lateral private.priced_model(d.source, d.model) as p
    ),

    changed as (
      update observatory.usage_records as u set cost_micro_usd = p.cost_micro, price = p.price, priced_at = now()
      from next_ as n
      inner join named as k on k.source = n.source and k.model = n.model
      cross join lateral private.usage_cost(
        k.provider, k.listed, n.variant, n.geo, n.occurred_at, n.input_tokens, n.output_tokens, n.cache_read_tokens,
        n.cache_creation_5m_tokens, n.cache_creation_1h_tokens, n.web_searches
      ) as p
      where u.id = n.id and p.cost_micro is not null
    )

    select count(*) as records, (array_agg(n.id order by n.id desc))[1] as last_id into taken from next_ as n;
    done := done + taken.records;
    state.last_owner := owner;
    state.last_id := taken.last_id;
  end loop;
  update private.pricing as p set
    is_due = state.is_due, is_partial = state.is_partial, last_owner = state.last_owner, last_id = state.last_id
  where p.only_one;
  return done;
end
$$;
revoke execute on function private.price_usage() from public;

insert into private.jobs (name, function, schedule, description) values (
  'price_usage', 'private.price_usage', '*/5 * * * *', 'Prices records of observatory whose prices were loaded later, and goes on with repricing.'
);

-- migrate:down
delete from private.jobs where name = 'price_usage';
drop function private.price_usage();
drop function observatory.reprice(uuid, text, boolean);
delete from private.limit_rules where name = 'reprice';
drop function private.reprice_some(uuid, bigint);
drop trigger model_rules_changed on private.model_rules;
drop trigger model_prices_changed on private.model_prices;
drop function private.price_again();
drop table private.pricing;
drop table private.reprice_receipts;
drop function private.listed_prices(text, text);
drop function private.usage_cost(text, text, text, text, timestamptz, bigint, bigint, bigint, bigint, bigint, bigint);
drop function private.priced_model(text, text);
