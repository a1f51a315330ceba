// Plots as SVG for documents: small ones in rows, each with the same curves over the same axes, so that they can be compared. Both axes are
// logarithmic. The text depends on the figures alone, so that a test can compare it with the results.

const COLUMNS = 4;
const WIDTH = 190;
const HEIGHT = 110;
const GAP = 22;
/** Between the edges of a plot and its first and last point. */
const INSET = 14;
/** Beside the first column for the numbers of the y axis; above each plot for its name; below each for the numbers of the x axis. */
const LEFT = 46;
const NAME = 36;
const BELOW = 18;
const TOP = 30;
const LINE = 13;
/** Letters of a line of a name. */
const LETTERS = 34;
/** Okabe and Ito's colours, which people who see colours differently can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7'];

const escaped = (text) => `${text}`.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const text = (x, y, words, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${more}>${escaped(words)}</text>`;

/** A name in at most two lines. */
const linesOf = (name) => {
  const lines = [''];
  for (const word of name.split(' ')) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= LETTERS) lines.push('');
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines.length > 2 ? [lines[0], `${lines[1].slice(0, LETTERS - 1)}…`] : lines;
};

/** Powers of ten around some values. */
const decades = (values) => {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
};
/** Where a value stands between the first and the last decade, from 0 to 1. */
const part = (value, powers) => (Math.log10(value) - powers[0]) / (powers.at(-1) - powers[0]);
/** 0.01, 1, 1,000. */
const numberOf = (power) => Number(`1e${power}`).toLocaleString('en', { maximumFractionDigits: 9 });

const plotAt = ({ name, curves }, at, { xs, ys, xLabels }) => {
  const column = at % COLUMNS;
  const left = LEFT + column * (WIDTH + GAP);
  const top = TOP + Math.floor(at / COLUMNS) * (NAME + HEIGHT + BELOW) + NAME;
  const bottom = top + HEIGHT;
  const x = (value) => left + INSET + part(value, xs) * (WIDTH - 2 * INSET);
  const y = (value) => bottom - part(value, ys) * HEIGHT;
  const lines = linesOf(name);
  return [
    ...lines.map((line, n) => text(left, top - 6 - (lines.length - 1 - n) * LINE, line)),
    ...ys.flatMap((power) => [
      `<path d="M${left} ${y(10 ** power).toFixed(1)}h${WIDTH}" stroke="#ddd"/>`,
      ...(column === 0 ? [text(left - 6, y(10 ** power) + 4, numberOf(power), ' text-anchor="end" fill="#555"')] : []),
    ]),
    ...xLabels.map(([value, label]) => text(x(value), bottom + LINE, label, ' text-anchor="middle" fill="#555"')),
    ...curves.map((points, n) => {
      const places = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`);
      const dots = places.map((place) => place.split(',')).map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="2.2"/>`);
      return `<g fill="${COLOURS[n]}"><polyline points="${places.join(' ')}" fill="none" stroke="${COLOURS[n]}" stroke-width="1.5"/>${dots.join('')}</g>`;
    }),
  ];
};

/**
 * The plots of some names.
 * @param {{title: string, series: string[], axes: string, xLabels: [number, string][], plots: {name: string, curves: [number, number][][]}[]}} options series:
 * the names of the curves, of which every plot has one each; axes: what they show; xLabels: what stands below the x axis, by its value
 * @returns {string} an SVG document
 */
export const plots = ({ title, series, axes: said, xLabels, plots: list }) => {
  const points = list.flatMap(({ curves }) => curves.flat());
  const axes = { xs: decades(points.map(([x]) => x)), ys: decades(points.map(([, y]) => y)), xLabels };
  const width = LEFT + Math.min(list.length, COLUMNS) * (WIDTH + GAP);
  const height = TOP + Math.ceil(list.length / COLUMNS) * (NAME + HEIGHT + BELOW) + 8;
  const axesLine = text(LEFT + series.length * 110, 18, said, ' fill="#555"');
  const legend = series.flatMap((name, n) => [
    `<path d="M${LEFT + n * 110} 14h18" stroke="${COLOURS[n]}" stroke-width="2"/>`,
    text(LEFT + n * 110 + 24, 18, name),
  ]);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.max(width, LEFT + series.length * 110)} ${height}" font-family="sans-serif" font-size="11" role="img">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...legend,
    axesLine,
    ...list.flatMap((each, at) => plotAt(each, at, axes)),
    '</svg>',
  ].join('\n')}\n`;
};
