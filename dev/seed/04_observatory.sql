-- Sample projects and sessions of two users: a shared project, a subagent, a fork, a compaction, an invitation. Local databases only; loading
-- them twice changes nothing: they are sent as an agent's files are.
insert into observatory.projects (id, owner_id, name, root_path, description) values
(
  '00000000-0000-4000-8000-0000000004a1', '00000000-0000-4000-8000-000000000001', 'Recipe finder', '/home/ada/recipes',
  'Finds recipes for what is in the fridge.'
),
('00000000-0000-4000-8000-0000000004a2', '00000000-0000-4000-8000-000000000001', 'Notes', '/home/ada/notes', null),
('00000000-0000-4000-8000-0000000004a3', '00000000-0000-4000-8000-000000000002', 'Support bot', '/home/grace/support-bot', null)
on conflict do nothing;
insert into observatory.project_members (project_id, user_id, role, display_name, added_by) values (
  '00000000-0000-4000-8000-0000000004a1', '00000000-0000-4000-8000-000000000002', 'editor', 'Grace',
  '00000000-0000-4000-8000-000000000001'
)
on conflict do nothing;
insert into observatory.project_paths (owner_id, path, project_id) values (
  '00000000-0000-4000-8000-000000000002', '/home/grace/recipes', '00000000-0000-4000-8000-0000000004a1'
)
on conflict do nothing;
insert into observatory.project_invitations (project_id, email_key, role, invited_by)
select '00000000-0000-4000-8000-0000000004a3', 'ada@example.org', 'viewer', '00000000-0000-4000-8000-000000000002'
where not exists (
  select from observatory.project_invitations as i where i.project_id = '00000000-0000-4000-8000-0000000004a3'
);

-- One line of a session, as Claude Code writes it.
create function pg_temp.line(session text, n int, what jsonb) returns text
  language sql
  as $$
select (jsonb_build_object(
  'uuid', format('%s-%s', session, lpad(n::text, 4, '0')),
  'parentUuid', case when n > 1 then format('%s-%s', session, lpad((n - 1)::text, 4, '0')) end,
  'sessionId', session, 'version', '2.1.173', 'userType', 'external', 'isSidechain', false, 'gitBranch', 'main',
  'timestamp', to_char(timestamptz '2026-11-20 09:00:00+00' + make_interval(mins => n), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
) || what)::text
$$;
create function pg_temp.prompt(words text) returns jsonb
  language sql
  as $$ select jsonb_build_object('type', 'user', 'message', jsonb_build_object('role', 'user', 'content', words)) $$;
create function pg_temp.reply(id text, blocks jsonb, tokens int) returns jsonb
  language sql
  as $$
select jsonb_build_object(
  'type', 'assistant', 'requestId', 'req_' || id,
  'message', jsonb_build_object(
    'id', 'msg_' || id, 'role', 'assistant', 'model', 'claude-sonnet-4-5', 'content', blocks, 'stop_reason', 'end_turn',
    'usage', jsonb_build_object(
      'input_tokens', tokens, 'output_tokens', tokens / 4, 'cache_read_input_tokens', tokens * 10, 'cache_creation_input_tokens', tokens * 2
    )
  )
)
$$;
create function pg_temp.text_block(words text) returns jsonb
  language sql
  as $$ select jsonb_build_array(jsonb_build_object('type', 'text', 'text', words)) $$;
create function pg_temp.tool_block(id text, name text, input jsonb) returns jsonb
  language sql
  as $$ select jsonb_build_array(jsonb_build_object('type', 'tool_use', 'id', id, 'name', name, 'input', input)) $$;
create function pg_temp.tool_result(id text, words text, result jsonb) returns jsonb
  language sql
  as $$
select jsonb_build_object(
  'type', 'user', 'toolUseResult', result, 'message', jsonb_build_object('role', 'user', 'content', jsonb_build_array(
    jsonb_build_object('type', 'tool_result', 'tool_use_id', id, 'content', words)
  ))
)
$$;
-- Sends a file as its user.
create function pg_temp.send(sender uuid, file text, cwd text, lines text[]) returns void
  language plpgsql
  as $$
declare
  whole constant text[] := array(select (l.line::jsonb || jsonb_build_object('cwd', cwd))::text from unnest(lines) with ordinality as l (line, n) order by l.n);
  offsets constant bigint[] := array(
    select sum(octet_length(l.line) + 1) over (order by l.n) - octet_length(l.line) - 1 from unnest(whole) with ordinality as l (line, n) order by l.n
  );
begin
  perform set_config('request.jwt.claims', jsonb_build_object(
    'sub', sender, 'role', 'edge', 'edge', jsonb_build_object('caller', 'authenticated')
  )::text, true);
  perform observatory.ingest_batch(
    to_json(whole), offsets, '{"skipped": {}, "lines": {}, "by": {}}', file,
    "end" => (select sum(octet_length(l) + 1) from unnest(whole) as l)
  );
end
$$;

select pg_temp.send('00000000-0000-4000-8000-000000000001', 'projects/-home-ada-recipes/seed-search.jsonl', '/home/ada/recipes', array[
  pg_temp.line('seed-search', 1, pg_temp.prompt('The search finds nothing for "leek". Why?')),
  pg_temp.line('seed-search', 2, pg_temp.reply('seed1', pg_temp.text_block('I look at how words are split.')
    || pg_temp.tool_block('toolu_seed1', 'Grep', '{"pattern": "split_words", "path": "src"}'), 900)),
  pg_temp.line('seed-search', 3, pg_temp.tool_result('toolu_seed1', 'src/search.rs:41: fn split_words(query: &str)', '{"mode": "content"}')),
  pg_temp.line('seed-search', 4, pg_temp.reply('seed2', pg_temp.text_block('A helper checks the tests.')
    || pg_temp.tool_block('toolu_seed2', 'Task', '{"description": "Check the tests", "prompt": "Which tests cover split_words?"}'), 1100)),
  pg_temp.line('seed-search', 5, pg_temp.tool_result('toolu_seed2', 'None.', '{"status": "completed", "agentId": "seedagent1", "totalTokens": 4200, "totalDurationMs": 61000}')),
  pg_temp.line('seed-search', 6, pg_temp.reply('seed3', pg_temp.text_block('split_words dropped words of four letters. It is mended, with a test.'), 1300))
]);
select pg_temp.send(
  '00000000-0000-4000-8000-000000000001', 'projects/-home-ada-recipes/seed-search/subagents/agent-seedagent1.jsonl', '/home/ada/recipes', array[
    (pg_temp.line('seed-search', 101, pg_temp.prompt('Which tests cover split_words?'))::jsonb
      || '{"agentId": "seedagent1", "isSidechain": true, "parentUuid": null}')::text,
    (pg_temp.line('seed-search', 102, pg_temp.reply('seed4', pg_temp.text_block('None.'), 700))::jsonb
      || '{"agentId": "seedagent1", "isSidechain": true}')::text
  ]
);
-- A fork: the same entries under another session, and then its own.
select pg_temp.send('00000000-0000-4000-8000-000000000001', 'projects/-home-ada-recipes/seed-fork.jsonl', '/home/ada/recipes', array[
  (pg_temp.line('seed-search', 1, pg_temp.prompt('The search finds nothing for "leek". Why?'))::jsonb
    || '{"sessionId": "seed-fork", "forkedFrom": {"sessionId": "seed-search", "messageUuid": "seed-search-0001"}}')::text,
  (pg_temp.line('seed-search', 2, pg_temp.reply('seed1', pg_temp.text_block('I look at how words are split.')
    || pg_temp.tool_block('toolu_seed1', 'Grep', '{"pattern": "split_words", "path": "src"}'), 900))::jsonb
    || '{"sessionId": "seed-fork", "forkedFrom": {"sessionId": "seed-search", "messageUuid": "seed-search-0002"}}')::text,
  (pg_temp.line('seed-fork', 3, pg_temp.prompt('Do it by trigrams instead.'))::jsonb || '{"parentUuid": "seed-search-0002"}')::text,
  pg_temp.line('seed-fork', 4, pg_temp.reply('seed5', pg_temp.text_block('Trigrams find "leek", and "leak" as well.'), 800))
]);
-- A compaction.
select pg_temp.send('00000000-0000-4000-8000-000000000001', 'projects/-home-ada-notes/seed-notes.jsonl', '/home/ada/notes', array[
  pg_temp.line('seed-notes', 1, pg_temp.prompt('Sort my notes by week.')),
  pg_temp.line('seed-notes', 2, pg_temp.reply('seed6', pg_temp.text_block('They are sorted. 212 notes are in 31 weeks.'), 2400)),
  (pg_temp.line('seed-notes', 3, '{"type": "system", "subtype": "compact_boundary", "content": "Conversation compacted", "compactMetadata": {"trigger": "auto", "preTokens": 155000}}')::jsonb
    || '{"parentUuid": null, "logicalParentUuid": "seed-notes-0002"}')::text,
  (pg_temp.line('seed-notes', 4, pg_temp.prompt('This session continues: notes were sorted by week.'))::jsonb || '{"isCompactSummary": true}')::text,
  pg_temp.line('seed-notes', 5, pg_temp.reply('seed7', pg_temp.text_block('Next I look for doubles.'), 600))
]);
select pg_temp.send('00000000-0000-4000-8000-000000000002', 'projects/-home-grace-recipes/seed-photos.jsonl', '/home/grace/recipes', array[
  pg_temp.line('seed-photos', 1, pg_temp.prompt('Photos are upside down on phones.')),
  pg_temp.line('seed-photos', 2, pg_temp.reply('seed8', pg_temp.text_block('The orientation in EXIF is ignored. I turn the image by it.'), 1000))
]);
select pg_temp.send('00000000-0000-4000-8000-000000000002', 'projects/-home-grace-support-bot/seed-manual.jsonl', '/home/grace/support-bot', array[
  pg_temp.line('seed-manual', 1, pg_temp.prompt('Answer from the manual only.')),
  pg_temp.line('seed-manual', 2, pg_temp.reply('seed9', pg_temp.text_block('It says so now where the manual has no answer.'), 500))
]);
select set_config('request.jwt.claims', '', true);
