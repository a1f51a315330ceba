// What the failover benchmark calls an outage, a lost write and a stale read: each check sees the fault that it is there for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endRows, isStale, lostOf, phaseRow } from '../../../bench/failover/aims.js';

const request = (kind, at, more = {}) => ({
  kind,
  at,
  status: kind === 'writes' ? 201 : 200,
  ms: 30,
  refused: false,
  ...more,
});

/** A phase of twenty seconds with a read and a write every 10 ms. */
const usual = Array.from({ length: 2000 }, (_, n) => [request('reads', n * 10), request('writes', n * 10)]).flat();
const judged = (seen, most = 0) => phaseRow({ name: 'a phase', most, begun: 0, ended: 20_000 }, seen);

/** The same, but all of twelve users wait for so many milliseconds, and ask nothing else meanwhile. */
const stalled = (ms) =>
  usual
    .filter(({ at }) => at <= 5000 || at >= 5000 + ms)
    .map((one) => (one.at >= 5000 + ms && one.at < 5060 + ms ? { ...one, ms } : one));

test('a phase in which all is answered reaches its aim', () => {
  const { met, reached } = judged(usual);
  assert.equal(met, true);
  assert.equal(
    reached,
    'none refused; at most 0.01 s without an answered write; reads: 0 of 2000 refused, p99 30 ms, longest 30 ms; writes: 0 of 2000 refused, p99 30 ms, longest 30 ms',
  );
});

test('a stall that is in too few requests for a p99 is named, and missed if it is too long', () => {
  const { met, reached } = judged(stalled(3400), 10);
  assert.match(
    reached,
    /^none refused; at most 3\.4 s without an answered write; .*writes: 0 of \d+ refused, p99 30 ms, longest 3400 ms/,
  );
  assert.equal(met, true, 'of a phase that allows ten seconds');
  assert.equal(judged(stalled(3400), 1).met, false);
  assert.equal(judged(stalled(3400)).met, false);
  assert.equal(judged(stalled(1500)).met, true);
  assert.equal(judged(stalled(11_000), 10).met, false);
});

test('a stall at the begin or at the end of a phase counts, also if no write is answered at all', () => {
  const writes = (keep) => usual.filter(({ kind, at }) => kind === 'reads' || keep(at));
  assert.match(judged(writes((at) => at > 15_000)).reached, /at most 15 s without an answered write/);
  assert.match(judged(writes((at) => at < 5000)).reached, /at most 15 s without an answered write/);
  const none = judged(
    writes(() => false),
    10,
  );
  assert.equal(none.met, false);
  assert.match(none.reached, /at most 20 s without an answered write; .*; writes: none$/);
  assert.equal(judged([], 10).met, false);
});

test('a refused request counts by its time, and its time is in no p99', () => {
  const refused = (at, ms) => request('writes', at, { status: 503, refused: true, ms });
  const soon = Array.from({ length: 300 }, (_, n) => refused(500 + n, 1));
  const row = judged([...usual, ...soon, refused(900, 4000)], 1);
  assert.equal(row.met, true);
  assert.match(
    row.reached,
    /^the last refused after 0\.9 s; .*writes: 301 of 2301 refused \(503\), p99 30 ms, longest 4000 ms$/,
  );
  const slow = usual.map((one) => ({ ...one, ms: one.at > 10_000 ? 300 : 30 }));
  assert.match(judged([...slow, ...soon, ...soon, ...soon], 1).reached, /writes: .* p99 300 ms/);
  assert.equal(judged([...usual, refused(1001, 1)], 1).met, false);
  assert.equal(judged([...usual, refused(10, 1)]).met, false);
  // While writes are refused, none is answered.
  const away = usual.map((one) => (one.at > 4000 && one.at < 9000 ? { ...one, status: 503, refused: true } : one));
  assert.match(judged(away, 10).reached, /at most 5 s without/);
  assert.match(
    judged(
      usual.map((one) => ({ ...one, status: 503, refused: true })),
      30,
    ).reached,
    /none answered/,
  );
});

test('a read is stale if the user’s last row is not in its answer', () => {
  assert.equal(isStale({ status: 200, body: '[]' }, 'row 1'), true);
  assert.equal(isStale({ status: 200, body: '[{"name":"row 1"}]' }, 'row 1'), false);
  assert.equal(isStale({ status: 200, body: '[]' }, undefined), false, 'the user has written nothing');
  assert.equal(isStale({ status: 503, body: '{"code":"RG401"}' }, 'row 1'), false);
  assert.equal(isStale({ status: 0 }, 'row 1'), false, 'no answer');
});

test('an acknowledged write that is not in the database is lost, also if another user has a row of that name', () => {
  const users = [
    { sub: 'a', acknowledged: ['row 1', 'row 3'] },
    { sub: 'b', acknowledged: ['row 1'] },
  ];
  const row = (sub, name) => ({ user_id: sub, name });
  const all = [row('a', 'row 1'), row('a', 'row 2'), row('a', 'row 3'), row('b', 'row 1')];
  assert.deepEqual(lostOf(users, all), []);
  assert.deepEqual(lostOf(users, all.slice(1)), ['a row 1']);
  assert.deepEqual(lostOf(users, []), ['a row 1', 'a row 3', 'b row 1']);
});

test('a lost write, a stale read, a standby that answers nothing or is not behind, and a run without requests are missed', () => {
  const found = {
    ...{ lost: 0, written: 14_000, stale: [], reads: 36_000, behind: 12, users: 12 },
    ...{ fromStandby: 800, readsMeanwhile: 4800 },
  };
  const missed = (fault) => endRows({ ...found, ...fault }).filter(({ met }) => met !== true);
  assert.deepEqual(missed({}), []);
  for (const fault of [
    { lost: 1 },
    { written: 0 },
    { stale: ['a phase: 3 s after its begin, 6 s after the write'] },
    { reads: 0 },
    { fromStandby: 0 },
    // What is counted if the edge sends it no read.
    { fromStandby: 20, readsMeanwhile: 577 },
    { readsMeanwhile: 0 },
    { behind: 11 },
    { behind: 0, users: 0 },
  ])
    assert.equal(missed(fault).length, 1, JSON.stringify(fault));
});
