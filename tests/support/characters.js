// Characters as rows, for rules that must hold of each of them.

/** Unicode's first planes and its tags; of the rest nothing is assigned but ideographs and private use. */
export const CHARACTERS = `(
  select chr(n) as c from generate_series(128, 131071) as n where n not between 55296 and 57343
  union all select chr(n) from generate_series(917504, 921599) as n
) as characters`;
