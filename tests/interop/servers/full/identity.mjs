// Who the server says it is, and which capability of the client a question needs.
export const IDENTITY = { name: 'full', version: '1.0.0' };
export const INSTRUCTIONS = 'A server for tests: every feature once, nothing of use.';

export const NEEDS = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
};
