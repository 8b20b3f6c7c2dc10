// The resources: two static ones, one that changes, one made from a template, and
// enough of them that a listing needs two pages.
import { PNG } from './media.mjs';
import { INVALID_PARAMS, RpcError } from './wire.mjs';

const PAGE = 3;

const fixed = [
  ['test://static-text', 'static-text', 'text/plain', 'A text that never changes'],
  ['test://static-binary', 'static-binary', 'image/png', 'A picture of one pixel'],
  ['test://watched-resource', 'watched-resource', 'text/plain', 'A text that the tool "touch" changes'],
  ['test://example-resource', 'example-resource', 'text/plain', 'A text to embed in a prompt'],
  ['test://page-two', 'page-two', 'text/plain', 'The last one, on the second page'],
].map(([uri, name, mimeType, description]) => ({ uri, name, description, mimeType }));

export const templates = [
  {
    uriTemplate: 'test://template/{id}/data',
    name: 'template-data',
    description: 'Says which id it was read with',
    mimeType: 'application/json',
  },
];

export function listResources(cursor) {
  const from = cursor === undefined ? 0 : Number(cursor);
  if (!Number.isInteger(from) || from < 0 || from >= fixed.length) {
    throw new RpcError(INVALID_PARAMS, `no such page: ${cursor}`);
  }
  const next = from + PAGE < fixed.length ? { nextCursor: String(from + PAGE) } : {};
  return { resources: fixed.slice(from, from + PAGE), ...next };
}

export function readResource(uri, world) {
  const template = /^test:\/\/template\/([^/]+)\/data$/.exec(uri);
  if (template) {
    const value = { id: template[1], templateTest: true, data: `Data for ID: ${template[1]}` };
    return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(value) }] };
  }
  const known = fixed.find((resource) => resource.uri === uri);
  if (!known) return null;
  if (known.mimeType === 'image/png') return { contents: [{ uri, mimeType: 'image/png', blob: PNG }] };
  const texts = {
    'test://static-text': 'This is the content of the static text resource.',
    'test://watched-resource': `version ${world.version(uri)}`,
  };
  return { contents: [{ uri, mimeType: 'text/plain', text: texts[uri] ?? `The content of ${uri}.` }] };
}
