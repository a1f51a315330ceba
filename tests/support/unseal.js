// Opens what the edge has sealed, as the holder of the key would; docs/architecture.md has the format.
import { webcrypto } from 'node:crypto';

const bytes = (text) => Buffer.from(text, 'base64url');

const decrypt = async (key, nonce, context, data) => {
  const imported = await webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
  const parameters = { name: 'AES-GCM', iv: bytes(nonce), additionalData: Buffer.from(context) };
  return Buffer.from(await webcrypto.subtle.decrypt(parameters, imported, bytes(data)));
};

/**
 * The secret; throws where it is sealed for another place or under another key.
 * @param {string} kek `KEK_<version>`
 * @param {{sealed: string, version: number, column: string, row: string, owner: string}} place
 */
export const unseal = async (kek, { sealed, version, column, row, owner }) => {
  const [format, keyNonce, wrapped, nonce, data] = sealed.split('.');
  const context = [format, column, row, owner].join('\0');
  const key = await decrypt(bytes(kek), keyNonce, `${context}\0KEK_${version}`, wrapped);
  return (await decrypt(key, nonce, context, data)).toString();
};
