// Where the proxy answers otherwise than a server's own HTTP, each with its reason. The first that
// fits a step counts. One that no step shows any more is stale, and fails the suite.
import { isDeepStrictEqual } from 'node:util';

const refused = ({ status }) => status >= 400;
const differ = (kind, from, to, sdk) => (met) =>
  met.step.kind === kind && met.own.status === from && met.ours.status === to && (!sdk || met.sdk === sdk);

// Without what belongs to no request: a change of a list, and what the server logs.
const COMMON = ['notifications/tools/list_changed', 'notifications/message'];
const ofTheCall = ({ messages }) => messages.filter(({ method }) => !COMMON.includes(method));

export const differences = [
  {
    name: 'the words of a refusal',
    // MCP, "Streamable HTTP": the body of an error is the server's choice; its status is not.
    like: ({ own, ours }) => refused(own) && own.status === ours.status,
  },
  {
    name: 'a message of no call comes with a call',
    // Over stdio a message names no stream. Where no GET stream is open, the response that is open
    // next takes it, so that clients that never open a GET stream have it too.
    like: ({ own, ours }) => own.status === ours.status && isDeepStrictEqual(ofTheCall(own), ofTheCall(ours)),
  },
  {
    name: 'GET without a session is 405',
    // MCP, "Listening for Messages from the Server": a stream or 405; clients go on without one.
    like: differ('GET without a session', 400, 405),
  },
  {
    name: 'another method is 405',
    // RFC 9110, "405 Method Not Allowed", with Allow.
    like: differ('PUT', 404, 405, 'typescript'),
  },
  {
    name: 'any type is accepted',
    // RFC 9110, "Accept": */* takes both types.
    like: differ('no Accept', 406, 200),
  },
  {
    name: 'JSON alone is accepted',
    // A client that takes no stream gets its answer as JSON: to refuse it would help nobody.
    like: differ('JSON alone accepted', 406, 200),
  },
  {
    name: 'an unknown session is 404',
    // MCP, "Session Management": a client that gets 404 starts a new session.
    like: differ('an unknown session', 400, 404, 'typescript'),
  },
  {
    name: 'an ended session is 404',
    // The same.
    like: differ('a call after DELETE', 400, 404, 'typescript'),
  },
  {
    name: 'an empty batch is refused',
    // JSON-RPC 2.0, "Batch": an empty array is an invalid request.
    like: differ('an empty array', 202, 400, 'typescript'),
  },
  {
    name: 'another content type is 415',
    // RFC 9110, "415 Unsupported Media Type".
    like: differ('a text', 400, 415, 'python'),
  },
  {
    name: 'an id that is null is refused',
    // MCP, "Requests": an id is a string or an integer and is not null. It is no notification.
    like: differ('an id that is null', 202, 400, 'python'),
  },
  {
    name: 'a second initialize is refused',
    // MCP, "Initialization": the first interaction of a session. The TypeScript SDK refuses it too.
    like: differ('a second initialize', 200, 400, 'python'),
  },
  {
    name: 'an id that is an object is refused',
    // The same.
    like: differ('an id that is an object', 202, 400, 'python'),
  },
];
