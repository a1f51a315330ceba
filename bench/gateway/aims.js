// What the gateway's benchmark has to reach.

/** The Worker that is measured. */
export const OURS = 'rowgate';

/** What a request may lose against the Worker that does the same by hand, and its 99th percentile against the bare one. */
const MIN_OF_DUTIES = 0.97;
const MAX_CPU_OF_DUTIES = 1.1;
const MAX_P99_OF_BARE = 1.1;

const ratioTo = ({ systems }, name, metric) =>
  systems.find((system) => system.name === name)?.rowgate_divided_by_it[metric]?.median;

/** Milliseconds by which the first answer may be later than Hono's. */
const MAX_LATER_MS = 10;

const firstAims = (first) => {
  const wall = (wanted) => first?.find(({ name }) => name === wanted)?.wall.median;
  const [ours, hono] = [wall(OURS), wall('hono')];
  if (ours === undefined || hono === undefined) return [];
  const aim = `within ${MAX_LATER_MS} ms of Hono's`;
  const reached = `${(ours - hono).toFixed(1)} ms later`;
  return [{ name: `first answer: ${aim}`, aim, reached, met: ours - hono <= MAX_LATER_MS }];
};

/** Each aim on each row that it is about. */
export const aims = (rows, calls, first) => [
  ...rows.flatMap((row) => {
    const made = (aim, reached, fits) => ({
      ...{ name: `${row.row}: ${aim}`, aim },
      reached: reached === undefined ? 'not measured' : reached.toFixed(2),
      met: reached !== undefined && fits(reached),
    });
    const against = (name, metric, aim, fits) => made(aim, ratioTo(row, name, metric), fits);
    const faster = (ratio) => ratio > 1;
    // Hono has fewer duties: where even the Worker by hand is slower, it is no aim to be faster.
    const dutiesAreSlower = ratioTo(row, 'duties', 'perSecond') > ratioTo(row, 'hono', 'perSecond');
    return [
      against('duties', 'cpu', '1.1 of the CPU of the same by hand', (ratio) => ratio <= MAX_CPU_OF_DUTIES),
      against('duties', 'perSecond', '0.97 of its requests/s', (ratio) => ratio >= MIN_OF_DUTIES),
      against('hono-duties', 'perSecond', 'faster than Hono with the duties', faster),
      ...(dutiesAreSlower ? [] : [against('hono', 'perSecond', 'faster than Hono with jose', faster)]),
      ...(row.status < 400
        ? [against('fetch', 'p99', 'p99 within 10 % of the bare Worker’s', (ratio) => ratio <= MAX_P99_OF_BARE)]
        : []),
    ];
  }),
  ...firstAims(first),
  ...(calls ?? [])
    .filter(({ name }) => name === OURS)
    .map(({ calls: made }) => ({
      name: 'refused tokens: no call of PostgREST',
      aim: 'no call of PostgREST',
      reached: `${made}`,
      met: made === 0,
    })),
];
