// A small server in the place of Supabase Storage, as far as storage-js asks for files. Paths, fields and errors follow the published
// sources at https://github.com/supabase/storage, `src/http/routes/object`, and https://supabase.com/docs/guides/storage/debugging/error-codes;
// comments name the file. There are two buckets: `files`, which is public and takes everybody's files, and `closed`.
import { createHash, randomUUID } from 'node:crypto';

const BUCKETS = { files: { mayWrite: true }, closed: { mayWrite: false } };

class Refusal extends Error {
  constructor(statusCode, code, message) {
    super(message);
    this.body = { statusCode, code, error: code, message };
  }
}

// internal/errors/codes.ts
const noKey = () => new Refusal('404', 'NoSuchKey', 'Object not found');
const noBucket = () => new Refusal('404', 'NoSuchBucket', 'Bucket not found');
const exists = () => new Refusal('409', 'KeyAlreadyExists', 'The resource already exists');
const denied = () => new Refusal('403', 'AccessDenied', 'new row violates row-level security policy');
const badToken = () => new Refusal('400', 'InvalidJWT', 'jwt malformed');

const json = (response, value) =>
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));

/** The service: `answer` takes its requests; the rest is for tests. */
export const storage = () => {
  const objects = new Map();
  /** What a token opens, by token. */
  const tokens = new Map();
  /** The size of the image that a token opens. */
  const sizes = new Map();
  /** Objects that a test serves and takes itself, by path. */
  const special = new Map();

  const bucketOf = (path) => path.split('/')[0];
  const mayWrite = (path) => {
    const bucket = BUCKETS[bucketOf(path)];
    if (!bucket) throw noBucket();
    if (!bucket.mayWrite) throw denied();
  };
  const get = (path) => {
    if (!BUCKETS[bucketOf(path)]) throw noBucket();
    const object = objects.get(path);
    if (!object) throw noKey();
    return object;
  };
  const put = (path, bytes, { type, cacheControl, metadata }) => {
    const now = new Date().toISOString();
    const eTag = `"${createHash('md5').update(bytes).digest('hex')}"`;
    const object = { id: randomUUID(), bytes, type, cacheControl, metadata, eTag, created: now };
    objects.set(path, object);
    return object;
  };

  /** storage/uploader.ts: a form's last part, or the body itself with its headers. */
  const uploaded = async (request, bytes) => {
    const { headers } = request;
    const type = headers['content-type'] ?? 'application/octet-stream';
    if (!type.startsWith('multipart/form-data')) {
      const metadata = headers['x-metadata'] && JSON.parse(Buffer.from(headers['x-metadata'], 'base64'));
      return { bytes, type, cacheControl: headers['cache-control'] ?? 'no-cache', metadata };
    }
    const form = await new Response(bytes, { headers: { 'content-type': type } }).formData();
    const file = form.get('');
    const metadata = form.has('metadata') ? JSON.parse(form.get('metadata')) : undefined;
    const cacheControl = `max-age=${form.get('cacheControl')}`;
    return { bytes: Buffer.from(await file.arrayBuffer()), type: file.type, cacheControl, metadata };
  };

  const upload = async (request, response, path, read) => {
    mayWrite(path);
    const { bytes, ...rest } = await uploaded(request, await read(request));
    const isNew = request.method === 'POST' || path.startsWith('upload/');
    if (objects.has(path) && isNew && request.headers['x-upsert'] !== 'true') throw exists();
    if (request.method === 'PUT' && request.headers['x-upsert'] === undefined) get(path);
    json(response, { Id: put(path, bytes, rest).id, Key: path });
  };

  /** storage/renderer/renderer.ts, and RFC 9110, section 14. */
  const download = (request, response, path, query = new URLSearchParams()) => {
    const { bytes, type, cacheControl, eTag, created } = get(path);
    const headers = {
      'accept-ranges': 'bytes',
      'content-type': type.includes('text/html') ? 'text/plain' : type,
      etag: eTag,
      'last-modified': new Date(created).toUTCString(),
      'cache-control': cacheControl,
    };
    if (query.has('download'))
      headers['content-disposition'] = `attachment; filename=${encodeURIComponent(query.get('download'))};`;
    const [, from, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const end = last ? Number(last) + 1 : bytes.length;
    const part = from === undefined ? bytes : bytes.subarray(Number(from), end);
    if (from !== undefined)
      headers['content-range'] = `bytes ${from}-${Math.min(end, bytes.length) - 1}/${bytes.length}`;
    response.writeHead(from === undefined ? 200 : 206, { ...headers, 'content-length': part.length });
    response.end(request.method === 'HEAD' ? undefined : part);
  };

  /** An image in another size (http/routes/render): here a text that says which. A signed address has the size in its token. */
  const render = (response, path, size) => {
    get(path);
    const { width, height, resize, quality } = size;
    response.writeHead(200, { 'content-type': 'image/webp', vary: 'Accept', 'cache-control': 'max-age=60' });
    response.end(`${path} ${width}x${height} ${resize} ${quality}`);
  };

  /** An address with a token for an object: signObjectUrl of storage/object.ts gives the path below the service's own address, not encoded. */
  const signed = (kind, path, transform) => {
    const token = randomUUID();
    tokens.set(token, `${kind} ${path}`);
    if (transform) sizes.set(token, transform);
    return `/${transform ? 'render/image' : 'object'}/${kind}/${path}?token=${token}`;
  };
  const checkToken = (kind, path, query) => {
    if (tokens.get(query.get('token')) !== `${kind} ${path}`) throw badToken();
  };

  /** One level below a prefix: folders have no id (storage.search in migrations/tenant). */
  const list = (bucket, { prefix, limit = 100, offset = 0, search = '', sortBy = {} }) => {
    const folder = `${bucket}/${prefix && `${prefix.replace(/\/$/, '')}/`}`;
    const found = new Map();
    for (const [path, { id, bytes, type, cacheControl, eTag, created }] of objects) {
      if (!path.startsWith(folder)) continue;
      const [name, ...below] = path.slice(folder.length).split('/');
      const metadata = { eTag, size: bytes.length, mimetype: type, cacheControl };
      const file = { name, id, updated_at: created, created_at: created, last_accessed_at: created, metadata };
      const isFolder = below.length > 0;
      found.set(
        name,
        isFolder
          ? { name, id: null, updated_at: null, created_at: null, last_accessed_at: null, metadata: null }
          : file,
      );
    }
    const names = [...found.keys()].filter((name) => name.startsWith(search)).sort();
    if (sortBy.order === 'desc') names.reverse();
    return names.slice(offset, offset + limit).map((name) => found.get(name));
  };

  const info = (path) => {
    const { id, bytes, type, cacheControl, eTag, metadata, created } = get(path);
    const name = path.slice(path.indexOf('/') + 1);
    return {
      id,
      name,
      bucket_id: bucketOf(path),
      size: bytes.length,
      content_type: type,
      cache_control: cacheControl,
      etag: eTag,
      metadata,
      created_at: created,
    };
  };

  const copy = (response, { bucketId, sourceKey, destinationKey }, isMove) => {
    const [from, to] = [sourceKey, destinationKey].map((key) => `${bucketId}/${key}`);
    mayWrite(to);
    const object = get(from);
    if (objects.has(to)) throw exists();
    objects.set(to, { ...object, id: randomUUID() });
    if (isMove) objects.delete(from);
    json(response, isMove ? { message: 'Successfully moved' } : { Id: objects.get(to).id, Key: to });
  };

  const remove = (response, bucket, prefixes) => {
    mayWrite(`${bucket}/`);
    const gone = prefixes.filter((name) => objects.has(`${bucket}/${name}`));
    json(
      response,
      gone.map((name) => ({ ...info(`${bucket}/${name}`), name })),
    );
    for (const name of gone) objects.delete(`${bucket}/${name}`);
  };

  const one = (bucket, name) =>
    objects.has(`${bucket}/${name}`)
      ? { error: null, path: name, signedURL: signed('sign', `${bucket}/${name}`) }
      : { error: 'Either the object does not exist or you do not have access to it', path: name, signedURL: null };

  /** Methods, what the rest of the path begins with, and what answers; the first that fits. */
  const routes = [
    ['POST', 'copy', async ({ response, given }) => copy(response, await given(), false)],
    ['POST', 'move', async ({ response, given }) => copy(response, await given(), true)],
    ['POST', 'list/', async ({ response, given }, bucket) => json(response, list(bucket, await given()))],
    ['GET', 'info/', ({ response }, path) => json(response, info(path))],
    ['GET HEAD', 'public/', ({ request, response, query }, path) => download(request, response, path, query)],
    [
      'POST',
      'upload/sign/',
      ({ response }, path) => {
        mayWrite(path);
        json(response, { url: signed('upload/sign', path) });
      },
    ],
    [
      'PUT',
      'upload/sign/',
      ({ request, response, query, read }, path) => {
        checkToken('upload/sign', path, query);
        return upload(request, response, path, read);
      },
    ],
    [
      'GET',
      'sign/',
      ({ request, response, query }, path) => {
        checkToken('sign', path, query);
        download(request, response, path, query);
      },
    ],
    [
      'POST',
      'sign/',
      async ({ response, given }, path) => {
        const { paths, transform } = await given();
        if (paths)
          return json(
            response,
            paths.map((name) => one(path, name)),
          );
        get(path);
        json(response, { signedURL: signed('sign', path, transform) });
      },
    ],
    ['DELETE', '', async ({ response, given }, bucket) => remove(response, bucket, (await given()).prefixes)],
    ['GET HEAD', 'authenticated/', ({ request, response }, path) => download(request, response, path)],
    ['GET HEAD', '', ({ request, response }, path) => download(request, response, path)],
    ['POST PUT', '', ({ request, response, read }, path) => upload(request, response, path, read)],
  ];

  /** http/routes/render: images of an object, by the ways in which there is the object itself. */
  const serveImage = (request, response, path) => {
    const [, way, object] = /^\/render\/image\/(authenticated|public|sign)\/(.+)$/.exec(decodeURIComponent(path));
    const query = new URL(request.url, 'http://storage').searchParams;
    if (way === 'sign') checkToken('sign', object, query);
    render(response, object, sizes.get(query.get('token')) ?? Object.fromEntries(query));
  };

  const serve = (request, response, path, read, head) => {
    const { method } = request;
    if (path.startsWith('/render/')) return serveImage(request, response, path);
    const rest = decodeURIComponent(path.replace(/^\/object\//, ''));
    const own = special.get(rest.replace(/^public\//, ''));
    if (own) return own(request, response, head);
    const [, start, answer] = routes.find(([methods, begins]) => methods.includes(method) && rest.startsWith(begins));
    const query = new URL(request.url, 'http://storage').searchParams;
    const given = async () => JSON.parse(await read(request));
    return answer({ request, response, query, read, given }, rest.slice(start.length));
  };

  return {
    special,
    /** Supabase's gateway asks no key of these. */
    isPublic: (_, path) => /^\/(?:object|render\/image)\/(?:public|sign|upload\/sign)\//.test(path),
    answer: async (request, response, path, read, head) => {
      try {
        await serve(request, response, path, read, head);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        // http/error-handler.ts: 400 for every refusal; the status is in the body.
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(error.body));
      }
    },
  };
};
