// The tools that answer by themselves. Each gets a `call`: its arguments, its
// signal, and the ways to report on it (`progress`, `log`) whatever the front.
import { audio, embedded, image, text } from './media.mjs';
import { INVALID_PARAMS, RpcError } from './wire.mjs';
import { sleep } from './world.mjs';
import { askingTools } from './asking.mjs';

export const nothing = { type: 'object', properties: {} };
export const said = (value) => ({ content: [text(value)] });

const object = (properties, ...required) => ({ type: 'object', properties, required });
const string = (description) => ({ type: 'string', description });
const integer = (description) => ({ type: 'integer', minimum: 0, description });

const contents = [
  {
    name: 'test_simple_text',
    description: 'Answers with a text',
    run: () => said('This is a simple text response for testing.'),
  },
  { name: 'test_image_content', description: 'Answers with a picture', run: () => ({ content: [image()] }) },
  { name: 'test_audio_content', description: 'Answers with a sound', run: () => ({ content: [audio()] }) },
  {
    name: 'test_embedded_resource',
    description: 'Answers with a resource',
    run: () => ({
      content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
    }),
  },
  {
    name: 'test_multiple_content_types',
    description: 'Answers with a text, a picture and a resource',
    run: () => ({
      content: [
        text('Multiple content types test:'),
        image(),
        embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
      ],
    }),
  },
  {
    name: 'test_error_handling',
    description: 'Always fails',
    run: () => ({ isError: true, ...said('This tool intentionally returns an error for testing') }),
  },
];

const reporting = [
  {
    name: 'test_tool_with_logging',
    description: 'Logs three messages while it runs',
    run: async (call) => {
      call.log('info', 'Tool execution started');
      await sleep(50, call.signal);
      call.log('info', 'Tool processing data');
      await sleep(50, call.signal);
      call.log('info', 'Tool execution completed');
      return said('Tool with logging executed successfully');
    },
  },
  {
    name: 'test_logging_tool',
    description: 'Logs one message, if the caller wants any',
    run: (call) => {
      call.log('info', 'Logged once');
      return said('logged');
    },
  },
  {
    name: 'test_tool_with_progress',
    description: 'Reports 0, 50 and 100 of 100 while it runs',
    run: async (call) => {
      call.progress(0, 100);
      await sleep(50, call.signal);
      call.progress(50, 100);
      await sleep(50, call.signal);
      call.progress(100, 100);
      return said('Tool with progress executed successfully');
    },
  },
  {
    name: 'test_reconnection',
    description: 'Takes long enough for its stream to be lost and resumed',
    run: async (call) => {
      await sleep(500, call.signal);
      return said('Reconnection test completed successfully');
    },
  },
  {
    name: 'count_to',
    description: 'Reports progress n times, a wait apart, with a message each',
    inputSchema: object({ n: integer('How many'), wait_ms: integer('Wait between two') }, 'n'),
    run: async (call) => {
      for (let i = 1; i <= call.args.n; i++) {
        call.progress(i, call.args.n, `step ${i}`);
        await sleep(call.args.wait_ms ?? 10, call.signal);
      }
      return said(`counted to ${call.args.n}`);
    },
  },
];

const plain = [
  {
    name: 'echo',
    description: 'Says what it was told',
    inputSchema: object({ text: string('What to say') }, 'text'),
    run: ({ args }) => said(args.text),
  },
  {
    name: 'add',
    description: 'Adds two numbers',
    inputSchema: object({ a: { type: 'number' }, b: { type: 'number' } }, 'a', 'b'),
    outputSchema: object({ sum: { type: 'number' } }, 'sum'),
    run: ({ args }) => ({ ...said(String(args.a + args.b)), structuredContent: { sum: args.a + args.b } }),
  },
  {
    name: 'big',
    description: 'Answers with so many letters',
    inputSchema: object({ bytes: integer('How many') }, 'bytes'),
    run: ({ args }) => said('x'.repeat(args.bytes)),
  },
  {
    name: 'sleep',
    description: 'Waits, and can be cancelled',
    inputSchema: object({ ms: integer('How long') }, 'ms'),
    run: async (call) => {
      await sleep(call.args.ms, call.signal);
      return said(`slept ${call.args.ms} ms`);
    },
  },
  { name: 'pid', description: 'Tells its process id', run: () => said(String(process.pid)) },
  {
    name: 'exit',
    description: 'Ends the process in the middle of the call',
    inputSchema: object({ code: integer('Exit status') }),
    run: ({ args }) => process.exit(args.code ?? 1),
  },
  {
    name: 'route_by_region',
    description: 'Has arguments that HTTP headers mirror',
    inputSchema: object(
      {
        region: { ...string('Mirrored as Mcp-Param-Region'), 'x-mcp-header': 'Region' },
        shard: { ...integer('Mirrored as Mcp-Param-Shard'), 'x-mcp-header': 'Shard' },
        note: string('Not mirrored'),
      },
      'region',
    ),
    run: ({ args }) => said(`region ${args.region}, shard ${args.shard ?? 'none'}`),
  },
  {
    name: 'json_schema_2020_12_tool',
    description: 'Tool with JSON Schema 2020-12 features',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: {
          $anchor: 'addressDef',
          type: 'object',
          properties: { street: { type: 'string' }, city: { type: 'string' } },
        },
      },
      properties: {
        name: { type: 'string' },
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: { type: 'string' },
        email: { type: 'string' },
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
    run: ({ args }) => said(JSON.stringify(args)),
  },
];

const worldly = [
  {
    name: 'touch',
    description: 'Changes the watched resource',
    run: (_, world) => {
      world.touch('test://watched-resource');
      return said(`version ${world.version('test://watched-resource')}`);
    },
  },
  {
    name: 'cancellations',
    description: 'Tells how many calls were cancelled so far',
    run: (_, world) => said(String(world.cancellations)),
  },
  {
    name: 'client',
    description: 'Tells what it knows of the client: version, name, capabilities',
    run: (call) => said(JSON.stringify(call.client())),
  },
  {
    name: 'test_trigger_tool_change',
    description: 'Adds the tool test_dynamic_tool, or takes it away again',
    run: (_, world) => {
      world.dynamicTool = !world.dynamicTool;
      world.listChanged('tools');
      return said(`dynamic tool: ${world.dynamicTool}`);
    },
  },
  {
    name: 'test_trigger_prompt_change',
    description: 'Adds the prompt test_dynamic_prompt, or takes it away again',
    run: (_, world) => {
      world.dynamicPrompt = !world.dynamicPrompt;
      world.listChanged('prompts');
      return said(`dynamic prompt: ${world.dynamicPrompt}`);
    },
  },
];

const always = [...contents, ...reporting, ...plain, ...worldly, ...askingTools].map((tool) => ({
  inputSchema: nothing,
  ...tool,
}));
const dynamic = { name: 'test_dynamic_tool', description: 'Comes and goes', inputSchema: nothing, run: () => said('here') };

const offered = (world) => (world.dynamicTool ? [...always, dynamic] : always);

export const listTools = (world) => ({ tools: offered(world).map(({ run: _, ...shown }) => shown) });

export async function callTool(name, call, world) {
  const tool = offered(world).find((one) => one.name === name);
  if (!tool) throw new RpcError(INVALID_PARAMS, `no such tool: ${name}`);
  const missing = (tool.inputSchema.required ?? []).filter((key) => call.args[key] === undefined);
  if (missing.length > 0) throw new RpcError(INVALID_PARAMS, `missing argument: ${missing.join(', ')}`);
  return tool.run(call, world);
}
