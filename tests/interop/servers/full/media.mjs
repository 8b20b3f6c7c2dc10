// The smallest valid picture and sound: one red pixel, and two silent samples.
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

const header = Buffer.alloc(46);
header.write('RIFF', 0);
header.writeUInt32LE(38, 4);
header.write('WAVEfmt ', 8);
header.writeUInt32LE(16, 16); // size of the format chunk
header.writeUInt16LE(1, 20); // PCM
header.writeUInt16LE(1, 22); // mono
header.writeUInt32LE(8000, 24); // samples a second
header.writeUInt32LE(8000, 28); // bytes a second
header.writeUInt16LE(1, 32); // bytes a sample
header.writeUInt16LE(8, 34); // bits a sample
header.write('data', 36);
header.writeUInt32LE(2, 40);
header.fill(128, 44);
export const WAV = header.toString('base64');

export const text = (value) => ({ type: 'text', text: value });
export const image = () => ({ type: 'image', data: PNG, mimeType: 'image/png' });
export const audio = () => ({ type: 'audio', data: WAV, mimeType: 'audio/wav' });
export const embedded = (uri, mimeType, value) => ({
  type: 'resource',
  resource: { uri, mimeType, text: value },
});
