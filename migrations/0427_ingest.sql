-- 0427: ingest: takes lines of transcripts. Sent again, in other parts or by two senders at once, they change nothing.
-- migrate:up
insert into private.daily_allowances (name, bytes, rows) values ('transcripts', 21474836480, 10000000);

-- Which agent's format a line has.
create function private.transcript_source(line jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select case
  when line ->> 'type' = 'session_meta' then 'codex'
  when line ? 'projectHash' or line ? '$set' then 'gemini'
  when line #>> '{info,sessionID}' is not null or line #>> '{info,id}' like 'ses\_%' then 'opencode'
  else 'claude'
end
$$;
revoke execute on function private.transcript_source(jsonb) from public;

-- Reads lines with the reader of their agent. `state` is what the reader has kept from earlier lines of the file.
create function private.entries_of(source text, lines text[], offsets bigint[], state jsonb) returns private.entry[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  entries private.entry[];
begin
  if source = 'claude' then
    return private.claude_entries(lines, offsets);
  elsif source in ('codex', 'gemini', 'opencode')
    and to_regprocedure(format('private.%I(json, bigint[], jsonb)', source || '_entries')) is not null
  then
    execute format('select array(select e from private.%I($1, $2, $3) as e)', source || '_entries')
    into entries using to_json(lines), offsets, state;
    return entries;
  else
    perform private.refuse(
      422, 'RG665', 'No agent of this name is known', format('source: %s', source), 'Send source=claude, codex, gemini or opencode, or none.'
    );
  end if;
end
$$;
revoke execute on function private.entries_of(text, text[], bigint[], jsonb) from public;

-- Entries with the number of secrets that the edge took out of the line of each. `by_line` has these numbers by the line's index in the batch.
create function private.with_redactions(entries private.entry[], offsets bigint[], base bigint, by_line jsonb) returns private.entry[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  one record;
begin
  for one in
    select e.n, (r.secrets)::int as secrets
    from jsonb_each_text(by_line) as r (index, secrets)
    inner join (
      select u.pos, n from unnest(entries) with ordinality as u (
        pos, uuid, parent, logical_parent, session, agent, kind, role, at, is_sidechain, is_meta, api_id, request_id, model, stop_reason,
        content, blocks, usage, tools, forked_from, facts, metadata, redactions, n
      )
    ) as e on e.pos = base + offsets[r.index::int + 1]
  loop
    entries[one.n::int].redactions := one.secrets;
  end loop;
  return entries;
end
$$;
revoke execute on function private.with_redactions(private.entry[], bigint[], bigint, jsonb) from public;

-- The sums of two objects of numbers.
create function private.add_counts(one jsonb, other jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_object_agg(s.key, s.total), '{}')
from (
  select e.key, sum(e.value::bigint) as total
  from (select * from jsonb_each_text(one) union all select * from jsonb_each_text(other)) as e
  group by e.key
) as s
$$;
revoke execute on function private.add_counts(jsonb, jsonb) from public;

-- The session, subagent and file that a path names: {session, agent, name}. If a subagent's file is in the folder of the sessions, as older
-- versions have it, only its lines name the session.
create function private.transcript_place(path text) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  parts constant text[] := string_to_array(replace(path, E'\\', '/'), '/');
  name constant text := left(parts[cardinality(parts)], 255);
  base constant text := left(regexp_replace(name, '[.](jsonl|json)$', ''), 200);
  folders constant int[] := array_positions(parts, 'subagents');
  folder constant int := folders[cardinality(folders)];
  run constant int := array_position(parts, 'workflows', coalesce(folder, 1));
begin
  return jsonb_build_object(
    'name', nullif(name, ''),
    'session', case
      when folder > 1 then left(parts[folder - 1], 200)
      when base not like 'agent-%' then nullif(base, '')
    end,
    'agent', case
      when base like 'agent-_%' then substr(base, 7)
      -- The journal of a workflow is a separate conversation, beside those of the workflow's agents.
      when folder > 1 and run = folder + 1 and base = 'journal' then left('workflow-' || parts[run + 1], 200)
    end
  );
end
$$;
revoke execute on function private.transcript_place(text) from public;

-- The first session that lines name, as the readers of all agents find it. Null: they name none.
create function private.lines_session(lines text[]) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  line text;
  v jsonb;
  named text;
begin
  foreach line in array lines loop
    continue when line is null;
    v := line::jsonb;
    named := private.entry_id(coalesce(
      v ->> 'sessionId', v #>> '{$set,sessionId}', v #>> '{info,sessionID}', v ->> 'sessionID',
      case when v #>> '{info,id}' like 'ses%' then v #>> '{info,id}' when v ->> 'id' like 'ses%' then v ->> 'id' end,
      case when v ->> 'type' = 'session_meta' then coalesce(v #>> '{payload,id}', v #>> '{payload,session_id}') end
    ));
    exit when named is not null;
  end loop;
  return named;
end
$$;
revoke execute on function private.lines_session(text[]) from public;

-- Which variants of a file have lines, by their places in the batch, from 1. `offsets` are places in the file.
create function private.stored_lines(files observatory.ingest_files[], lines text[], offsets bigint[]) returns table (n bigint, variants bigint[])
  language sql stable
  set search_path = ''
  as $$
with stored as materialized (
  select f.variant, s.line
  from unnest(stored_lines.files) as f
  inner join private.transcript_chunks as k on k.file_id = f.id and k.generation = f.generation
  cross join string_to_table(k.body, E'\n') as s (line)
  where k.start_offset <= stored_lines.offsets[cardinality(stored_lines.offsets)] and k.end_offset > stored_lines.offsets[1]
)

select l.n, array_agg(distinct stored.variant)
from unnest(stored_lines.lines) with ordinality as l (line, n)
inner join stored on stored.line = l.line
group by l.n
$$;
revoke execute on function private.stored_lines(observatory.ingest_files[], text[], bigint[]) from public;

-- Which of the files of one name, in the order of their variants, lines continue: one that has all of those that lie before its end. A later
-- variant need not have what another one has. Null: the lines differ from each of them. Lines without a text are not compared, and none that had
-- secrets, since a later version may take out more: `redactions` names these by their places from 0. `at` is where the batch begins, `head` the
-- hash of the first line if the batch has it.
create function private.continued_file(
  files observatory.ingest_files[], lines text[], offsets bigint[], redactions jsonb, at bigint, head bytea
) returns observatory.ingest_files
  language sql stable
  set search_path = ''
  as $$
with stored as materialized (
  select s.n, s.variants
  from private.stored_lines(continued_file.files, continued_file.lines, continued_file.offsets) as s
),

line as materialized (
  select o.at, stored.variants, not continued_file.redactions ? (o.n - 1)::text as is_compared
  from unnest(continued_file.lines, continued_file.offsets) with ordinality as o (line, at, n)
  left join stored on stored.n = o.n
  where o.line is not null
)

select f.*
from unnest(continued_file.files) as f
where continued_file.at <= f.byte_offset and (continued_file.head is null or f.head_hash is null or f.head_hash = continued_file.head)
  and not exists (
    select from line
    where line.is_compared and line.at < f.byte_offset
      and (line.variants is null or (f.variant = continued_file.files[1].variant and line.variants[1] > f.variant))
  )
order by (select count(*) from line where f.variant = any (line.variants)) desc, f.byte_offset = continued_file.at desc, f.variant
limit 1
$$;
revoke execute on function private.continued_file(observatory.ingest_files[], text[], bigint[], jsonb, bigint, bytea) from public;

-- Reads and stores lines of a file, and returns the sums of what private.store_entries answers, how many entries there were, and `state`, what the
-- reader has to know for the next lines. A line that the tables cannot hold, such as one with an id that no index takes, costs itself alone: it is found by halves, and its
-- place is in `refused`. `by_line`, `all_offsets` and `base` are as for private.with_redactions.
create function private.store_lines(
  owner uuid, conversation jsonb, lines text[], offsets bigint[], state jsonb, by_line jsonb, all_offsets bigint[], base bigint
) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- Parts that are left, from the last line to the first.
  firsts int[] := array[1];
  lasts int[] := array[cardinality(lines)];
  first_ int;
  last_ int;
  part text[];
  entries private.entry[];
  stored jsonb;
  answer jsonb := jsonb_build_object('messages', 0, 'tool_calls', 0, 'duplicates', 0, 'progress', 0, 'unknown', 0);
  read_ bigint := 0;
  refused bigint[] := '{}';
begin
  while cardinality(firsts) > 0 loop
    first_ := firsts[cardinality(firsts)];
    last_ := lasts[cardinality(lasts)];
    firsts := trim_array(firsts, 1);
    lasts := trim_array(lasts, 1);
    -- Nearly always all lines: a slice copies each.
    part := case when last_ - first_ + 1 = cardinality(lines) then lines else lines[first_:last_] end;
    continue when part[1] is null and array_remove(part, null) = '{}';
    begin
      entries := private.entries_of(conversation ->> 'source', part, offsets[first_:last_], store_lines.state);
      if by_line <> '{}' then
        entries := private.with_redactions(entries, all_offsets, base, by_line);
      end if;
      stored := private.store_entries(owner, conversation, entries);
      state := coalesce((entries[cardinality(entries)]).facts -> 'state', state);
      read_ := read_ + cardinality(entries);
      answer := answer || stored || (
        select jsonb_object_agg(f.key, (answer ->> f.key)::bigint + f.value::bigint)
        from jsonb_each_text(stored) as f
        where f.key in ('messages', 'tool_calls', 'duplicates', 'progress', 'unknown')
      );
    exception
      -- Not class 23 as a whole: a project may be deleted meanwhile.
      when data_exception or check_violation or not_null_violation or program_limit_exceeded then
        if first_ = last_ then
          refused := refused || offsets[first_];
        else
          firsts := firsts || array[(first_ + last_) / 2 + 1, first_];
          lasts := lasts || array[last_, (first_ + last_) / 2];
        end if;
    end;
  end loop;
  return answer || jsonb_build_object('state', state, 'entries', read_, 'refused', to_jsonb(refused));
end
$$;
revoke execute on function private.store_lines(uuid, jsonb, text[], bigint[], jsonb, jsonb, bigint[], bigint) from public;

-- Takes a batch of lines of a transcript. `lines` are texts of JSON objects, null for one that cannot be stored; `offsets` where they begin
-- in the body, whose first byte is byte `base` of the file. `redactions` has what the edge has seen: {lines: {index: secrets}, by: {provider:
-- secrets}, skipped: {index: reason}}. The reason "unfinished" is the end of the body in the middle of a line: the file goes on there.
create function observatory.ingest_batch(
  lines json, offsets bigint[], redactions jsonb, file text, project text default null, session text default null,
  source text default null, base bigint default 0, start bigint default 0, "end" bigint default 0
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set plan_cache_mode = auto
  as $$
declare
  owner constant uuid := private.require_user();
  -- The end of a very long path names the file.
  path constant text := right(replace(private.redact_path(file), E'\\', '/'), 1024);
  place constant jsonb := private.transcript_place(path);
  session_ text := coalesce(nullif(left(private.redact_secrets(ingest_batch.session), 200), ''), place ->> 'session');
  is_named constant boolean := session_ is not null;
  agent_ constant text := place ->> 'agent';
  first_line jsonb;
  head bytea;
  -- The stored files of this name.
  files observatory.ingest_files[];
  -- Those of them that have the session of these lines.
  own_files observatory.ingest_files[];
  lines_session text;
  -- Of lines that name none.
  default_session text;
  last_variant bigint;
  known observatory.ingest_files;
  is_known boolean;
  -- The file begins as one that is stored, and goes on differently.
  differs boolean := false;
  -- The stored files have this name by chance: they are transcripts of other sessions.
  is_other boolean := false;
  at constant bigint := base + start;
  next_offset bigint := base + "end";
  kept_lines text[] := array(select l.line from json_array_elements_text(lines) as l (line));
  kept_offsets bigint[];
  answer jsonb := jsonb_build_object('messages', 0, 'tool_calls', 0, 'duplicates', 0, 'progress', 0, 'unknown', 0);
  entries bigint;
  body text;
  skipped jsonb;
  errors jsonb;
  lines_ bigint;
  -- With those that are skipped.
  read_ bigint;
  dropped bigint;
begin
  if base < 0 or path = '' or place ->> 'name' is null then
    perform private.refuse(
      422, 'RG664', 'It is not clear which session this is', 'file names no file, or offset is below 0',
      'Send the path of the transcript as file, such as file=projects/-home-me-app/<session>.jsonl.'
    );
  end if;
  perform private.require_allowance('transcripts');
  perform private.lock_observatory_owner(owner);
  -- Plans for the given arrays would be made again for each of the first five batches of a connection, and be no better: all that is read is
  -- found by keys. But a plan that is made while a table is nearly empty may use any of its indexes, and stays.
  if pg_relation_size('observatory.messages') > 500000 then
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
  end if;

  select l.line::jsonb into first_line from unnest(kept_lines) as l (line) where l.line is not null limit 1;
  session_ := coalesce(session_, private.entry_id(first_line ->> 'sessionId'));
  if session_ is null then
    -- Only the end of a subagent's file may lack a session.
    if first_line is null then
      return answer || jsonb_build_object('next_offset', '0');
    end if;
    perform private.refuse(
      422, 'RG664', 'It is not clear which session this is', 'Neither file nor the first line names a session', 'Send session=<id>.'
    );
  end if;

  select array_agg(f order by f.variant) into files from observatory.ingest_files as f
  where f.owner_id = owner and f.session_id = session_ and f.agent_id is not distinct from agent_ and f.name = place ->> 'name';
  if exists (
    select from observatory.conversations as c
    inner join observatory.projects as p on p.id = c.project_id
    where c.id = any (array(select f.conversation_id from unnest(files) as f)) and (c.deleted_at is not null or p.deleted_at is not null)
  ) then
    delete from observatory.ingest_files as f
    using observatory.conversations as c, observatory.projects as p
    where f.id = any (array(select s.id from unnest(files) as s)) and c.id = f.conversation_id and p.id = c.project_id
      and (c.deleted_at is not null or p.deleted_at is not null);
    select array_agg(s order by s.variant) into files
    from unnest(files) as s
    inner join observatory.ingest_files as f on f.id = s.id;
  end if;
  -- The first line of the file, which may follow a byte order mark.
  if at = 0 and base + offsets[1] <= 3 and kept_lines[1] is not null then
    head := sha256(convert_to(kept_lines[1], 'UTF8'));
  end if;
  is_known := files is not null;
  if is_known then
    kept_offsets := array(select base + o from unnest(offsets) with ordinality as u (o, n) order by n);
    last_variant := files[cardinality(files)].variant;
    -- The name may not identify the session: export.json has another one each time. Whoever may read one session must not get the lines of
    -- another, so the lines are compared with files of their session. Not for lines that continue the only file of the name: most batches do.
    if cardinality(files) > 1 or at < files[1].byte_offset then
      lines_session := coalesce(private.lines_session(kept_lines), session_);
      select array_agg(f order by f.variant) into own_files
      from unnest(files) as f
      inner join observatory.conversations as c on c.id = f.conversation_id
      where c.session_id = lines_session;
      files := coalesce(own_files, files);
    end if;
    known := case
      -- Nothing to compare.
      when cardinality(files) = 1 and at >= files[1].byte_offset then files[1]
      else private.continued_file(files, kept_lines, kept_offsets, redactions -> 'lines', at, head)
    end;
    is_other := known.id is null and own_files is null and head is not null;
    -- Another first line: the file takes the place of the one that is known. A gap: it is refused below.
    if known.id is null and not is_other and not exists (
      select from unnest(files) as f where at <= f.byte_offset and (head is null or f.head_hash is null or f.head_hash = head)
    ) then
      known := files[1];
    end if;
    differs := known.id is null and not is_other;
  end if;
  -- The lines before may be those of either file.
  if differs and base > 0 and not exists (select from private.stored_lines(files, kept_lines, kept_offsets) as s where s.n = 1) then
    perform private.refuse(
      409, 'RG663', 'Something before this is missing', '0', 'The file differs from the one that is stored. Send it from its beginning.'
    );
  end if;
  -- Each is compared with every batch.
  if (differs or is_other) and cardinality(files) >= 100 then
    perform private.refuse(
      422, 'RG677', 'This file differs from 100 others of its name', null, 'Send it with another session=<id>, or delete the conversation.'
    );
  end if;
  if differs then
    known := files[1];
    if own_files is null then
      -- That of these lines.
      known.conversation_id := null;
    end if;
    known.id := gen_random_uuid();
    known.variant := last_variant + 1;
    known.generation := 1;
    known.byte_offset := at;
    known.line_no := 0;
    known.lines := 0;
    known.skipped := '{}';
    known.errors := '[]';
    known.reader_state := null;
  elsif is_other or not is_known then
    known := null;
    known.id := gen_random_uuid();
    known.variant := coalesce(last_variant, 0) + 1;
    known.generation := 1;
    known.byte_offset := 0;
    known.line_no := 0;
    known.lines := 0;
    known.skipped := '{}';
    known.errors := '[]';
    known.source := coalesce(ingest_batch.source, private.transcript_source(first_line));
  end if;

  if head is not null and known.head_hash is distinct from head then
    -- Without the beginning, if the session was deleted while it was sent.
    if known.head_hash is not null or known.byte_offset > 0 then
      known.generation := known.generation + 1;
      known.byte_offset := 0;
      known.line_no := 0;
      known.lines := 0;
      known.skipped := '{}';
      known.errors := '[]';
      known.reader_state := null;
    end if;
    known.head_hash := head;
  end if;
  -- A file is known from its first stored line on, unless it was deleted meanwhile. Where only lines name the session, all earlier lines of this
  -- body may have been broken, so that nothing was stored.
  if at > known.byte_offset and (is_known or base > 0 or is_named) then
    perform private.refuse(
      409, 'RG663', 'Something before this is missing', known.byte_offset::text, 'Go on from the offset in details.'
    );
  end if;

  -- Lines that are stored already.
  select count(*) into dropped from unnest(offsets) as o where base + o < known.byte_offset;
  if next_offset <= known.byte_offset then
    return answer || jsonb_build_object(
      'duplicates', dropped, 'conversation_id', known.conversation_id, 'project_id', known.project_id, 'next_offset', known.byte_offset::text
    );
  end if;
  select coalesce(jsonb_object_agg(s.reason, s.lines), '{}') into skipped
  from (
    select r.reason, count(*) as lines
    from jsonb_each_text(redactions -> 'skipped') as r (index, reason)
    where base + offsets[r.index::int + 1] >= known.byte_offset
    group by r.reason
  ) as s;
  select coalesce(jsonb_agg(jsonb_build_object('offset', base + offsets[r.index::int + 1], 'code', r.reason) order by r.index::int), '[]')
  into errors
  from jsonb_each_text(redactions -> 'skipped') as r (index, reason)
  where base + offsets[r.index::int + 1] >= known.byte_offset and r.reason <> 'unfinished';
  if skipped ? 'unfinished' then
    next_offset := base + offsets[cardinality(offsets)];
  end if;
  kept_offsets := array(select base + o from unnest(offsets) with ordinality as u (o, n) where base + o >= known.byte_offset order by n);
  read_ := cardinality(kept_offsets);
  if dropped > 0 then
    kept_lines := array(
      select l.line from unnest(kept_lines) with ordinality as l (line, n) where base + offsets[l.n] >= known.byte_offset order by l.n
    );
  end if;
  lines_ := cardinality(array_remove(kept_lines, null));

  if lines_ > 0 then
    -- A name such as export.json stands for many sessions. Lines without one belong to the session of the others in their file.
    default_session := session_;
    if ingest_batch.session is null and session_ !~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' then
      default_session := coalesce(
        (select c.session_id from observatory.conversations as c where c.id = known.conversation_id), private.lines_session(kept_lines), session_
      );
    end if;
    answer := private.store_lines(
      owner,
      jsonb_build_object(
        'project', private.redact_secrets(project), 'source', known.source, 'session', default_session, 'agent', agent_,
        'path', path, 'file_id', known.id
      ),
      kept_lines, kept_offsets, known.reader_state, redactions -> 'lines', offsets, base
    );
    known.reader_state := nullif(answer -> 'state', 'null');
    if answer -> 'refused' <> '[]' then
      skipped := skipped || jsonb_build_object('refused', jsonb_array_length(answer -> 'refused'));
      errors := errors || (
        select jsonb_agg(jsonb_build_object('offset', r.place, 'code', 'refused')) from jsonb_array_elements(answer -> 'refused') as r (place)
      );
    end if;
    entries := (answer ->> 'entries')::bigint;
    answer := answer - array['state', 'entries', 'refused'];
    known.conversation_id := coalesce(known.conversation_id, (answer ->> 'conversation_id')::uuid);
    -- The session may have moved with these lines.
    select c.project_id into known.project_id from observatory.conversations as c where c.id = known.conversation_id;
  end if;
  if differs and own_files is not null then
    -- Only now: the reader needs the lines that both files have.
    select array_agg(l.line order by l.n), array_agg(l.at order by l.n) into kept_lines, kept_offsets
    from unnest(kept_lines, kept_offsets) with ordinality as l (line, at, n)
    where l.line is not null and l.n not in (select s.n from private.stored_lines(files, kept_lines, kept_offsets) as s);
    lines_ := coalesce(cardinality(kept_lines), 0);
  end if;
  body := array_to_string(kept_lines, E'\n') || E'\n';

  if known.conversation_id is null and errors <> '[]' then
    known.conversation_id := private.conversation_for(
      owner, session_, agent_, jsonb_build_object('project', private.redact_secrets(project), 'source', known.source, 'path', path)
    );
    select c.project_id into known.project_id from observatory.conversations as c where c.id = known.conversation_id;
  end if;
  if known.conversation_id is not null then
    insert into observatory.ingest_files as f (
      id, owner_id, project_id, conversation_id, session_id, agent_id, name, variant, path, source, generation, head_hash, byte_offset, line_no,
      lines, skipped, errors, reader_state
    ) values (
      known.id, owner, known.project_id, known.conversation_id, session_, agent_, place ->> 'name', known.variant, path, known.source,
      known.generation, known.head_hash, next_offset, known.line_no + read_ - (skipped ? 'unfinished')::int, known.lines + lines_,
      private.add_counts(known.skipped, skipped - 'unfinished'),
      jsonb_path_query_array(known.errors || errors, '$[0 to 19]'),
      known.reader_state
    )
    on conflict on constraint ingest_files_pkey do update set
      path = excluded.path, generation = excluded.generation, head_hash = excluded.head_hash, byte_offset = excluded.byte_offset,
      line_no = excluded.line_no, lines = excluded.lines, skipped = excluded.skipped, errors = excluded.errors,
      reader_state = excluded.reader_state, updated_at = now();
    update observatory.conversations as c set source_path = path
    where c.id = known.conversation_id and c.session_id = place ->> 'session' and c.agent_id is not distinct from agent_
      and c.source_path is distinct from path;
    if lines_ > 0 then
      insert into private.transcript_chunks (file_id, generation, start_offset, end_offset, body)
      values (known.id, known.generation, kept_offsets[1], next_offset, body);
      update observatory.projects as p set last_activity_at = now()
      where p.id = known.project_id and p.last_activity_at < now() - interval '1 minute';
      perform private.use_allowance('transcripts', octet_length(body), entries);
    else
      -- Broken lines alone have made rows, too: the file and its conversation, at times a project.
      perform private.use_allowance('transcripts', 0, 1);
    end if;
  end if;

  return answer || jsonb_build_object(
    'duplicates', (answer ->> 'duplicates')::bigint + dropped, 'skipped', skipped,
    -- Only blank lines, or the beginning of the first line: nothing is stored.
    'next_offset', case when known.conversation_id is null then 0 else next_offset end::text,
    'redacted', coalesce(redactions -> 'by', '{}'),
    'redactions', (select coalesce(sum(r.value::bigint), 0) from jsonb_each_text(redactions -> 'by') as r)
  );
end
$$;
comment on function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint) is
  'Stores a batch of lines of a transcript. Executable by the edge only, which has taken the secrets out of them. Definer: users have no right to write most of it, and this function decides what is stored where.';
revoke execute on function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint) from public;
grant execute on function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint) to edge;

-- migrate:down
drop function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint);
drop function private.store_lines(uuid, jsonb, text[], bigint[], jsonb, jsonb, bigint[], bigint);
drop function private.transcript_place(text);
drop function private.continued_file(observatory.ingest_files[], text[], bigint[], jsonb, bigint, bytea);
drop function private.stored_lines(observatory.ingest_files[], text[], bigint[]);
drop function private.lines_session(text[]);
drop function private.add_counts(jsonb, jsonb);
drop function private.with_redactions(private.entry[], bigint[], bigint, jsonb);
drop function private.entries_of(text, text[], bigint[], jsonb);
drop function private.transcript_source(jsonb);
delete from private.daily_allowances where name = 'transcripts';
