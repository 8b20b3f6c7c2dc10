// The tools that need the client's help: `call.ask` takes named requests and gives
// their results. Behind it are requests to the client (session era) or rounds of
// `input_required` (2026-07-28), in which the tool runs again from its first line:
// so a tool does nothing before its last question that may not be done twice.
import { text } from './media.mjs';

const said = (value) => ({ content: [text(value)] });
const form = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });

const elicit = (message, requestedSchema) => ({
  method: 'elicitation/create',
  params: { message, requestedSchema },
});
const sample = (prompt, maxTokens = 100) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: text(prompt) }], maxTokens },
});
const roots = () => ({ method: 'roots/list', params: {} });

const outcome = (answer) => `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
const rootNames = (answer) => answer.roots.map((root) => root.uri).join(' ');
const name = form({ name: { type: 'string' } });

const sessionEra = [
  {
    name: 'test_sampling',
    description: 'Has the client sample a prompt',
    inputSchema: form({ prompt: { type: 'string', description: 'The prompt to send to the LLM' } }),
    run: async (call) => {
      const { sampled } = await call.ask({ sampled: sample(call.args.prompt) });
      return said(`LLM response: ${sampled.content.text}`);
    },
  },
  {
    name: 'test_elicitation',
    description: 'Asks the user for a name and an address',
    inputSchema: form({ message: { type: 'string', description: 'The message to show the user' } }),
    run: async (call) => {
      const schema = form({
        username: { type: 'string', description: "User's response" },
        email: { type: 'string', description: "User's email address" },
      });
      const { user } = await call.ask({ user: elicit(call.args.message, schema) });
      return said(`User response: ${outcome(user)}`);
    },
  },
  {
    name: 'test_elicitation_sep1034_defaults',
    description: 'Asks the user with a default for each primitive type',
    run: async (call) => {
      const schema = form(
        {
          name: { type: 'string', description: 'User name', default: 'John Doe' },
          age: { type: 'integer', description: 'User age', default: 30 },
          score: { type: 'number', description: 'User score', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', description: 'Verification status', default: true },
        },
        [],
      );
      const { user } = await call.ask({ user: elicit('Please review the defaults', schema) });
      return said(`Elicitation completed: ${outcome(user)}`);
    },
  },
  {
    name: 'test_elicitation_sep1330_enums',
    description: 'Asks the user with every kind of enumeration',
    run: async (call) => {
      const titled = (...titles) => titles.map((title, i) => ({ const: `value${i + 1}`, title }));
      const schema = form(
        {
          untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
          titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
          legacyEnum: {
            type: 'string',
            enum: ['opt1', 'opt2', 'opt3'],
            enumNames: ['Option One', 'Option Two', 'Option Three'],
          },
          untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
          titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
        },
        [],
      );
      const { user } = await call.ask({ user: elicit('Please choose', schema) });
      return said(`Elicitation completed: ${outcome(user)}`);
    },
  },
];

const inRounds = [
  {
    name: 'test_input_required_result_elicitation',
    description: 'Asks for a name, then greets',
    run: async (call) => {
      const { user_name: user } = await call.ask({ user_name: elicit('What is your name?', name) });
      return said(`Hello, ${user.content?.name ?? user.action}!`);
    },
  },
  {
    name: 'test_input_required_result_sampling',
    description: 'Has the client sample a question',
    run: async (call) => {
      const { capital_question: sampled } = await call.ask({
        capital_question: sample('What is the capital of France?'),
      });
      return said(sampled.content.text);
    },
  },
  {
    name: 'test_input_required_result_list_roots',
    description: 'Asks for the roots of the client',
    run: async (call) => {
      const { client_roots: listed } = await call.ask({ client_roots: roots() });
      return said(`roots: ${rootNames(listed)}`);
    },
  },
  ...['request_state', 'tampered_state'].map((what) => ({
    name: `test_input_required_result_${what}`,
    description: 'Asks for a confirmation and checks the state that comes back',
    run: async (call) => {
      const { confirm } = await call.ask({
        confirm: elicit('Please confirm', form({ ok: { type: 'boolean' } })),
      });
      return said(`state-ok: ${confirm.content?.ok ?? confirm.action}`);
    },
  })),
  {
    name: 'test_input_required_result_multiple_inputs',
    description: 'Asks the user, the model and for the roots at once',
    run: async (call) => {
      const answers = await call.ask({
        user_name: elicit('What is your name?', name),
        greeting: sample('Generate a greeting', 50),
        client_roots: roots(),
      });
      const who = answers.user_name.content?.name ?? answers.user_name.action;
      return said(`${who}: ${answers.greeting.content.text} (${rootNames(answers.client_roots)})`);
    },
  },
  {
    name: 'test_input_required_result_multi_round',
    description: 'Asks twice, the second time after the first answer',
    run: async (call) => {
      const { step1 } = await call.ask({ step1: elicit('Step 1: What is your name?', name) });
      const color = form({ color: { type: 'string' } });
      const { step2 } = await call.ask({ step2: elicit('Step 2: What is your favorite color?', color) });
      return said(`${step1.content?.name ?? step1.action} likes ${step2.content?.color ?? step2.action}`);
    },
  },
  {
    name: 'test_input_required_result_capabilities',
    description: 'Asks only what the client declared that it can answer',
    run: async (call) => {
      const can = {
        elicitation: { user_name: elicit('What is your name?', name) },
        sampling: { greeting: sample('Generate a greeting', 50) },
        roots: { client_roots: roots() },
      };
      const declared = Object.keys(can).filter((capability) => call.declares(capability));
      const answers = await call.ask(Object.assign({}, ...declared.map((capability) => can[capability])));
      return said(`asked: ${Object.keys(answers).join(' ')}`);
    },
  },
  {
    name: 'test_streaming_elicitation',
    description: 'Reports progress, then asks for a name',
    run: async (call) => {
      call.progress(1, 2);
      const { user_name: user } = await call.ask({ user_name: elicit('What is your name?', name) });
      call.progress(2, 2);
      return said(`Hello, ${user.content?.name ?? user.action}!`);
    },
  },
  {
    name: 'test_missing_capability',
    description: 'Needs a client that can sample',
    run: async (call) => {
      const { sampled } = await call.ask({ sampled: sample('Say anything') });
      return said(sampled.content.text);
    },
  },
];

export const askingTools = [...sessionEra, ...inRounds];
