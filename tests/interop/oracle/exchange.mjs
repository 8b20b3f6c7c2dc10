// One request to a server over HTTP, and what came back, without how it was framed: a call may be
// answered with JSON or with a stream of events, and both are right.
const LATE_MS = 15_000;

export async function exchange(url, { method, fields, body }) {
  const signal = AbortSignal.timeout(LATE_MS);
  try {
    const response = await fetch(url, { method, headers: fields, body, signal });
    const text = await response.text();
    const type = (response.headers.get('content-type') ?? '').split(';')[0];
    return {
      status: response.status,
      session: response.headers.get('mcp-session-id') ?? undefined,
      messages: type === 'text/event-stream' ? events(text) : contents(text),
    };
  } catch (error) {
    return { status: 0, messages: [], failed: `${error} ${error.cause ?? ''}` };
  }
}

// The messages of a stream. A priming event has no data.
const events = (text) =>
  text
    .split(/\r?\n\r?\n/)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''))
        .join('\n'),
    )
    .filter((data) => data !== '')
    .map(parsed);

const contents = (text) => (text === '' ? [] : [parsed(text)]);

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { text };
  }
}
