// What the requests read, write and call: a project of one user, a function, and two tables beside the system's own, guarded like
// clixen.projects. Unlogged and uncompressed, so that gateways are compared and not the disk or a compressor.
import pg from 'pg';
import { waitFor } from '../../dev/process.js';

/** Characters of a row's text, such that the rows of an answer make 100 KB and 10 MB with the JSON around them. */
const BATCHES = [
  { rows: 100, characters: 1006 },
  { rows: 1000, characters: 10467 },
];

const TABLES = `
create unlogged table clixen.bench_answers (
  id      bigint generated always as identity primary key,
  user_id uuid not null default auth.uid(),
  batch   integer not null,                -- how many rows make the answer
  payload text not null
);
create index bench_answers_batch on clixen.bench_answers (user_id, batch);
alter table clixen.bench_answers alter column payload set storage external;

alter table clixen.bench_answers enable row level security;
alter table clixen.bench_answers force row level security;
create policy owner_select on clixen.bench_answers for select to authenticated
  using (user_id = (select auth.uid()));
grant select on clixen.bench_answers to authenticated;

create unlogged table clixen.bench_writes (
  id      bigint generated always as identity primary key,
  user_id uuid not null default auth.uid(),
  payload text not null
);
alter table clixen.bench_writes alter column payload set storage external;

alter table clixen.bench_writes enable row level security;
alter table clixen.bench_writes force row level security;
create policy owner_insert on clixen.bench_writes for insert to authenticated
  with check (user_id = (select auth.uid()));
grant insert (payload) on clixen.bench_writes to authenticated;

create function clixen.bench_plain(id uuid, page integer) returns json
  language sql stable
  as $$ select format('{"id":"%s","page":%s}', id, page)::json $$;
grant execute on function clixen.bench_plain(uuid, integer) to authenticated;
`;

const BUSY = `select from pg_stat_activity where usename = 'authenticator' and state <> 'idle'`;

/** The database as its owner sees it. */
export class Fixture {
  constructor(databaseUrl) {
    this.client = new pg.Client({ connectionString: databaseUrl });
    // Its end while everything is being stopped is no news.
    this.client.on('error', () => {});
  }

  /** Makes tables and rows. PostgREST must read its schema anew afterwards. */
  async make(sub) {
    const { client } = this;
    await client.connect();
    await client.query(TABLES);
    await client.query('update private.connection_shares set caller = 0, anonymous = 0');
    for (const { rows, characters } of BATCHES) {
      await client.query(
        `insert into clixen.bench_answers (user_id, batch, payload)
        select $1, $2, left(repeat(md5(number::text), $3 / 32 + 1), $3) from generate_series(1, $2) as number`,
        [sub, rows, characters],
      );
    }
    const { rows } = await client.query('insert into clixen.projects (user_id, name) values ($1, $2) returning id', [
      sub,
      'A project to be read',
    ]);
    await client.query('vacuum analyze clixen.bench_answers, clixen.projects');
    this.project = rows[0].id;
  }

  async version() {
    return (await this.client.query('show server_version')).rows[0].server_version;
  }

  /** Waits until PostgREST has ended what callers no longer wait for, and empties what they wrote. */
  async settle() {
    const idle = async () => (await this.client.query(BUSY)).rowCount === 0;
    await waitFor('PostgREST to be idle', idle);
    await this.client.query('truncate clixen.bench_writes');
  }

  close() {
    return this.client.end();
  }
}
