// Newline-delimited JSON on two byte streams: one line, one message, each way.
export class RpcError extends Error {
  constructor(code, message, data) {
    super(message);
    this.code = code;
    this.data = data;
  }

  toJSON() {
    const error = { code: this.code, message: this.message };
    return this.data === undefined ? error : { ...error, data: this.data };
  }
}

export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;

export class Wire {
  onMessage = () => {};
  onEnd = () => {};

  constructor(input, output) {
    this.output = output;
    const parts = [];
    input.on('data', (chunk) => {
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        parts.push(chunk.subarray(from, at));
        this.#line(Buffer.concat(parts.splice(0)).toString('utf8'));
        from = at + 1;
      }
      if (from < chunk.length) parts.push(chunk.subarray(from));
    });
    input.on('end', () => this.onEnd());
    output.on('error', () => this.onEnd());
  }

  send(message) {
    this.output.write(`${JSON.stringify(message)}\n`);
  }

  result(id, result) {
    this.send({ jsonrpc: '2.0', id, result });
  }

  error(id, error) {
    const rpc = error instanceof RpcError ? error : new RpcError(INTERNAL_ERROR, String(error?.message ?? error));
    this.send({ jsonrpc: '2.0', id, error: rpc });
  }

  notify(method, params) {
    this.send({ jsonrpc: '2.0', method, params });
  }

  #line(text) {
    if (text.trim() === '') return;
    let message;
    try {
      message = JSON.parse(text);
    } catch (error) {
      process.stderr.write(`not JSON: ${error.message}\n`);
      return;
    }
    this.onMessage(message);
  }
}
