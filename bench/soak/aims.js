// What a soak has shown, as rows with aims.
import { at, median, p99, rounded } from '../figures.js';
import { IN_STEPS } from './kinds/tools.js';
import { FLAT, growth, SHARED, TOGETHER } from './memory.js';

/**
 * Part of its memory by which something may grow after the first minute, when caches are still filling, and in the second half; and the megabytes
 * that are no growth in any case.
 */
const MAX_GROWTH = 0.05;
const MAX_LATE_GROWTH = 0.01;
const MAX_MB = 8;
/**
 * The same part of processes together, in the second half: those that have been asked less have fewer plans, and reach the size of the largest
 * one later. If one of them never stops growing, it becomes the largest one.
 */
const MAX_LATE_GROWTH_TOGETHER = 0.02;
/**
 * Times the p99 of the second and third minute that of the last two may be, and the milliseconds that are no drift in any case. Where the machine
 * itself has become slower, as much more; but not more than MAX_SLOWER times, as the system itself may have made it slower.
 */
const MAX_DRIFT = 1.5;
const MAX_SLOWER = 1.5;
const MAX_MS = 10;
/** Requests that must be slower than a percentile: that of fewer is the luck of one request. */
const MIN_SLOWER = 10;
/** Seconds from PostgreSQL's answering again until the last request is refused. */
export const MAX_REFUSED_SECONDS = 10;

const total = (values) => values.reduce((sum, value) => sum + value, 0);

const table = (head, rows) => [head, ...rows].map((cells) => cells.join(' | ')).join('\n');

/** Faults by what they are, the most frequent first. */
const kindsOfFaults = (faults) => {
  const counts = new Map();
  for (const { name, where = '', fault, status, code, text } of faults) {
    const key = `${fault} ${status ?? ''} ${code ?? ''}: ${where} (${name})`;
    const known = counts.get(key) ?? { count: 0, text };
    counts.set(key, { ...known, count: known.count + 1 });
  }
  return [...counts]
    .sort(([, a], [, b]) => b.count - a.count)
    .map(([key, { count, text }]) => `${count} × ${key}\n    ${text ?? ''}`)
    .join('\n');
};

const coresOf = (samples) => {
  const [first, last] = [samples[0], samples.at(-1)];
  const used = [...last.cpu].map(([pid, seconds]) => seconds - (first.cpu.get(pid) ?? 0));
  return total(used.filter((seconds) => seconds > 0)) / ((last.at - first.at) / 1000);
};

/** The curve: the lowest of each minute. */
const curve = ({ samples, minute }, names) =>
  table(
    ['minute', ...names],
    Array.from({ length: 10 }, (_, n) => {
      const some = samples.filter(({ at }) => at >= n * minute && at < (n + 1) * minute);
      return [n + 1, ...names.map((name) => Math.round(Math.min(...some.map(({ memory }) => memory[name]))))];
    }),
  );

const signed = (mb) => `${mb < 0 ? '' : '+'}${rounded(mb)} MB`;

/** A row's name for it. */
const named = (name) => `memory of ${name}${name === 'workerd' ? ' after garbage collection' : ''}`;

/** @param {object} found of run.js */
export const memoryRows = (found) => {
  const { samples, minute } = found;
  const names = Object.keys(samples[0].memory);
  return FLAT.map((name, n) => {
    const { from, grown } = growth(samples, name, minute, 10 * minute);
    const late = growth(samples, name, 5 * minute, 10 * minute);
    const part = name === TOGETHER ? MAX_LATE_GROWTH_TOGETHER : MAX_LATE_GROWTH;
    return {
      name: `${named(name)}, from minute 2 on`,
      aim: `grows by at most ${MAX_GROWTH * 100} %, and in the second half by ${part * 100} %; or by ${MAX_MB} MB`,
      reached: `${signed(grown)} of ${rounded(from)} MB; in the second half ${signed(late.grown)}`,
      met: grown <= Math.max(MAX_MB, MAX_GROWTH * from) && late.grown <= Math.max(MAX_MB, part * late.from),
      ...(n === 0 && { plan: curve(found, names) }),
    };
  });
};

/**
 * After a restart PostgreSQL's processes are new ones: what counts is that nothing has more in the last minute than in the one before the restart,
 * and that what has filled anew stays as it is in the last two minutes.
 */
export const backRows = (found) => {
  const { samples, minute } = found;
  const lowest = (name, from) =>
    Math.min(
      ...samples.filter(({ at }) => at >= from * minute && at < (from + 1) * minute).map(({ memory }) => memory[name]),
    );
  return FLAT.map((name, n) => {
    const [before, after] = [lowest(name, 4), lowest(name, 9)];
    const late = growth(samples, name, 8 * minute, 10 * minute);
    const most = Math.max(MAX_MB, MAX_GROWTH * before);
    return {
      name: `${named(name)}, in the last minute beside the one before the restart`,
      aim: `at most ${MAX_GROWTH * 100} % or ${MAX_MB} MB more, and no more growth than that in the last two minutes`,
      reached: `${rounded(after)} MB and ${rounded(before)} MB; in the last two minutes ${signed(late.grown)}`,
      met: after - before <= most && late.grown <= most,
      ...(n === 0 && { plan: curve(found, Object.keys(samples[0].memory)) }),
    };
  });
};

/** What fills has no line: it must not exceed what PostgreSQL has reserved, which dynamic shared memory would. */
export const sharedRow = ({ samples, reserved, minute }) => {
  const values = samples.filter(({ at }) => at >= minute).map(({ memory }) => memory[SHARED]);
  const most = Math.max(...values);
  return {
    name: 'memory that the processes of PostgreSQL share, the most of it from minute 2 on',
    aim: `at most what it reserves when it starts: ${reserved} MB`,
    reached: `${rounded(most)} MB, ${rounded(values[0])} MB at first`,
    met: most <= reserved,
  };
};

/** The p99 of so many requests, or the highest percentile that enough of them exceed. */
const percentileOf = (requests) => Math.max(0.5, Math.min(0.99, Math.floor((1 - MIN_SLOWER / requests) * 100) / 100));

export const driftRows = ({ answers, pace, minute }) => {
  const paceOf = (from, to) =>
    median(pace.filter(({ at }) => at >= from * minute && at < to * minute).map(({ ms }) => ms));
  const ratio = paceOf(8, 10) / paceOf(1, 3);
  const slower = Math.min(MAX_SLOWER, Math.max(1, ratio));
  // The steps would hide a drift of the others.
  const groups = ['all requests whose answers wait for no step', ...new Set(answers.map(({ group }) => group).sort())];
  const times = (group, from, to) =>
    answers
      .filter((one) => (group === groups[0] ? one.group !== IN_STEPS : one.group === group))
      .filter((one) => !one.fault && one.at >= from * minute && one.at < to * minute)
      .map(({ ms }) => ms);
  const every = Array.from({ length: 10 }, (_, n) => n);
  const plan = table(
    ['p99 in ms by minute', ...every.map((n) => n + 1)],
    groups.map((group) => [
      group,
      ...every.map((n) => (times(group, n, n + 1).length === 0 ? '-' : rounded(p99(times(group, n, n + 1))))),
    ]),
  );
  return groups.map((group, n) => {
    const [early, late] = [times(group, 1, 3), times(group, 8, 10)];
    if (early.length === 0 || late.length === 0)
      return { name: `drift of ${group}`, aim: 'answers at the begin and at the end', reached: 'none', met: false };
    const part = percentileOf(Math.min(early.length, late.length));
    const [before, after] = [at(early, part), at(late, part)];
    return {
      name: `p${Math.round(part * 100)} of ${group}: the last two minutes beside the second and third`,
      aim: `at most ${MAX_DRIFT} times, or ${MAX_MS} ms more; where the machine is slower, as much more`,
      reached: `${rounded(after)} ms and ${rounded(before)} ms (p50 ${rounded(median(late))} and ${rounded(median(early))}; ${late.length} and ${early.length} requests)${n === 0 ? `; the machine itself took ${rounded(ratio)} times as long for the same work` : ''}`,
      met: after <= slower * Math.max(MAX_DRIFT * before, before + MAX_MS),
      ...(n === 0 && { plan }),
    };
  });
};

export const errorRow = ({ answers, samples, unanswered }) => {
  const faults = answers.filter(({ fault }) => fault);
  return {
    name: 'requests that are refused or break off',
    aim: 'none',
    reached: `${faults.length + unanswered} of ${answers.length}; the system uses ${rounded(coresOf(samples))} cores`,
    met: faults.length + unanswered === 0,
    ...(faults.length > 0 && { plan: kindsOfFaults(faults) }),
  };
};

/** Answers without a code: those to HEAD have no body, and /readyz names what is away. */
const WITHOUT_CODE = /^HEAD |^GET \/readyz$/;

/**
 * What PostgreSQL's absence may look like: 503 with a code and Retry-After, or 504. The local issuer is no part of the product: it says 500.
 */
const isDocumented = ({ group, where = '', status, code, retryAfter }) => {
  if (group === 'accounts') return status === 500;
  const isNamed = code !== undefined || WITHOUT_CODE.test(where);
  return isNamed && ((status === 503 && retryAfter !== undefined) || status === 504);
};

export const gapRows = ({ answers, moments: { stops, answers: again }, unanswered }) => {
  const faults = answers.filter(({ fault }) => fault);
  const last = Math.max(again, ...faults.map(({ ended }) => ended));
  const isInGap = ({ at, ended }) => ended >= stops && at <= again + MAX_REFUSED_SECONDS * 1000;
  const others = faults.filter((one) => !isInGap(one) || !isDocumented(one));
  const refused = new Set(faults.map(({ name }) => name));
  const first = Math.min(
    ...answers.filter((one) => !one.fault && refused.has(one.name) && one.at > again).map(({ ended }) => ended),
  );
  const seconds = (at) => rounded((at - again) / 1000);
  return [
    {
      name: 'what is refused while PostgreSQL restarts',
      aim: '503 with a code and Retry-After, or 504; nothing else, and nothing before or after',
      reached: `${faults.length} of ${answers.length} refused, ${others.length + unanswered} otherwise`,
      met: others.length + unanswered === 0 && faults.length > 0,
      plan: `${kindsOfFaults(others)}\n\nas documented:\n${kindsOfFaults(faults.filter((one) => !others.includes(one)))}`.trim(),
    },
    {
      name: `PostgreSQL is away for ${rounded((again - stops) / 1000)} s: the last refusal after it answers again`,
      aim: `within ${MAX_REFUSED_SECONDS} s`,
      reached: `${seconds(last)} s, the first success after ${seconds(first)} s`,
      met: last - again <= MAX_REFUSED_SECONDS * 1000,
    },
  ];
};

const lost = (missing) => total(Object.values(missing).map((keys) => keys.length));

export const endRows = ({
  acknowledged,
  missing,
  changes,
  missed,
  ready,
  listeners,
  reloadedMs,
  failedJobs,
  events,
}) => [
  {
    name: 'acknowledged writes that are not in the database afterwards',
    aim: 'none',
    reached: `${lost(missing)} of ${total(Object.values(acknowledged).map((keys) => keys.length))}`,
    met: lost(missing) === 0 && Object.keys(acknowledged).length > 0,
    plan: table(
      ['what', 'acknowledged', 'lost'],
      Object.entries(acknowledged).map(([what, keys]) => [what, keys.length, missing[what]?.slice(0, 3) ?? 0]),
    ),
  },
  {
    name: `changes that the ${listeners} listeners did not get`,
    aim: 'none',
    reached: `${missed.length} of ${changes}; ${ready} times a stream began`,
    met: missed.length === 0 && (listeners === 0 || (ready >= listeners && changes > 0)),
    ...(missed.length > 0 && { plan: missed.join('\n') }),
  },
  {
    name: 'PostgREST hears of a new table by NOTIFY',
    aim: 'within 30 s',
    reached: `${rounded(reloadedMs / 1000)} s`,
    met: reloadedMs <= 30_000,
  },
  {
    name: 'jobs that fail',
    aim: 'none',
    reached: failedJobs.length === 0 ? '0' : failedJobs.join('; '),
    met: failedJobs.length === 0,
  },
  {
    name: 'faults of the edge itself in its log',
    aim: 'none',
    reached: `${events.internal_error ?? 0}${
      Object.keys(events).length > 0
        ? ` (other lines: ${Object.entries(events)
            .map(([event, count]) => `${event} ${count}`)
            .join(', ')})`
        : ''
    }`,
    met: (events.internal_error ?? 0) === 0,
  },
];

/** Prints what is missed and why, also where the results are not stored. @returns {object[]} the rows */
export const report = (rows, say) => {
  for (const { name, met, plan } of rows) if (!met && plan) say(`${name}:\n${plan}`);
  return rows;
};
