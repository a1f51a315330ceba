// Reads of a real standby behind the edge: users see what they have written, however far the standby is behind.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withCluster } from '../../../bench/failover/cluster.js';
import { token as issue } from '../../../dev/issuer.js';
import { waitFor } from '../../../dev/process.js';
import { withThrowAway } from '../../../dev/throwaway.js';
import { close, schemaOfTests } from '../../support/stack.js';

test.after(close);

/** Milliseconds after which a user's reads go to the standby again, and after which a standby is behind. */
const LATER = 5500;

test('a standby that is behind refuses reads, and the edge asks the primary', async (t) => {
  const say = () => {};
  const failed = (part) => assert.fail(part.tail());
  await withThrowAway('standby', { only: 'behind the edge', durable: true, say, failed }, ({ data, stack }) =>
    withCluster({ data, stack, latencyMs: 0, lagMs: 0, say }, async ({ edgeUrl, readUrl, primary, standby }) => {
      const sub = randomUUID();
      const headers = { authorization: `Bearer ${await issue(stack.keys, { issuer: stack.issuer.issuer, sub })}` };
      const write = async () => {
        const name = randomUUID();
        const sent = { ...headers, 'content-type': 'application/json', prefer: 'return=minimal' };
        const body = JSON.stringify({ name });
        const { status } = await fetch(`${edgeUrl}/rest/v1/projects`, { method: 'POST', headers: sent, body });
        assert.equal(status, 201);
        return name;
      };
      const ask = async (url, name, more) => {
        const answer = await fetch(`${url}?name=eq.${name}&select=name`, { headers: { ...headers, ...more } });
        return { status: answer.status, body: await answer.json(), retryAfter: answer.headers.get('retry-after') };
      };
      const read = (name) => ask(`${edgeUrl}/rest/v1/projects`, name);
      const readThere = (name, more) => ask(`${readUrl}/projects`, name, { 'accept-profile': schemaOfTests, ...more });
      const isFound = (name) => ({ status: 200, body: [{ name }], retryAfter: null });
      /** What the user has just written is not there, and nobody gets it without. */
      const isRefused = async (name) => {
        assert.deepEqual(await read(name), isFound(name), 'right after the write');
        await sleep(LATER);
        assert.deepEqual(await read(name), isFound(name), 'later');
        const { status, body, retryAfter } = await readThere(name);
        assert.deepEqual([status, body.code, retryAfter], [421, 'RG578', '1']);
        const accepted = await readThere(name, { 'x-read-preference': 'replica' });
        assert.deepEqual([accepted.status, accepted.body], [200, []], 'what it has');
        const ready = await fetch(`${edgeUrl}/readyz`);
        assert.deepEqual([ready.status, (await ready.json()).checks.replica], [200, 'ok']);
      };
      const follows = (name) =>
        waitFor('the standby to answer', async () => {
          const { status, body } = await readThere(name);
          return status === 200 && body.length === 1;
        });

      /** What the standby has got in the end. */
      let known;
      await t.test('not while it follows, and not when nothing has been written for long', async () => {
        const name = await write();
        await follows(name);
        await sleep(LATER);
        assert.deepEqual(await readThere(name), isFound(name));
      });
      await t.test('while its recovery is paused', async () => {
        await standby.query('select pg_wal_replay_pause()');
        const name = await write();
        await isRefused(name);
        await standby.query('select pg_wal_replay_resume()');
        await follows(name);
      });
      await t.test('after a restart, until it has caught up', async () => {
        await standby.query('alter system set recovery_min_apply_delay = 20000');
        await standby.query('select pg_reload_conf()');
        const name = await write();
        await standby.part.kill();
        // Until its processes have ended, too.
        await sleep(1000);
        await standby.part.start();
        await isRefused(name);
        await standby.query('alter system set recovery_min_apply_delay = 0');
        await standby.query('select pg_reload_conf()');
        await follows(name);
        known = name;
      });
      await t.test('while it is not connected to the primary', async () => {
        // Writes would wait for it.
        await primary.query(`alter system set synchronous_standby_names = ''`);
        await primary.query('select pg_reload_conf()');
        await standby.query(`alter system set primary_conninfo = ''`);
        await standby.query('select pg_reload_conf()');
        await waitFor('the standby to leave', async () => {
          const [{ count }] = await primary.query('select count(*)::int as count from pg_stat_replication');
          return count === 0;
        });
        await isRefused(await write());
      });
      await t.test('and while the primary is down it answers with what it has', async () => {
        await primary.part.kill();
        assert.equal((await readThere(known)).status, 421);
        assert.deepEqual(await read(known), isFound(known));
      });
    }),
  );
});
