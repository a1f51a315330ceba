// Figures of repeated measurements.
/** The value below which a part of them lie. @param {number[]} values @param {number} part 0 to 1 */
export const at = (values, part) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

export const median = (values) => at(values, 0.5);
export const p99 = (values) => at(values, 0.99);
/** Three digits. */
export const rounded = (value) => Number(value.toPrecision(3));
