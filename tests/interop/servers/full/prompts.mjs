// The prompts, and the completions of their arguments.
import { embedded, image, text } from './media.mjs';
import { INVALID_PARAMS, RpcError } from './wire.mjs';

const user = (content) => ({ role: 'user', content });
const argument = (name, description) => ({ name, description, required: true });

const prompts = [
  {
    name: 'test_simple_prompt',
    description: 'A prompt without arguments',
    get: () => [user(text('This is a simple prompt for testing.'))],
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'A prompt with two arguments',
    arguments: [argument('arg1', 'First test argument'), argument('arg2', 'Second test argument')],
    get: ({ args }) => [user(text(`Prompt with arguments: arg1='${args.arg1}', arg2='${args.arg2}'`))],
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'A prompt that carries a resource',
    arguments: [argument('resourceUri', 'URI of the resource to embed')],
    get: ({ args }) => [
      user(embedded(args.resourceUri, 'text/plain', 'Embedded resource content for testing.')),
      user(text('Please process the embedded resource above.')),
    ],
  },
  {
    name: 'test_prompt_with_image',
    description: 'A prompt that carries a picture',
    get: () => [user(image()), user(text('Please analyze the image above.'))],
  },
  {
    name: 'test_input_required_result_prompt',
    description: 'A prompt that asks the user before it answers',
    get: async (call) => {
      const { user_context: answer } = await call.ask({
        user_context: {
          method: 'elicitation/create',
          params: {
            message: 'What context should the prompt use?',
            requestedSchema: {
              type: 'object',
              properties: { context: { type: 'string' } },
              required: ['context'],
            },
          },
        },
      });
      return [user(text(`Use this context: ${answer.content?.context ?? 'none'}`))];
    },
  },
];

const dynamic = { name: 'test_dynamic_prompt', description: 'Comes and goes', get: () => [user(text('here'))] };

const offered = (world) => (world.dynamicPrompt ? [...prompts, dynamic] : prompts);

export const listPrompts = (world) => ({
  prompts: offered(world).map(({ get: _, ...shown }) => shown),
});

export async function getPrompt(name, call, world) {
  const prompt = offered(world).find((one) => one.name === name);
  if (!prompt) throw new RpcError(INVALID_PARAMS, `no such prompt: ${name}`);
  const missing = (prompt.arguments ?? []).filter((one) => call.args[one.name] === undefined);
  if (missing.length > 0) {
    throw new RpcError(INVALID_PARAMS, `missing argument: ${missing.map((one) => one.name).join(', ')}`);
  }
  return { description: prompt.description, messages: await prompt.get(call) };
}

const words = ['paris', 'park', 'party', 'test', 'testing'];

export function complete({ ref, argument: asked }) {
  const known = ref?.type === 'ref/prompt' || ref?.type === 'ref/resource';
  if (!known || typeof asked?.value !== 'string') {
    throw new RpcError(INVALID_PARAMS, 'a completion needs a ref and an argument with a value');
  }
  const values = words.filter((word) => word.startsWith(asked.value));
  return { completion: { values, total: values.length, hasMore: false } };
}
