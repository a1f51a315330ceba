-- 0023: sealed columns. Which tables have what the edge has sealed, how often each KEK_<n> has encrypted, and how rows move to the newest
-- one.
-- migrate:up
create table private.sealed_columns (
  relation   text constraint sealed_columns_pkey primary key,
  context    text not null,
  row_column text not null,
  owner      text not null,
  constraint sealed_columns_relation check (relation ~ '^[a-z_][a-z0-9_]*[.][a-z_][a-z0-9_]*$'),
  constraint sealed_columns_context check (context ~ '^[a-z_][a-z0-9_]*([.][a-z_][a-z0-9_]*){2}$'),
  constraint sealed_columns_row_column check (row_column ~ '^[a-z_][a-z0-9_]*$')
);
comment on table private.sealed_columns is
  'Tables with columns "sealed" and "key_version". A migration registers each by private.register_sealed_column.';
comment on column private.sealed_columns.context is 'The column of the seal in the manifest, which is bound into the sealed text.';
comment on column private.sealed_columns.row_column is 'The column with the id that is bound into the sealed text: a UUID with an index.';
comment on column private.sealed_columns.owner is 'SQL for the owner that is bound into the sealed text, for a row t of the relation. Only migrations write it.';

alter table private.sealed_columns enable row level security;
alter table private.sealed_columns force row level security;

create table private.kek_use (
  key_version bigint not null,
  day         date not null,
  -- squawk-ignore prefer-bigint-over-smallint
  part        smallint not null,
  encryptions bigint not null,
  constraint kek_use_pkey primary key (key_version, day, part),
  constraint kek_use_encryptions check (encryptions >= 0)
) with (fillfactor = 50);
comment on table private.kek_use is
  'How many data keys each KEK_<n> has encrypted, by day, in parts so that no two writers wait for one row: each takes one that nobody else holds. Counted where rows are stored or rewrapped; a write that fails is not counted, hence the margin in private.kek_limits().';

alter table private.kek_use enable row level security;
alter table private.kek_use force row level security;

-- NIST SP 800-38D allows 2^32 encryptions with random nonces under one key. The warning comes at half, the refusal at 15/16: the rest is
-- for seals whose write failed.
create function private.kek_limits(out warning bigint, out refusal bigint)
  language sql immutable
  set search_path = ''
  as $$ select 2147483648::bigint, 4026531840::bigint $$;
revoke execute on function private.kek_limits() from public;

create view private.kek_usage with (security_invoker = true) as
select u.key_version, sum(u.encryptions)::bigint as encryptions, min(u.day) as first_day, max(u.day) as last_day,
  sum(u.encryptions) >= l.warning as is_worn, sum(u.encryptions) >= l.refusal as is_refused
from private.kek_use as u cross join private.kek_limits() as l
group by u.key_version, l.warning, l.refusal;
comment on view private.kek_usage is 'Encryptions by KEK_<n>. A worn key needs a successor: configure the next KEK_<n>, then call POST /v1/admin/keys/rewrap.';

-- Trigger: counts what a statement stored under each key. A refused count takes the statement back.
create function private.count_encryptions() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  used record;
  total bigint;
begin
  for used in select n.key_version, count(*) as quantity from new_rows as n group by n.key_version order by n.key_version loop
    insert into private.kek_use as u (key_version, day, part, encryptions)
    values (used.key_version, current_date, coalesce((
      select f.part from private.kek_use as f
      where f.key_version = used.key_version and f.day = current_date
      order by f.part
      limit 1
      for no key update skip locked
    ), floor(random() * 32768)::smallint), used.quantity)
    on conflict on constraint kek_use_pkey do update set encryptions = u.encryptions + excluded.encryptions;
    select sum(u.encryptions) into total from private.kek_use as u where u.key_version = used.key_version;
    if total >= (private.kek_limits()).refusal then
      perform private.refuse(
        503, 'RG912', 'The key that seals secrets is worn out', format('KEK_%s has encrypted %s times', used.key_version, total),
        format('Set KEK_%s and deploy.', used.key_version + 1)
      );
    end if;
  end loop;
  return null;
end
$$;
comment on function private.count_encryptions() is 'Trigger of tables with sealed columns. Definer: nobody has a right on the counts.';
revoke execute on function private.count_encryptions() from public;

-- Registers a table with the columns "sealed" and "key_version", and counts what is stored there.
create function private.register_sealed_column(relation text, context text, row_column text, owner text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  stem constant text := split_part(register_sealed_column.relation, '.', 2);
begin
  insert into private.sealed_columns (relation, context, row_column, owner)
  values (
    register_sealed_column.relation, register_sealed_column.context, register_sealed_column.row_column, register_sealed_column.owner
  );
  execute format(
    'create trigger %I after insert on %s referencing new table as new_rows for each statement execute function private.count_encryptions()',
    stem || '_count_inserts', register_sealed_column.relation::regclass
  );
  execute format(
    'create trigger %I after update on %s referencing new table as new_rows for each statement execute function private.count_encryptions()',
    stem || '_count_updates', register_sealed_column.relation::regclass
  );
end
$$;
revoke execute on function private.register_sealed_column(text, text, text, text) from public;

-- The next rows that are sealed under a key before this one, after a position: at most so many, and of at most 256 KB. Rows that have
-- been rewrapped are not among them, so work that was interrupted can begin again without a position.
create function edge.sealed_batch(after jsonb, most int, below bigint) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  place private.sealed_columns;
  rows jsonb;
begin
  for place in
    select c.* from private.sealed_columns as c
    where sealed_batch.after ->> 'relation' is null or c.relation >= sealed_batch.after ->> 'relation'
    order by c.relation
  loop
    execute format(
      $query$
      select jsonb_agg(jsonb_build_object(
          'relation', $1, 'context', $2, 'row', b.id, 'owner', b.owner, 'sealed', b.sealed, 'key_version', b.key_version
        ) order by b.id)
      from (
        select o.*, sum(octet_length(o.sealed)) over (order by o.id) - octet_length(o.sealed) as bytes_before
        from (
          select t.%1$I as id, (%2$s)::text as owner, t.sealed, t.key_version
          from %3$s as t
          where t.key_version < $3 and ($4 is null or t.%1$I > $4)
          order by t.%1$I
          limit $5
        ) as o
      ) as b
      where b.bytes_before < 262144
      $query$,
      place.row_column, place.owner, place.relation::regclass
    ) into rows using place.relation, place.context, sealed_batch.below,
      case when place.relation = sealed_batch.after ->> 'relation' then (sealed_batch.after ->> 'row')::uuid end,
      least(greatest(sealed_batch.most, 1), 1000);
    if rows is not null then
      return jsonb_build_object(
        'rows', rows, 'after', jsonb_build_object('relation', place.relation, 'row', rows -> -1 -> 'row')
      );
    end if;
  end loop;
  return jsonb_build_object('rows', jsonb_build_array(), 'after', null);
end
$$;
comment on function edge.sealed_batch(jsonb, int, bigint) is
  'Sealed texts for the edge, which moves them to its newest key. Definer: the edge has no right on any table.';
revoke execute on function edge.sealed_batch(jsonb, int, bigint) from public;
grant execute on function edge.sealed_batch(jsonb, int, bigint) to edge;

-- Stores rewrapped texts, [{relation, row, old, sealed, key_version}], where the text is still the old one: what its owner stored
-- meanwhile stays. Returns how many were stored.
create function edge.rewrapped(rows jsonb) returns bigint
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  place private.sealed_columns;
  stored bigint;
  total bigint := 0;
begin
  for place in
    select c.* from private.sealed_columns as c
    where c.relation in (select r ->> 'relation' from jsonb_array_elements(rewrapped.rows) as r)
    order by c.relation
  loop
    execute format(
      $query$
      update %2$s as t set sealed = r.sealed, key_version = r.key_version
      from jsonb_to_recordset($1) as r (relation text, "row" uuid, old text, sealed text, key_version bigint)
      where r.relation = $2 and t.%1$I = r."row" and t.sealed = r.old
        and r.key_version > t.key_version
        and split_part(r.sealed, '.', 4) = split_part(t.sealed, '.', 4)
        and split_part(r.sealed, '.', 5) = split_part(t.sealed, '.', 5)
      $query$,
      place.row_column, place.relation::regclass
    ) using rewrapped.rows, place.relation;
    get diagnostics stored = row_count;
    total := total + stored;
  end loop;
  return total;
end
$$;
comment on function edge.rewrapped(jsonb) is
  'Stores sealed texts whose data key has moved to a newer key of the edge; the sealed value itself cannot change here. Definer: the edge has no right on any table.';
revoke execute on function edge.rewrapped(jsonb) from public;
grant execute on function edge.rewrapped(jsonb) to edge;

-- The name of the next key, if the newest one is worn: edge.ready() lists it.
create function private.keys_due() returns jsonb
  language sql stable
  set search_path = ''
  as $$
select coalesce(jsonb_agg('KEK_' || newest.key_version + 1), '[]')
from (select u.key_version, u.is_worn from private.kek_usage as u order by u.key_version desc limit 1) as newest
where newest.is_worn
$$;
revoke execute on function private.keys_due() from public;

-- migrate:down
drop function private.keys_due();
drop function edge.rewrapped(jsonb);
drop function edge.sealed_batch(jsonb, int, bigint);
drop function private.register_sealed_column(text, text, text, text);
drop function private.count_encryptions();
drop view private.kek_usage;
drop function private.kek_limits();
drop table private.kek_use;
drop table private.sealed_columns;
