// What programs do with `supabase.storage`. Each runs in Node and in pages, and gives what it saw.

const good = ({ data, error }) => {
  if (error) throw error;
  return data;
};

/** What a client says of a refusal. */
const refusal = ({ data, error }) => [data, error?.name, error?.statusCode, error?.message];

const shown = async (answer) => [answer.status, answer.headers.get('content-range'), await answer.text()];

/** Files from their upload to their end, in a folder of their own. */
export const files = async ({ connect, bucket, folder }) => {
  const store = connect().storage.from(bucket);
  const at = (name) => `${folder}/${name}`;
  const text = 'The quick brown fox: ä 😀';
  const seen = {};

  const first = good(
    await store.upload(at('a b.txt'), new Blob([text], { type: 'text/plain' }), {
      cacheControl: '60',
      metadata: { n: 1 },
    }),
  );
  seen.uploaded = [first.path === at('a b.txt'), first.fullPath === `${bucket}/${at('a b.txt')}`, first.id.length];
  seen.duplicate = refusal(await store.upload(at('a b.txt'), 'other'));
  good(await store.upload(at('a b.txt'), new TextEncoder().encode(text), { upsert: true, contentType: 'text/x-test' }));
  good(await store.update(at('a b.txt'), text, { contentType: 'text/x-test', metadata: { n: 2 } }));
  const info = good(await store.info(at('a b.txt')));
  seen.info = [info.size, info.contentType, info.metadata];
  seen.exists = [good(await store.exists(at('a b.txt'))), (await store.exists(at('none'))).data];

  seen.downloaded = await good(await store.download(at('a b.txt'))).text();
  seen.streamed = await new Response(good(await store.download(at('a b.txt')).asStream())).text();
  seen.missing = refusal(await store.download(at('none')));

  const { publicUrl } = store.getPublicUrl(at('a b.txt')).data;
  seen.public = await shown(await fetch(publicUrl));
  seen.part = await shown(await fetch(publicUrl, { headers: { range: 'bytes=4-8' } }));
  const { signedUrl } = good(await store.createSignedUrl(at('a b.txt'), 60, { download: 'c.txt' }));
  const opened = await fetch(signedUrl);
  seen.signed = [opened.headers.get('content-disposition'), await opened.text()];
  const broken = await fetch(`${signedUrl.split('?')[0]}?token=x.y.z`);
  seen.unsigned = [broken.status, (await broken.json()).error];
  const several = good(await store.createSignedUrls([at('a b.txt'), at('none')], 60));
  seen.several = [await (await fetch(several[0].signedUrl)).text(), several[1].error, several[1].signedUrl];

  const { token } = good(await store.createSignedUploadUrl(at('given.txt')));
  good(await store.uploadToSignedUrl(at('given.txt'), token, new Blob(['given'])));
  good(await store.copy(at('given.txt'), at('copies/one.txt')));
  good(await store.move(at('given.txt'), at('moved.txt')));
  const names = async (options) => good(await store.list(folder, options)).map(({ name, id }) => [name, id !== null]);
  seen.listed = await names();
  seen.page = await names({ limit: 1, offset: 1, sortBy: { column: 'name', order: 'desc' } });
  const all = ['a b.txt', 'moved.txt', 'copies/one.txt'].map(at);
  seen.removed = good(await store.remove(all)).length;
  seen.left = await names();
  return seen;
};

/** Images in another size: by a key, by everybody, and by a signed address. */
export const images = async ({ connect }) => {
  const store = connect().storage.from('files');
  good(await store.upload('pictures/a b.png', new Blob(['png'], { type: 'image/png' })));
  const transform = { width: 40, height: 30, resize: 'contain', quality: 50 };
  const { publicUrl } = store.getPublicUrl('pictures/a b.png', { transform }).data;
  const { signedUrl } = good(await store.createSignedUrl('pictures/a b.png', 60, { transform }));
  const loaded = await good(await store.download('pictures/a b.png', { transform })).text();
  const opened = await Promise.all([publicUrl, signedUrl].map((url) => fetch(url).then((answer) => answer.text())));
  good(await store.remove(['pictures/a b.png']));
  return [loaded, ...opened];
};

/** A bucket that takes nothing, and none. */
export const refusals = async ({ connect }) => {
  const { storage } = connect();
  return [
    refusal(await storage.from('closed').upload('a.txt', 'text')),
    refusal(await storage.from('none').upload('a.txt', 'text')),
    refusal(await storage.from('closed').remove(['a.txt'])),
  ];
};
