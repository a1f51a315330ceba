// The tables of accounts in the development database.
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { isLocal } from '../local.js';

const TABLES = readFileSync(new URL('tables.sql', import.meta.url), 'utf8');

/** How the comment of our own table begins. */
const OURS = 'Made by dev/accounts';

/** Of PostgreSQL: no such table, no such schema. `npm run db:reset` takes them while we run. */
const GONE = ['42P01', '3F000'];

/** Why a database does not get accounts of ours; nothing where it does. */
const otherOwner = async (client) => {
  const { rows } = await client.query(
    `select to_regclass('auth.users') is not null as there,
      starts_with(obj_description(to_regclass('auth.users'), 'pg_class'), $1) is true as ours,
      to_regprocedure('private.attach_account_triggers()') is not null as migrated`,
    [OURS],
  );
  const [{ there, ours, migrated }] = rows;
  if (there && !ours) return 'it has the accounts of another system in auth.users, which serves them';
  return migrated ? undefined : 'it is not migrated';
};

export class Store {
  #pool;

  constructor(databaseUrl) {
    this.#pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
    // A connection that ends while it is idle, or in the middle of a transaction: another is made.
    this.#pool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}));
    this.isLocal = isLocal(databaseUrl);
  }

  /** Makes the tables. Gives why not, if not. */
  async prepare() {
    if (!this.isLocal) return 'it is not on this machine';
    return this.#inTransaction(async (client) => {
      await client.query(`select pg_advisory_xact_lock(hashtextextended('dev/accounts', 0))`);
      const why = await otherOwner(client);
      if (!why) await client.query(TABLES);
      return why;
    });
  }

  async #inTransaction(body) {
    const client = await this.#pool.connect();
    let broken;
    try {
      await client.query('begin');
      const result = await body(client);
      await client.query('commit');
      return result;
    } catch (error) {
      broken = await client.query('rollback').then(
        () => undefined,
        (failure) => failure,
      );
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /**
   * Calls the body with a function that runs a query and gives its rows, all in one transaction.
   * @param {(query: (text: string, values?: any[]) => Promise<any[]>) => Promise<any>} body
   */
  async transaction(body) {
    const run = () => this.#inTransaction((client) => body(async (...query) => (await client.query(...query)).rows));
    try {
      return await run();
    } catch (error) {
      if (!GONE.includes(error.code) || (await this.prepare())) throw error;
      return run();
    }
  }

  close() {
    return this.#pool.end();
  }
}
