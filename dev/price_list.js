// Prices of language models as private.load_prices takes them, from the npm package @pydantic/genai-prices and from
// dev/prices/extra.json, which has what the package lacks.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';

const PACKAGE = '@pydantic/genai-prices';

/** The package tells a provider by its id alone, and lists none. */
export const PROVIDERS = [
  'anthropic',
  'openai',
  'google',
  'aws',
  'azure',
  'avian',
  'cerebras',
  'cloudflare',
  'cohere',
  'deepseek',
  'fireworks',
  'groq',
  'minimax',
  'mistral',
  'moonshotai',
  'novita',
  'openrouter',
  'perplexity',
  'together',
  'x-ai',
  'zai',
  'zhipuai',
];

/** The columns of private.model_prices by the package's names. All are in USD per million, but for searches: per thousand. */
const COLUMNS = {
  input_mtok: 'input_micro',
  output_mtok: 'output_micro',
  cache_read_mtok: 'cache_read_micro',
  cache_write_mtok: 'cache_write_micro',
  cache_write_1h_mtok: 'cache_write_1h_micro',
  web_searches_kcount: 'web_search_micro',
};

/** Since ever. */
const EVER = '-infinity';

export const extra = () => JSON.parse(readFileSync(join(root, 'dev/prices/extra.json'), 'utf8'));

/** A model's prices by the date from which they hold, the first one first; none if they depend on anything else. */
const dated = ({ prices }) => {
  const list = Array.isArray(prices) ? prices : [{ prices }];
  if (list.some(({ constraint }) => constraint && constraint.type !== 'start_date')) return undefined;
  const dates = list.map(({ constraint, prices: since }) => [constraint?.start_date ?? EVER, since]);
  return dates.every(([, { input_mtok, output_mtok }]) => input_mtok !== undefined && output_mtok !== undefined)
    ? dates
    : undefined;
};

/** Prices of calls at another speed: those that differ, over the usual ones of the same time. */
const atSpeed = (dates, { start_date: start = EVER, prices }) => {
  const since = (date) => (date === EVER ? '' : date);
  const current = dates.findLastIndex(([date]) => since(date) <= since(start));
  return dates.slice(Math.max(current, 0)).map(([date, usual], at) => {
    const from = at === 0 && since(date) < since(start) ? start : date;
    return [from, { ...usual, ...prices }];
  });
};

const micro = (usd) => Math.round(usd * 1e6);

/** The rows of prices that hold from one date on: one for each band of the input's length. */
const bands = (prices) => {
  const known = Object.entries(prices).filter(([name]) => Object.hasOwn(COLUMNS, name));
  const starts = known.flatMap(([, price]) => (typeof price === 'object' ? price.tiers.map(({ start }) => start) : []));
  const at = (price, above) =>
    typeof price === 'object' ? (price.tiers.findLast(({ start }) => start <= above)?.price ?? price.base) : price;
  return [...new Set([0, ...starts])].map((above) => ({
    above_tokens: above,
    ...Object.fromEntries(known.map(([name, price]) => [COLUMNS[name], micro(at(price, above))])),
  }));
};

/** The text as it stands in a regular expression. */
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** A condition of several as one regular expression. */
const FORMS = {
  equals: (text) => `(?=${escaped(text)}$)`,
  starts_with: (text) => `(?=${escaped(text)})`,
  ends_with: (text) => `(?=.*${escaped(text)}$)`,
  contains: (text) => `(?=.*${escaped(text)})`,
  regex: (text) => (text.startsWith('^') ? `(?=${text.slice(1)})` : `(?=.*(?:${text}))`),
};

/** A condition of the package as rules, of which one has to fit. */
const rules = (match) => {
  const [[kind, value]] = Object.entries(match);
  if (kind === 'or') return value.flatMap(rules);
  if (kind === 'and') {
    const parts = value.map((one) => Object.entries(one)[0]);
    return [{ kind: 'regex', words: `^${parts.map(([form, text]) => FORMS[form](text.toLowerCase())).join('')}` }];
  }
  if (!Object.hasOwn(FORMS, kind)) throw new Error(`${PACKAGE} has a condition that is not known here: ${kind}`);
  return [{ kind, words: kind === 'regex' ? value : value.toLowerCase() }];
};

/** A provider's models: the package's, with what extra.json adds. */
const models = (provider, added) => {
  const more = new Map(added.map((model) => [model.id, model]));
  const own = provider.models.map((model) => ({ ...model, variants: more.get(model.id)?.variants }));
  return [...added.filter(({ match }) => match), ...own];
};

/**
 * The list: its name, the rows of prices, the rules for names, and the models that are left out because their prices depend on more
 * than a date and the input's length, or have none for input and output.
 */
export const priceList = async () => {
  const { findProvider } = await import(PACKAGE);
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules', PACKAGE, 'package.json'), 'utf8'));
  const additions = extra().providers;
  const list = { name: `${PACKAGE} ${version}`, prices: [], rules: [], left: [] };
  for (const id of PROVIDERS) {
    const provider = findProvider({ providerId: id });
    if (!provider) throw new Error(`${PACKAGE} has no provider ${id} any more.`);
    let place = 0;
    const rule = (model, match) => {
      for (const one of rules(match)) list.rules.push({ provider: id, place: place++, model, ...one });
    };
    if (provider.model_match) rule(null, provider.model_match);
    for (const model of models(provider, additions.find((one) => one.id === id)?.models ?? [])) {
      const dates = dated(model);
      if (!dates) {
        list.left.push(`${id}/${model.id}`);
        continue;
      }
      rule(model.id, model.match);
      const known = new Set();
      const add = (speed, since) => {
        for (const [effective_from, prices] of since) {
          // Of several prices for one speed, those of a later date stand first.
          if (known.has(`${speed} ${effective_from}`)) continue;
          known.add(`${speed} ${effective_from}`);
          for (const band of bands(prices))
            list.prices.push({ provider: id, model: model.id, effective_from, speed, geo: 'global', ...band });
        }
      };
      add('standard', dates);
      for (const variant of model.variants ?? []) add(variant.speed, atSpeed(dates, variant));
    }
  }
  return list;
};
