// What stands beside the messages and calls of load.js: events of hooks, links to commits, files of sessions; and directories and notices of a
// hundred users. With the usual reads of it.
import { conversation, LENGTH, PROJECT } from './load.js';

/** Directories and notices, at full size. Each user has ten directories; a hundred users share the notices. */
const FULL = { paths: 100_000, notices: 100_000 };

const ofMessage = `${PROJECT}, ${conversation(`n / ${LENGTH}`)}`;
const time = `now() - (($1::int - n)::bigint * 15) * interval '1 second'`;
/** Of the messages of the large project, those with this remainder. */
const each = (part, rest) => `from generate_series(0, $1::int - 1) as n where n % ${part} = ${rest}`;

const OF_MESSAGES = {
  // By the calls of these messages.
  git_links: `insert into observatory.git_links (project_id, conversation_id, tool_call_id, kind, sha, branch, at)
    select ${ofMessage}, md5('call ' || n)::uuid, 'commit', md5('commit ' || n), 'main', ${time} ${each(10, 1)}`,
  hook_events: `insert into observatory.hook_events (owner_id, session_id, project_id, conversation_id, event, tool_use_id, payload, at, applied_at)
    select o.owner_id, o.session_id, o.project_id, o.id, 'PostToolUse', 'toolu_' || e.n, e.payload, e.at, e.at
    from (
      select n, ${conversation(`n / ${LENGTH}`)} as id, ${time} as at,
        jsonb_build_object('tool_name', 'Bash', 'cwd', '/home/me/large', 'tool_input', jsonb_build_object('command', 'ls ' || n)) as payload
      ${each(5, 1)}
    ) as e inner join observatory.conversations as o on o.id = e.id`,
  session_files: `insert into observatory.session_files (owner_id, project_id, conversation_id, session_id, path, kind, content, bytes, updated_at)
    select o.owner_id, o.project_id, o.id, o.session_id, 'tool-results/' || f.n || '.txt', 'tool_result', repeat('a line ', 500), 3500, f.at
    from (select n, ${conversation(`n / ${LENGTH}`)} as id, ${time} as at ${each(50, 1)}) as f inner join observatory.conversations as o on o.id = f.id`,
};
const OF_USERS = {
  project_paths: [
    FULL.paths,
    `insert into observatory.project_paths (owner_id, path, project_id)
     select md5('user ' || 1 + n / 10)::uuid, '/home/me/code/' || n, md5('small project ' || n % $2::int)::uuid from generate_series(0, $1::int - 1) as n`,
  ],
  notices: [
    FULL.notices,
    `insert into observatory.notices (user_id, kind, dedupe_key, title, created_at, read_at)
     select md5('user ' || 1 + n % 100)::uuid, 'sessions_lost', 'notice ' || n, 'Sessions were deleted before they were sent',
       now() - n * interval '1 minute', case when n % 1000 >= 200 then now() end
     from generate_series(0, $1::int - 1) as n where $2::int > 0`,
  ],
};

export const load = async (sql, { messages, projects, size, say }) => {
  await sql('set session_replication_role = replica');
  for (const statement of Object.values(OF_MESSAGES)) await sql(statement, [messages]);
  for (const [full, statement] of Object.values(OF_USERS)) await sql(statement, [Math.ceil(full * size), projects]);
  await sql('set session_replication_role = default');
  for (const table of [...Object.keys(OF_MESSAGES), ...Object.keys(OF_USERS)])
    await sql(`vacuum analyze observatory.${table}`);
  say('events of hooks, links to commits, files of sessions, directories, notices');
};
