-- 0402: which project a session belongs to: by what its sender says, by the directory where the agent ran, or a new one.
-- migrate:up
-- As much of a path as fits into an index, which takes 2,704 bytes.
create function private.indexed_path(words text) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  if octet_length(words) <= 1024 then
    return words;
  end if;
  return left(words, case when octet_length(left(words, 1024)) <= 2000 then 1024 else 500 end);
end
$$;
revoke execute on function private.indexed_path(text) from public;

-- Finds or creates the project of a user's session. `hint` is what the sender says: the id of a project, a directory or a name; `cwd` is the
-- directory in which the agent ran. Returns only a project in which the user may write.
create function private.project_for(owner_id uuid, hint text, cwd text) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  given constant text := nullif(btrim(private.indexed_path(private.redact_secrets(left(hint, 1024)))), '');
  is_path constant boolean := coalesce(given ~ '[/\\]', false);
  -- Without a separator at the end.
  place constant text := nullif(regexp_replace(private.indexed_path(btrim(cwd)), '(?<=.)[/\\]+$', ''), '');
  root constant text := case when is_path then regexp_replace(given, '(?<=.)[/\\]+$', '') when given is null then place end;
  base constant text := coalesce(
    nullif(btrim(left(case when is_path or given is null then regexp_replace(root, '^.*[/\\]', '') else given end, 110)), ''), 'Sessions'
  );
  role text;
  found_id uuid;
begin
  if given ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    select m.role into role
    from observatory.project_members as m
    inner join observatory.projects as p on p.id = m.project_id
    where m.project_id = given::uuid and m.user_id = project_for.owner_id and p.deleted_at is null;
    if role is null then
      perform private.refuse(404, 'RG660', 'You see no such project', null, 'Take an id of GET /rest/v1/projects.');
    elsif role = 'viewer' then
      perform private.refuse(403, 'RG661', 'You may only read in this project', null, 'Ask an owner of the project to make you an editor.');
    end if;
    return given::uuid;
  end if;

  -- The project of the directory itself, or else of the nearest directory above it. Paths come from users, so they are never used as patterns.
  select w.project_id into found_id
  from observatory.project_paths as w
  inner join observatory.project_members as m on m.project_id = w.project_id and m.user_id = w.owner_id and m.role <> 'viewer'
  inner join observatory.projects as p on p.id = w.project_id and p.deleted_at is null
  where w.owner_id = project_for.owner_id and (
    (is_path and w.path = root)
    or (given is null or is_path) and place is not null
    and starts_with(replace(place, '\', '/') || '/', rtrim(replace(w.path, '\', '/'), '/') || '/')
  )
  order by (is_path and w.path = root) desc, char_length(w.path) desc
  limit 1;
  if found_id is not null then
    return found_id;
  end if;
  if root is null then
    select p.id into found_id
    from observatory.projects as p
    where p.owner_id = project_for.owner_id and p.deleted_at is null
      and lower(normalize(regexp_replace(p.name, private.invisible(), '', 'g'), nfc) collate "C")
        = lower(normalize(regexp_replace(base, private.invisible(), '', 'g'), nfc) collate "C");
  else
    select p.id into found_id
    from observatory.projects as p
    where p.owner_id = project_for.owner_id and p.root_path = root and p.deleted_at is null;
  end if;
  -- A machine that builds in a new directory each time can have thousands of directories with one name.
  for attempt in 1..22 loop
    exit when found_id is not null;
    insert into observatory.projects (owner_id, name, root_path)
    values (
      project_for.owner_id,
      base || case
        when attempt = 1 then ''
        when attempt <= 20 then ' ' || attempt
        when attempt = 21 then ' ' || left(md5(coalesce(root, base)), 8)
        else ' ' || left(gen_random_uuid()::text, 8)
      end,
      root
    )
    on conflict do nothing
    returning id into found_id;
  end loop;
  return found_id;
end
$$;
revoke execute on function private.project_for(uuid, text, text) from public;

-- migrate:down
drop function private.project_for(uuid, text, text);
drop function private.indexed_path(text);
