// The page of /docs: plain HTML, made of the description.

const escaped = (text) =>
  String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const WHO = {
  publishableKey: 'a publishable key',
  userToken: 'a signed-in user',
  apiToken: 'an API token',
  serviceToken: 'a server',
};

const whoMayCall = (security) => {
  const names = security.flatMap((one) => Object.keys(one));
  if (names.length === 0) return 'Everybody';
  const listed = names.map((name) => WHO[name]).join(', ');
  return security.some((one) => Object.keys(one).length === 0) ? `Everybody; also ${listed}` : `Holders of: ${listed}`;
};

/** The header that carries a credential, and what it is. */
const credential = ({ in: place, name, description }) =>
  `<li><code>${place === 'header' ? `${escaped(name)}: &lt;key&gt;` : 'Authorization: Bearer &lt;token&gt;'}</code>: ${escaped(description)}</li>`;

/** A region that scrolls takes the focus, so that keys can scroll it. */
const code = (value, label) =>
  `<pre tabindex="0" role="region" aria-label="${escaped(label)}"><code>${escaped(JSON.stringify(value, null, 2))}</code></pre>`;

const folded = (title, inner) => (inner ? `<details><summary>${escaped(title)}</summary>${inner}</details>` : '');

const parameter = ({ name, in: place, required, description, schema = {} }) =>
  `<li><code>${escaped(name)}</code> in the ${place}${required ? ', required' : ''}: ${escaped(schema.format ?? schema.type ?? 'any')}${
    description ? `. ${escaped(description)}` : ''
  }</li>`;

const bodies = (content = {}, label) =>
  Object.entries(content)
    .map(([type, { schema, examples = {} }]) => {
      const shown = Object.values(examples)
        .map(({ value }, at) => code(value, `${label}, example ${at + 1}, ${type}`))
        .join('');
      const described = schema ? code(schema, `${label}, schema, ${type}`) : '';
      return `<p><code>${escaped(type)}</code></p>${shown}${described}`;
    })
    .join('');

const operation = (method, path, described, resolve) => {
  const title = `${method.toUpperCase()} ${path}`;
  const parameters = (described.parameters ?? []).map((one) => parameter(resolve(one)));
  const responses = Object.entries(described.responses).map(([status, one]) => [status, resolve(one)]);
  const good = responses.filter(([status]) => status < 400);
  const errors = responses.filter(([status]) => !(status < 400));
  return `<article id="${described.operationId}" data-search="${escaped(`${title} ${described.summary ?? ''}`.toLowerCase())}">
<h3><code>${escaped(title)}</code></h3>
${described.summary ? `<p>${escaped(described.summary)}</p>\n` : ''}<p>${escaped(whoMayCall(described.security))}</p>
${folded('Parameters', parameters.length > 0 && `<ul>${parameters.join('')}</ul>`)}${folded('Request', described.requestBody && bodies(described.requestBody.content, `Request of ${title}`))}${good
  .map(([status, one]) => folded(`${status} ${one.description}`, bodies(one.content, `Answer ${status} of ${title}`)))
  .join(
    '',
  )}${folded('Errors', errors.length > 0 && `<ul>${errors.map(([status, one]) => `<li><strong>${status}</strong> ${escaped(one.description)}</li>`).join('')}</ul>`)}
</article>`;
};

/** The page of a description. */
export const page = ({ info, tags, paths, components }) => {
  const resolve = (one) =>
    one.$ref
      ? one.$ref
          .split('/')
          .slice(2)
          .reduce((at, name) => at[name], components)
      : one;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => ({ method, path, described })),
  );
  const section = ({ name, description }) => `<section>
<h2 id="${escaped(name)}">${escaped(name)}</h2>
${description ? `<p>${escaped(description)}</p>\n` : ''}${operations
  .filter(({ described }) => described.tags[0] === name)
  .map(({ method, path, described }) => operation(method, path, described, resolve))
  .join('\n')}
</section>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(info.title)}: endpoints</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/style.css">
<script src="/docs/filter.js" defer></script>
</head>
<body>
<header>
<h1>${escaped(info.title)}</h1>
<p>${escaped(info.summary)}. The same for programs: <a href="/openapi.json">openapi.json</a>, which also has the data API for signed-in callers.</p>
</header>
<main>
<section>
<h2 id="credentials">Address and credentials</h2>
<p>Every path stands below the address of this server: that of this page, without <code>/docs</code>. Each endpoint says which of these credentials it takes:</p>
<ul>${Object.values(components.securitySchemes).map(credential).join('')}</ul>
</section>
<label for="filter">Filter</label>
<input id="filter" type="search" autocomplete="off" aria-describedby="found">
<p id="found" role="status">${operations.length} of ${operations.length} endpoints</p>
${tags.map(section).join('\n')}
<section>
<h2 id="schemas">Parts of schemas</h2>
${Object.entries(components.schemas)
  .map(([name, schema]) => folded(name, code(schema, `Schema ${name}`)))
  .join('\n')}
</section>
</main>
</body>
</html>
`;
};
