// Runs a body with the proxy in front of a command; how the proxy ends is a check.
import { Proxy } from './proxy.mjs';

export async function behindProxy(check, command, body, options) {
  const proxy = await Proxy.start(command, options);
  try {
    await body(proxy.url, proxy);
  } catch (error) {
    throw new Error(`${error.stack ?? error}\nthe proxy's last words:\n${proxy.log.join('\n')}`);
  } finally {
    await check('SIGTERM ends the proxy with status 0 and leaves no process', async () => {
      const problem = await proxy.stop();
      if (problem) throw new Error(problem);
    }, 45_000);
  }
}
