// State that a client carries for us and may neither change nor use for another call.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { INVALID_PARAMS, RpcError } from './wire.mjs';

export class Seal {
  #key = randomBytes(32);

  close(answers, about) {
    const body = Buffer.from(JSON.stringify(answers)).toString('base64url');
    return `${body}.${this.#mac(body, about).toString('base64url')}`;
  }

  open(state, about) {
    const [body, mac, ...rest] = String(state).split('.');
    const expected = this.#mac(body, about);
    const given = Buffer.from(mac ?? '', 'base64url');
    const exact = mac === expected.toString('base64url') && given.length === expected.length;
    if (rest.length > 0 || !exact || !timingSafeEqual(given, expected)) {
      throw new RpcError(INVALID_PARAMS, 'requestState fails its integrity check');
    }
    return JSON.parse(Buffer.from(body, 'base64url'));
  }

  #mac(body, about) {
    return createHmac('sha256', this.#key).update(`${about}\n${body}`).digest();
  }
}
