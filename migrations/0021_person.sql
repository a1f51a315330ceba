-- 0021: person. Finds, exports and erases what all systems store about a person, by e-mail address and phone numbers.
-- migrate:up
-- A JSON list of texts as an array.
create function private.texts(list jsonb) returns text[]
  language sql immutable strict
  set search_path = ''
  as $$ select array(select jsonb_array_elements_text(list)) $$;
revoke execute on function private.texts(jsonb) from public;

-- A person, by an address:
--   email     the address in the form that is equal for all its spellings
--   emails    all its spellings; the hook person_addresses adds those that a system knows
--   phones    the phone numbers that the caller has verified
--   users     ids of users; the hook person_users gives those that have a verified address of these
--   systems   what the hook person_found gives, by system: the keys of its rows
--   unproven  what may be the person's and may be somebody else's, for a person to look at; "unproven" of person_found
-- Write every look-up of a hook as a statement of its own, with an index for its condition: private.call_hooks allows no other plan.
create function private.person(email text, phones text[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  address constant text := private.normalize_email(email);
  emails text[] := array[btrim(email), lower(btrim(email) collate "C"), address];
  users uuid[];
  found_ jsonb;
  person jsonb;
begin
  if private.is_email(btrim(email)) is not true then
    perform private.refuse(422, 'RG572', 'The e-mail address is missing or not one', null, 'Send {"email": "name@example.org"}.');
  end if;
  person := jsonb_build_object('email', address, 'emails', to_jsonb(emails), 'phones', coalesce(to_jsonb(phones), '[]'));

  emails := emails || private.texts(private.joined(private.call_hooks('person_addresses', person)));
  emails := array(select distinct e.email from unnest(emails) as e (email) where e.email is not null);
  person := person || jsonb_build_object('emails', to_jsonb(emails));

  users := private.texts(private.joined(private.call_hooks('person_users', person)))::uuid[];
  if to_regclass('auth.users') is not null then
    -- An address that its account has not confirmed may be anybody's.
    execute 'select $1 || array(
      select u.id from auth.users as u
      where lower(normalize(u.email, nfc) collate "C") = any ($2) and to_jsonb(u) ->> ''email_confirmed_at'' is not null
    )' into users using users, emails;
  end if;
  users := array(select distinct u.id from unnest(users) as u (id));
  person := person || jsonb_build_object('users', to_jsonb(users));

  found_ := private.call_hooks('person_found', person);
  return person || jsonb_build_object('systems', found_, 'unproven', coalesce((
    select jsonb_object_agg(doubt.key, doubt.list)
    from (
      select doubt.key, jsonb_agg(item.value) as list
      from jsonb_each(found_) as answer
      cross join lateral jsonb_each(answer.value -> 'unproven') as doubt
      cross join lateral jsonb_array_elements(doubt.value) as item
      group by doubt.key
    ) as doubt
  ), '{}'));
end
$$;
revoke execute on function private.person(text, text[]) from public;

-- What the answers of all systems have under one key, as one object: left_off of person_export and left of person_erase, numbers by table.
create function private.united_under(answers jsonb, key text) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_object_agg(part.key, part.value), '{}')
from jsonb_each(answers) as answer
cross join lateral jsonb_each(coalesce(answer.value -> united_under.key, '{}')) as part
$$;
revoke execute on function private.united_under(jsonb, text) from public;

-- Adds the rows of a relation to an export: the first 10,000 and 25 MB of them, since jsonb holds at most 256 MB. The number of further rows is added
-- to the export's left_off. `expression` gives the JSON of a row t. `source` names the table t, with a condition on $1, the keys. `rank` is the order.
create function private.export_rows(
  export jsonb, relation text, expression text, source text, rank text, keys text[]
) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  found_ record;
  size bigint := 0;
  shown jsonb[] := '{}';
  left_ bigint := 0;
begin
  -- One after the other: rows that are left off may have gigabytes.
  for found_ in execute format('select %s as one from (select t.* from %s order by %s limit 10001) as t', expression, source, rank) using keys loop
    size := size + octet_length(found_.one::text);
    if cardinality(shown) = 10000 or size >= 25000000 then
      execute format('select count(*) from %s', source) into left_ using keys;
      left_ := left_ - cardinality(shown);
      exit;
    end if;
    shown := shown || found_.one;
  end loop;
  export := export || jsonb_build_object(relation, coalesce(export -> relation, '[]') || to_jsonb(shown));
  if left_ > 0 then
    export := jsonb_set(export, array['left_off', relation], to_jsonb(left_ + coalesce((export #>> array['left_off', relation])::bigint, 0)));
  end if;
  return export;
end
$$;
revoke execute on function private.export_rows(jsonb, text, text, text, text, text[]) from public;

-- The contacts by which texts may mention a person: all spellings of the address, and phone numbers.
create function private.contacts_of(person jsonb) returns text[]
  language sql immutable
  set search_path = ''
  as $$ select private.texts((person -> 'emails') || (person -> 'phones')) $$;
revoke execute on function private.contacts_of(jsonb) from public;

-- Exports and erasures go one at a time. Each one locks every table and every index of all systems until it ends, and the server has room
-- for 64 locks a connection (max_locks_per_transaction): many at once would fill it, and then any request could fail.
create function private.wait_for_person() returns void
  language sql volatile
  set search_path = ''
  -- Until the time of the request is over, not the second that roles wait for a lock.
  set lock_timeout = 0
  as $$ select pg_advisory_xact_lock(hashtextextended('rowgate person', 221)) $$;
revoke execute on function private.wait_for_person() from public;

-- Everything about an address, by table.
create function edge.export_person(email text, phones text[] default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  person jsonb;
  answers jsonb;
begin
  perform private.require_admin();
  perform private.refuse_api_token();
  perform private.wait_for_person();
  person := private.person(email, phones);
  answers := private.call_hooks('person_export', person);
  return jsonb_build_object(
    'email', person -> 'email',
    'exported_at', now(),
    'unproven', person -> 'unproven',
    -- The person's own rows mention the person, too: person_rows gives their ids, by table.
    'mentions', private.mentions(private.contacts_of(person), private.united(private.call_hooks('person_rows', person))),
    'left_off', private.united_under(answers, 'left_off')
  ) || (private.united(answers) - 'left_off');
end
$$;
comment on function edge.export_person(text, text[]) is
  'Everything that the systems store about an e-mail address, and about phone numbers that the caller has verified, up to 10,000 rows and 25 MB of a table; left_off is how many more there are. Of rows that only mention them, the number by table. Definer: it reads what no role may read; only admins and service_role get past its first line.';
revoke execute on function edge.export_person(text, text[]) from public;
-- The edge calls it with the caller's own token.
grant execute on function edge.export_person(text, text[]) to authenticated, service_role;

create function edge.erase_person(email text, phones text[] default null, mentions boolean default false) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  person jsonb;
  kept jsonb;
  answers jsonb;
  erased_mentions jsonb := '{}';
begin
  perform private.require_admin();
  perform private.refuse_api_token();
  perform private.wait_for_person();
  person := private.person(email, phones);
  -- Before the erasure: it may remove what leads to the rows that stay.
  kept := private.united(private.call_hooks('person_kept', person));
  answers := private.call_hooks('person_erase', person);
  if erase_person.mentions then
    erased_mentions := private.erase_mentions(private.contacts_of(person));
  end if;
  return jsonb_build_object(
    'erased_at', now(),
    'erased', private.united(answers) - 'left',
    -- What is left for further calls.
    'left', private.united_under(answers, 'left'),
    'erased_mentions', erased_mentions,
    -- The mentions that are left.
    'mentions', private.mentions(private.contacts_of(person)),
    'unproven', person -> 'unproven',
    'kept', kept
  );
end
$$;
comment on function edge.erase_person(text, text[], boolean) is
  'Erases everything that the systems store about an e-mail address, and about phone numbers that the caller has verified, and counts it by table; of what may be too much for one call a part, and left is how much is left for the next one. Rows that a system keeps, and rows that only mention the person, stay and are counted; the latter are erased on request. Definer: it deletes what no role may delete; only admins and service_role get past its first line.';
revoke execute on function edge.erase_person(text, text[], boolean) from public;
grant execute on function edge.erase_person(text, text[], boolean) to authenticated, service_role;

-- migrate:down
drop function edge.erase_person(text, text[], boolean);
drop function edge.export_person(text, text[]);
drop function private.wait_for_person();
drop function private.contacts_of(jsonb);
drop function private.export_rows(jsonb, text, text, text, text, text[]);
drop function private.united_under(jsonb, text);
drop function private.person(text, text[]);
drop function private.texts(jsonb);
