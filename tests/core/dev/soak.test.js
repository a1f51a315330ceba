// What the soak calls growth, drift, an error and a loss: each check sees the fault that it is there for, and nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  backRows,
  driftRows,
  endRows,
  errorRow,
  gapRows,
  MAX_REFUSED_SECONDS,
  memoryRows,
  sharedRow,
} from '../../../bench/soak/aims.js';
import { IN_STEPS } from '../../../bench/soak/kinds/tools.js';
import { FLAT, SHARED, TOGETHER } from '../../../bench/soak/memory.js';

const MINUTE = 60_000;
const missed = (rows) => rows.filter(({ met }) => !met).map(({ name }) => name);
const every = (step, make) => Array.from({ length: (10 * MINUTE) / step }, (_, n) => make(n * step));

/** Samples of ten minutes; `grows` gives the megabytes of the first thing that is watched. */
const samples = (grows) =>
  every(2000, (at) => ({
    at,
    memory: Object.fromEntries(FLAT.map((name, n) => [name, n === 0 ? grows(at / MINUTE) : 100])),
    cpu: new Map([[1, at / 2000]]),
  }));
const memory = (grows) => memoryRows({ samples: samples(grows), minute: MINUTE });

test('memory that grows a little all the time is missed; what fills in the first minute or is freed again is not', () => {
  assert.deepEqual(missed(memory(() => 100)), []);
  assert.deepEqual(missed(memory((minute) => Math.min(100, 50 + 50 * minute))), []);
  // A heap of which half is garbage from time to time.
  assert.deepEqual(missed(memory((minute) => 100 + 60 * ((minute * 2.7) % 1))), []);
  assert.match(missed(memory((minute) => 100 + 1.5 * minute)).join(), /workerd/);
  // A garbage collector does not hide it.
  assert.match(missed(memory((minute) => 100 + 1.5 * minute + 60 * ((minute * 2.7) % 1))).join(), /workerd/);
  assert.deepEqual(missed(memory((minute) => 100 - 5 * minute)), []);
  // A large heap that fills in the first half; and one that continues to grow, by 2 % in the second.
  assert.deepEqual(missed(memory((minute) => 1000 + 8 * Math.min(minute, 4))), []);
  assert.match(missed(memory((minute) => 1000 + 4 * minute)).join(), /workerd/);
  const together = (grows) =>
    memoryRows({
      samples: samples(() => 100).map(({ at, memory }) => ({
        at,
        memory: { ...memory, [TOGETHER]: grows(at / MINUTE) },
      })),
      minute: MINUTE,
    });
  assert.deepEqual(missed(together((minute) => 1000 + 3 * minute)), []);
  assert.match(missed(together((minute) => 1000 + 5 * minute)).join(), /processes’ own/);
});

test('shared memory may fill up to what PostgreSQL has reserved, and no further', () => {
  const row = (grows) => {
    const filled = samples(() => 100).map(({ at, memory }) => ({
      at,
      memory: { ...memory, [SHARED]: grows(at / MINUTE) },
    }));
    return sharedRow({ samples: filled, minute: MINUTE, reserved: 143 });
  };
  assert.equal(row((minute) => 70 + 7 * minute).met, true);
  assert.equal(row((minute) => 70 + 8 * minute).met, false);
  assert.match(row(() => 139).aim, /143 MB/);
});

test('memory that is not given back after a restart is missed', () => {
  const back = (grows) => missed(backRows({ samples: samples(grows), minute: MINUTE }));
  assert.deepEqual(
    back((minute) => (minute < 5 ? 100 : 60 + minute)),
    [],
  );
  assert.match(back((minute) => (minute < 5 ? 100 : 120)).join(), /workerd/);
  // Less than before, and still growing.
  assert.match(back((minute) => (minute < 5 ? 100 : 10 + 6 * minute)).join(), /workerd/);
});

/** A machine that takes so many times as long for the same work at the end. */
const paceOf = (slower = 1) => every(1000, (at) => ({ at, ms: at < 5 * MINUTE ? 20 : 20 * slower }));

const reads = (ms, more = {}) =>
  every(100, (at) => ({ name: 'a read', group: 'reads', at, ended: at + ms(at), ms: ms(at), ...more }));

test('a p99 that rises is missed, also where only one request in fifty is slow', () => {
  const drift = (ms) => missed(driftRows({ answers: reads(ms), pace: paceOf(), minute: MINUTE }));
  assert.deepEqual(
    drift(() => 20),
    [],
  );
  assert.deepEqual(
    drift((at) => (at < 3 * MINUTE ? 20 : 15)),
    [],
  );
  assert.deepEqual(
    drift((at) => 20 + at / MINUTE / 2),
    [],
  );
  assert.equal(drift((at) => 20 + 5 * (at / MINUTE)).length, 2);
  assert.equal(drift((at) => (at > 8 * MINUTE && at % 5000 === 0 ? 200 : 20)).length, 2);
  assert.equal(
    missed(driftRows({ answers: reads(() => 20).slice(0, 1000), pace: paceOf(), minute: MINUTE })).length,
    2,
    'it ended early',
  );
});

test('a p99 may rise as much more as the machine becomes slower, and no more', () => {
  const drift = (times, slower) =>
    missed(
      driftRows({
        answers: reads((at) => (at < 5 * MINUTE ? 40 : 40 * times)),
        pace: paceOf(slower),
        minute: MINUTE,
      }),
    );
  assert.equal(drift(1.9, 1).length, 2);
  assert.deepEqual(drift(1.9, 1.3), []);
  assert.equal(drift(2.1, 1.3).length, 2);
  assert.equal(drift(2.4, 3).length, 2, 'the system itself may have made it slower');
  assert.equal(drift(1.9, 0.5).length, 2, 'a faster machine takes nothing away');
  assert.deepEqual(drift(1.4, 0.5), []);
  assert.equal(missed(driftRows({ answers: reads(() => 40), pace: [], minute: MINUTE })).length, 2, 'nobody measured');
});

test('where few requests are made, one slow request is no drift, and ten are', () => {
  const rare = (ms) => every(2000, (at) => ({ name: 'a call', group: 'calls', at, ended: at + ms(at), ms: ms(at) }));
  const many = every(10, (at) => ({ name: 'a read', group: 'reads', at, ended: at + 20, ms: 20 }));
  const drift = (ms) => missed(driftRows({ answers: [...rare(ms), ...many], pace: paceOf(), minute: MINUTE }));
  const late = (slow) => (at) => (at > 8 * MINUTE && slow(at) ? 200 : 20);
  assert.deepEqual(drift(late((at) => at % 60_000 === 0)), []);
  assert.deepEqual(
    drift(late((at) => at % 10_000 === 0)).map((name) => name.replace(/:.*/, '')),
    ['p83 of calls'],
  );
});

test('answers that wait for steps of time hide no drift of the others', () => {
  const steps = every(1000, (at) => ({ name: 'a form', group: IN_STEPS, at, ended: at + 125, ms: 125 }));
  const drift = (ms) => missed(driftRows({ answers: [...steps, ...reads(ms)], pace: paceOf(), minute: MINUTE }));
  assert.deepEqual(
    drift(() => 20),
    [],
  );
  assert.deepEqual(
    drift((at) => (at > 8 * MINUTE ? 100 : 20)).map((name) => name.replace(/:.*/, '')),
    ['p99 of all requests whose answers wait for no step', 'p99 of reads'],
  );
});

test('an answer that is refused, breaks off or never comes is an error', () => {
  const answers = reads(() => 20);
  const row = (more, unanswered = 0) =>
    errorRow({ answers: [...answers, ...more], samples: samples(() => 1), unanswered });
  assert.equal(row([]).met, true);
  const refused = { ...answers[7], fault: 'refused', status: 500, code: 'RG902', where: 'GET /x', text: 'no' };
  assert.equal(row([refused]).met, false);
  assert.match(row([refused]).plan, /500 RG902: GET \/x/);
  assert.equal(row([], 1).met, false);
});

test('only what is documented is forgiven, and only while PostgreSQL is away', () => {
  const [stops, again] = [5 * MINUTE, 5.1 * MINUTE];
  const answers = reads(() => 20);
  const rows = (more, rest = {}) =>
    missed(gapRows({ answers: [...answers, ...more], moments: { stops, answers: again }, unanswered: 0, ...rest }));
  const refused = (at, more = {}) => ({
    ...{ name: 'a read', group: 'reads', at, ended: at + 10, ms: 10, fault: 'refused', status: 503, code: 'RG401' },
    ...{ retryAfter: '1', ...more },
  });
  const good = refused(stops + 10);
  assert.deepEqual(rows([good]), []);
  assert.deepEqual(rows([good, refused(stops + 20, { status: 504, code: 'RG402', retryAfter: undefined })]), []);
  const bare = { code: undefined };
  assert.deepEqual(rows([good, refused(stops + 20, { ...bare, where: 'HEAD /rest/v1/projects' })]), []);
  assert.deepEqual(rows([good, refused(stops + 20, { ...bare, where: 'GET /readyz' })]), []);
  assert.deepEqual(rows([good, refused(stops + 20, { group: 'accounts', status: 500, code: 500 })]), []);
  for (const other of [
    refused(stops + 20, { group: 'accounts', status: 502 }),
    refused(stops - 1000),
    refused(stops + 20, { status: 500, code: 'RG902' }),
    refused(stops + 20, { status: 502, code: 'RG403' }),
    refused(stops + 20, { status: 0, code: 'ECONNRESET' }),
    refused(stops + 20, { retryAfter: undefined }),
    refused(stops + 20, { code: undefined }),
  ])
    assert.equal(rows([good, other]).length, 1, JSON.stringify(other));
  assert.equal(rows([good, refused(again + (MAX_REFUSED_SECONDS + 1) * 1000)]).length, 2, 'too late');
  assert.equal(rows([]).length, 1, 'nothing was refused: it was not away');
  assert.equal(rows([good], { unanswered: 1 }).length, 1);
});

test('a lost write, a change that no listener got, a failed job and a panic are missed', () => {
  const found = {
    ...{ acknowledged: { rows: ['a', 'b'] }, missing: {}, changes: 3, missed: [], ready: 20, listeners: 20 },
    ...{ reloadedMs: 100, failedJobs: [], events: { changes_failed: 2 } },
  };
  assert.deepEqual(missed(endRows(found)), []);
  for (const fault of [
    { missing: { rows: ['a'] } },
    { acknowledged: {} },
    { missed: ['a'] },
    { ready: 19 },
    { changes: 0 },
    { reloadedMs: 40_000 },
    { failedJobs: ['a job: it broke'] },
    { events: { internal_error: 1 } },
  ])
    assert.equal(missed(endRows({ ...found, ...fault })).length, 1, JSON.stringify(fault));
});
